package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/regsweep/regsweep/internal/app"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/notify"
	"github.com/regsweep/regsweep/internal/objects"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/planfile"
	"github.com/regsweep/regsweep/internal/render"
)

func newApply(w *World, f *flags) *cobra.Command {
	var yes, exact, tell bool
	var alone leaseFlags
	every := duration(recheck)
	cmd := &cobra.Command{
		Use:   "apply [PLAN]",
		Short: "Delete what the plan says, after checking every image again",
		Long: `Delete what the plan says. Without PLAN, plans first, shows the plan and asks.
With PLAN, a file or s3://bucket/key that plan --out wrote, deletes what was
condemned then and still is, with the same digest and tags. What is in use is read
again either way, before the first deletion, and again whenever that was --recheck
ago.

Every call is written to the journal before and after it is made (--journal): what
goes, why, and its manifest. A run that was interrupted is finished by applying the
same plan again, or by any later apply that reads the same journal. See also
regsweep history and regsweep restore. Ctrl-C ends a run when the calls in flight
are answered, with a report of what was done; a second Ctrl-C ends it at once.

Exit codes: 0 done; 1 failed; 2 wrong usage or configuration, or a plan that does
not belong to it; 3 some deletions or marks failed; 4 something is held by a safety
limit or a gap (what is not held was done; over maxDeletes nothing is).`,
		Args: cobra.MaximumNArgs(1),
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask; required without a terminal")
	cmd.Flags().Var(&every, "recheck", "how old what is known of the usage may get during a long apply")
	f.addJournal(cmd)
	cmd.Flags().BoolVar(&exact, "exact-sizes", false, "read every manifest once, so that shared layers are counted truly")
	cmd.Flags().BoolVar(&tell, "notify", false, "send a summary to the receivers of the configuration, if something was deleted, failed or is held by a gap or a limit")
	alone.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := alone.check(cmd); err != nil {
			return err
		}
		if !yes && !w.StdinTerminal {
			return usageError("apply asks before it deletes, and there is no terminal to ask on: add --yes, or look at regsweep plan first")
		}
		r, err := f.start(cmd.Context(), w)
		if err != nil {
			return err
		}
		defer r.close()
		if r.Judge().After(w.Now()) {
			return usageError("--now %s is later than the clock: apply never judges as of the future", f.now)
		}
		if tell && len(r.config.Notify) == 0 {
			return usageError("--notify: the configuration names nobody to tell: add notify to it, or leave the flag out")
		}
		if err := r.journaled(); err != nil {
			return err
		}
		r.ExactSizes, r.Recheck = exact, time.Duration(every)
		ctx, free, err := r.hold(cmd.Context(), &alone)
		if err != nil {
			return err
		}
		defer free()
		told := notify.Run{Name: "regsweep apply"}
		err = lost(ctx, r.planAndApply(ctx, args, yes, &told))
		if tell {
			if told.Err = failure(err); ctx.Err() != nil { // it was interrupted, or lost the Lease
				told.Err, told.Stopped = nil, told.Err
			}
			r.tell(ctx, told)
		}
		return err
	}
	f.addOutput(cmd, "table", "json")
	return cmd
}

// planAndApply plans, asks and applies, and notes what came of it.
func (r *run) planAndApply(ctx context.Context, args []string, yes bool, what *notify.Run) error {
	p, held, err := r.planned(ctx, args)
	if err != nil {
		return err
	}
	what.Plan, what.Gaps = p, p.HasGaps()
	if !yes && p.Totals.Acts() {
		if ok, err := r.ask(ctx, p); err != nil || !ok {
			return err
		}
	}
	what.Report, err = r.apply(ctx, p, held)
	return err
}

// failure returns the error that is told of a run, or nil where the exit code
// only says what the report says anyway.
func failure(err error) error {
	var exit *exitError
	if errors.As(err, &exit) && exit.err == nil {
		return nil
	}
	return err
}

// journaled makes sure that there is a place for the journal of an apply.
func (r *run) journaled() error {
	if err := r.withJournal(); err != nil {
		return err
	}
	if r.Journal == nil {
		return errNoJournal()
	}
	return nil
}

// errNoJournal says that there is no place for the journal of an apply.
func errNoJournal() error {
	return usageError("apply writes down what it does before it does it, and there is no place for that (HOME and XDG_STATE_HOME are not set): set --journal or REGSWEEP_JOURNAL to a file, a folder, s3://bucket/prefix or - for stdout")
}

// planned returns the plan to apply: the saved one, or a new one. It shows it on
// stderr; stdout is for the result.
func (r *run) planned(ctx context.Context, args []string) (p *plan.Plan, held bool, err error) {
	if len(args) == 1 {
		if len(r.flags.repositories) > 0 || r.flags.shard != "" {
			return nil, false, usageError("a saved plan is applied as a whole: --repository and --shard go with regsweep plan --out")
		}
		if p, err = r.readPlan(ctx, args[0]); err != nil {
			return nil, false, err
		}
		if err := r.Check(p); err != nil {
			return nil, false, err
		}
		if err := p.Enforce(r.Policy.Limits(), r.Price); err != nil {
			return nil, false, usageError("the plan %s: %w", args[0], err)
		}
	} else {
		outcome, err := r.plan(ctx)
		if err != nil {
			return nil, false, err
		}
		p, held = outcome.Plan, outcome.Held()
	}
	if r.keepless, err = render.CountKeepless(p, r.Policy.Keepless()); err != nil {
		return nil, false, err
	}
	opts := render.Options{Color: r.world.colors(r.world.StderrTerminal), Keepless: r.keepless, Currency: r.Price.Currency, Now: image.At(r.Judge())}
	return p, held || p.Totals.HeldBack() > 0, render.Plan(r.world.Stderr, p, opts)
}

// readPlan reads a saved plan.
func (r *run) readPlan(ctx context.Context, path string) (*plan.Plan, error) {
	o, err := objects.Open(path, objects.Env{AWS: r.env.AWS})
	if err != nil {
		return nil, usageError("read the plan: %w", err)
	}
	f, err := o.Read(ctx)
	if _, folder := errors.AsType[*objects.FolderError](err); folder || errors.Is(err, fs.ErrNotExist) {
		return nil, usageError("read the plan: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("read the plan: %w", err)
	}
	p, err := planfile.Read(bufio.NewReaderSize(f, 1<<16), r.Store)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, usageError("read the plan %s: %w", path, err)
	}
	return p, nil
}

// ask asks whether to go on.
func (r *run) ask(ctx context.Context, p *plan.Plan) (bool, error) {
	return r.world.confirm(ctx, render.Question(p.Totals)+render.KeeplessClause(r.keepless), "Nothing was deleted.")
}

// confirm asks a question that only "yes" answers; otherwise it says that nothing
// was done.
func (w *World) confirm(ctx context.Context, question, otherwise string) (bool, error) {
	fmt.Fprintf(w.Stderr, "%s? Only \"yes\" is taken: ", question)
	type line struct {
		text string
		err  error
	}
	typed := make(chan line, 1)
	go func() { // a read of a terminal cannot be ended; the process ends it
		text, err := bufio.NewReader(w.Stdin).ReadString('\n')
		typed <- line{text, err}
	}()
	var answer string
	select {
	case <-ctx.Done():
		fmt.Fprintln(w.Stderr, "\n"+otherwise)
		return false, ctx.Err()
	case l := <-typed:
		if l.err != nil && !errors.Is(l.err, io.EOF) {
			return false, fmt.Errorf("read the answer: %w", l.err)
		}
		answer = l.text
	}
	if strings.TrimSpace(answer) != "yes" {
		fmt.Fprintln(w.Stderr, otherwise)
		return false, nil
	}
	return true, nil
}

// apply applies the plan and reports, also of what was done before an error.
func (r *run) apply(ctx context.Context, p *plan.Plan, held bool) (*plan.Report, error) {
	stop := r.progress()
	off := r.world.patience(ctx)
	report, err := r.Apply(ctx, p, r.writer)
	off()
	stop()
	report.Held = report.Held || held // as the exit code says
	var heldErr error
	if report.HeldBack, heldErr = p.HeldBack(); err == nil {
		err = heldErr
	}
	sources, repositories := p.Gaps()
	if !p.Totals.Acts() { // nothing was read again
		report.Gaps = sources
	}
	report.Gaps = append(report.Gaps, repositories...)
	if showErr := r.report(report); err == nil {
		err = showErr
	}
	switch {
	case err != nil && report.Deleted+report.Archived+report.Condemned+report.Unmarked > 0:
		err = &exitError{exitPartial, fmt.Errorf("stopped in mid-apply: %w", app.Why(ctx, err))}
	case err != nil:
	case report.Failed > 0:
		err = &exitError{code: exitPartial}
	case held || report.Held:
		err = &exitError{code: exitHeld}
	}
	return report, err
}

func (r *run) report(report *plan.Report) error {
	out, terminal := r.world.Stdout, r.world.StdoutTerminal
	if r.Journal != nil && r.Journal.IsStdout() { // stdout has one result only
		out, terminal = r.world.Stderr, r.world.StderrTerminal
	}
	if r.flags.output == "json" {
		return render.ReportJSON(out, report)
	}
	return render.Report(out, report, render.Options{Color: r.world.colors(terminal)})
}
