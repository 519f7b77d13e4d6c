package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/regsweep/regsweep/internal/app"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/planfile"
	"github.com/regsweep/regsweep/internal/render"
)

func newPlan(w *World, f *flags) *cobra.Command {
	var all, exact, detailed, merge bool
	var out string
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what would be deleted, with a reason for every image",
		Long: `Show what would be deleted, with a reason for every image. Nothing is changed.

Exit codes: 0 done; 1 failed; 2 wrong usage or configuration; 4 something is held
by a safety limit or a gap; 10 with --detailed-exitcode, the plan deletes something.

Large accounts are planned in parts, with --shard 1/4 to --shard 4/4 on four
machines; --merge joins the saved plans of all parts into that of the whole:

  regsweep plan --merge 1.json 2.json 3.json 4.json --out plan.json`,
		Args: cobra.ArbitraryArgs,
	}
	cmd.Flags().BoolVar(&merge, "merge", false, "join the saved plans of shards, which are the arguments")
	cmd.Flags().BoolVar(&all, "all", false, "list kept images too, and every line of the table")
	cmd.Flags().BoolVar(&exact, "exact-sizes", false, "read every manifest once, so that shared layers are counted truly")
	cmd.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit 10 when the plan deletes something")
	cmd.Flags().StringVar(&out, "out", "", "save the plan to this `file` or s3://bucket/key for apply")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case merge && len(args) == 0:
			return usageError("--merge joins the saved plans of all shards: name their files (see %s --help)", cmd.CommandPath())
		case !merge && len(args) > 0:
			return usageError("unexpected argument %q: saved plans are joined with --merge, and carried out by regsweep apply (see %s --help)", args[0], cmd.CommandPath())
		}
		flag := f.narrowing()
		if exact {
			flag = "--exact-sizes"
		}
		if merge && flag != "" {
			return usageError("--merge joins saved plans as they are: %s goes with the runs that make them", flag)
		}
		r, err := f.start(cmd.Context(), w)
		if err != nil {
			return err
		}
		defer r.close()
		target, err := r.target(out)
		if err != nil {
			return err
		}
		for _, path := range args {
			if same(path, out) {
				return usageError("--out %s: this is one of the plans to join; save the whole elsewhere", out)
			}
		}
		if err := r.withJournal(); err != nil {
			return err
		}
		r.All, r.ExactSizes = all, exact
		outcome, err := r.planOrMerge(cmd.Context(), args)
		if err != nil {
			return err
		}
		if target != nil {
			if err := target.Write(cmd.Context(), func(w io.Writer) error { return planfile.Write(w, outcome.Plan) }); err != nil {
				return unsaved("plan", err)
			}
		}
		if err := r.show(w.Stdout, w.StdoutTerminal, outcome.Plan); err != nil {
			return err
		}
		switch {
		case outcome.Held():
			return &exitError{code: exitHeld}
		case detailed && outcome.Plan.Totals.Takes():
			return &exitError{code: exitChanges}
		}
		return nil
	}
	f.addJournal(cmd)
	f.addOutput(cmd, "table", "json", "html", "markdown")
	return cmd
}

// narrowing returns a flag that is set and says what a run is about, or "".
func (f *flags) narrowing() string {
	for _, given := range []struct {
		flag string
		set  bool
	}{
		{"--repository", len(f.repositories) > 0}, {"--shard", f.shard != ""}, {"--registry", f.registry != ""}, {"--now", f.now != ""},
		{"--ignore-gap", len(f.ignoreGaps) > 0},
	} {
		if given.set {
			return given.flag
		}
	}
	return ""
}

// planOrMerge makes a plan, or joins the saved ones.
func (r *run) planOrMerge(ctx context.Context, saved []string) (*app.Outcome, error) {
	if len(saved) == 0 {
		return r.plan(ctx)
	}
	var plans []*plan.Plan
	for _, path := range saved {
		p, err := r.readPlan(ctx, path)
		if err != nil {
			return nil, err
		}
		if err := r.Check(p); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if r.All {
			if err := listsAll(p, path); err != nil {
				return nil, err
			}
		}
		plans = append(plans, p)
	}
	merged, err := plan.Merge(plans, saved, r.Policy.Limits(), r.Price)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return &app.Outcome{Plan: merged, Gaps: merged.HasGaps()}, nil
}

// listsAll refuses a plan that was saved without its kept images: --all cannot
// list them.
func listsAll(p *plan.Plan, path string) error {
	for i := range p.Registries {
		for k := range p.Registries[i].Repositories {
			r := &p.Registries[i].Repositories[k]
			listed, err := r.Listed()
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			if listed < r.Totals.Images {
				return usageError("--merge joins saved plans as they are, and %s has no kept images: --all goes with the runs that make them, too", path)
			}
		}
	}
	return nil
}

// plan makes a plan and shows progress meanwhile.
func (r *run) plan(ctx context.Context) (*app.Outcome, error) {
	defer r.progress()()
	return r.Plan(ctx)
}

// show writes a plan in the format that was asked for.
func (r *run) show(w io.Writer, color bool, p *plan.Plan) error {
	keepless, err := render.CountKeepless(p, r.Policy.Keepless())
	if err != nil {
		return err
	}
	opts := render.Options{
		All: r.All, Keepless: keepless, Color: r.world.colors(color), Currency: r.Price.Currency, Now: image.At(r.Judge()),
	}
	switch r.flags.output {
	case "json":
		return planfile.Write(w, p)
	case "markdown":
		return render.Markdown(w, p, opts)
	case "html":
		return render.HTML(w, p, render.HTMLOptions{Options: opts})
	}
	return render.Plan(w, p, opts)
}
