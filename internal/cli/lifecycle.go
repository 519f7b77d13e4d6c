package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/regsweep/regsweep/internal/app"
	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/lifecycle"
	"github.com/regsweep/regsweep/internal/registry"
	"github.com/regsweep/regsweep/internal/render"
	"github.com/regsweep/regsweep/internal/wait"
)

func newLifecycle(w *World, f *flags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lifecycle",
		Short: "Check, preview, compile and put lifecycle policies of Amazon ECR",
		Long: `Work with the lifecycle policies of Amazon ECR, which expire images on their own:
check a document (lint), see what a policy would do with the images that are there
and who uses those (preview), make one of the rules of the configuration (compile),
and give it to repositories (put).`,
	}
	cmd.AddCommand(newLifecycleLint(w, f), newLifecyclePreview(w, f), newLifecycleCompile(w, f), newLifecyclePut(w, f))
	return cmd
}

// readPolicy reads a policy document; "-" is stdin.
func (w *World) readPolicy(path string) ([]byte, error) {
	var text []byte
	var err error
	if path == "-" {
		text, err = io.ReadAll(w.Stdin)
	} else {
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, usageError("read the policy: %w", err)
	}
	return text, nil
}

// goodPolicy reads a policy document and returns its mistakes as an error.
func (w *World) goodPolicy(path string) (string, error) {
	text, err := w.readPolicy(path)
	if err != nil {
		return "", err
	}
	if _, mistakes := lifecycle.Parse(text); len(mistakes) > 0 {
		return "", &exitError{exitUsage, fmt.Errorf("the policy cannot be used:\n%s", mistakeLines(path, mistakes))}
	}
	return string(text), nil
}

func mistakeLines(path string, mistakes []lifecycle.Mistake) string {
	var lines []string
	for _, m := range mistakes {
		lines = append(lines, path+":"+m.String())
	}
	return strings.Join(lines, "\n")
}

func newLifecyclePreview(w *World, f *flags) *cobra.Command {
	var path string
	var native, all, compiled, plain bool
	cmd := &cobra.Command{
		Use:   "preview",
		Short: "Show what lifecycle policies would do with the images that are there",
		Long: `Evaluate lifecycle policies on the images of the registries, as ECR would, and show
which images would go by which rule and who uses them. It is the policy that each
repository has, or that of --policy. Nothing is changed.

What ECR does not document is read both ways: whether the images that an index
lists and what is attached to an image count. "expire or keep" is an image for
which that makes the difference.

Exit codes: 0 done; 1 failed, or the policy of a repository cannot be evaluated;
2 wrong usage or configuration; 4 an image in use would go, by any reading, or
something could be in use that could not be read.`,
	}
	cmd.Flags().StringVar(&path, "policy", "", "evaluate the policy of this `file` (- for stdin)")
	cmd.Flags().BoolVar(&compiled, "compiled", false, "evaluate what compile makes of the configuration's rules")
	cmd.Flags().BoolVar(&plain, "plain", false, "with --compiled, as for compile")
	cmd.Flags().BoolVar(&native, "native", false, "ask ECR for its own preview too, and show the difference")
	cmd.Flags().BoolVar(&all, "all", false, "list images too that stay")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r, p, err := f.previewing(cmd.Context(), w, path, compiled, plain)
		if err != nil {
			return err
		}
		defer r.close()
		p.Native, r.All = native, all
		report, refusal, err := r.preview(cmd.Context(), p)
		if err != nil {
			return err
		}
		if err := r.showLifecycle(w.Stdout, w.StdoutTerminal, report); err != nil {
			return err
		}
		return refusal
	}
	f.addOutput(cmd, "table", "json")
	return cmd
}

// previewing starts a run and says what it evaluates.
func (f *flags) previewing(ctx context.Context, w *World, path string, compiled, plain bool) (*run, app.Previewing, error) {
	var p app.Previewing
	switch {
	case path != "" && compiled:
		return nil, p, usageError("--policy and --compiled exclude each other")
	case plain && !compiled:
		return nil, p, usageError("--plain goes with --compiled")
	}
	if path != "" {
		text, err := w.goodPolicy(path)
		if err != nil {
			return nil, p, err
		}
		p.Text = text
	}
	r, err := f.start(ctx, w)
	if err != nil {
		return nil, p, err
	}
	p.Open = r.lifecycle
	if compiled {
		if p.Compile, p.Uncompiled, err = r.compiledTexts(ctx, plain); err != nil {
			r.close()
			return nil, p, err
		}
	}
	return r, p, nil
}

// preview evaluates policies. The refusal says why they must not be put.
func (r *run) preview(ctx context.Context, p app.Previewing) (report *lifecycle.Report, refusal, err error) {
	stop := r.progress()
	report, gaps, err := r.PreviewLifecycle(ctx, p)
	stop()
	if err != nil {
		return nil, nil, err
	}
	if len(report.Repositories) == 0 {
		report.Warnings = append(report.Warnings, "no repository matches")
	}
	danger := render.LifecycleDanger(report)
	switch {
	case danger != "":
		return report, &exitError{exitHeld, fmt.Errorf("%s", danger)}, nil
	case gaps:
		return report, &exitError{exitHeld, fmt.Errorf("not everything that could be in use is known (see the gaps), and images would go")}, nil
	}
	for i := range report.Repositories {
		if e := report.Repositories[i].Error; e != "" {
			return report, fmt.Errorf("repository %s: %s", report.Repositories[i].Name, e), nil
		}
	}
	return report, nil, nil
}

func (r *run) showLifecycle(w io.Writer, color bool, report *lifecycle.Report) error {
	if r.flags.output == "json" {
		return render.JSON(w, report)
	}
	return render.Lifecycle(w, report, render.Options{Color: r.world.colors(color), Now: image.At(r.Judge())})
}

// lifecycleConfig returns the configuration of a registry that has lifecycle
// policies.
func (r *run) lifecycleConfig(name string) (config.LifecycleConfig, error) {
	for _, reg := range r.config.Registries {
		if reg.Name != name {
			continue
		}
		if c, ok := reg.Config.(config.LifecycleConfig); ok {
			return c, nil
		}
		return nil, usageError("registry %s has no lifecycle policies; --registry names one", name)
	}
	return nil, fmt.Errorf("registry %s: not in the configuration", name)
}

// lifecycle opens the lifecycle policies of a registry for reading.
func (r *run) lifecycle(ctx context.Context, name string) (registry.LifecycleReader, error) {
	c, err := r.lifecycleConfig(name)
	if err != nil {
		return nil, err
	}
	return c.OpenLifecycle(ctx, name, r.env, wait.For)
}

func newLifecyclePut(w *World, f *flags) *cobra.Command {
	var path string
	var yes, compiled, plain bool
	cmd := &cobra.Command{
		Use:   "put",
		Short: "Give repositories a lifecycle policy, after a preview and a question",
		Long: `Preview a policy on the images that are there, ask, and put it on the repositories
that --repository names. It is the policy of --policy, or, with --compiled, what
compile makes of the configuration's rules for each of them.

From then on ECR applies it on its own, within 24 hours and ever after, and asks
nobody: what comes into use later must be tagged in time (regsweep tag). Where an
image in use would go nothing is put, and there is no way around it.

Exit codes: 0 done; 1 failed; 2 wrong usage or configuration; 3 only some
repositories have the policy; 4 an image in use would go, by any reading, or
something could be in use that could not be read.`,
	}
	cmd.Flags().StringVar(&path, "policy", "", "put the policy of this `file` (- for stdin)")
	cmd.Flags().BoolVar(&compiled, "compiled", false, "put what compile makes of the configuration's rules")
	cmd.Flags().BoolVar(&plain, "plain", false, "with --compiled, as for compile")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask; required without a terminal")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case path == "" && !compiled:
			return usageError("put needs a policy: --policy FILE, or --compiled for the configuration's rules")
		case f.now != "":
			return usageError("--now goes with preview: a policy acts as of the clock")
		case len(f.repositories) == 0:
			return usageError("put needs --repository: the policy of a repository is replaced (--repository '**' for all)")
		case !yes && (!w.StdinTerminal || path == "-"):
			return usageError("put asks before it changes policies, and there is no terminal to ask on: add --yes, or look at regsweep lifecycle preview first")
		}
		r, p, err := f.previewing(cmd.Context(), w, path, compiled, plain)
		if err != nil {
			return err
		}
		defer r.close()
		report, refusal, err := r.preview(cmd.Context(), p)
		if err != nil {
			return err
		}
		f.output = "table"
		if err := r.showLifecycle(w.Stderr, w.StderrTerminal, report); err != nil {
			return err
		}
		if refusal != nil {
			return refusal
		}
		return r.put(cmd.Context(), report, yes)
	}
	return cmd
}

// put puts the policies of a report, and lists the repositories that have them.
func (r *run) put(ctx context.Context, report *lifecycle.Report, yes bool) error {
	n := 0
	for i := range report.Repositories {
		if report.Repositories[i].Text != "" {
			n++
		}
	}
	if n == 0 {
		fmt.Fprintln(r.world.Stderr, "There is nothing to put.")
		return nil
	}
	if !yes {
		ok, err := r.world.confirm(ctx, fmt.Sprintf("Put the policy on %s, where it acts on its own from now on", render.Count(n, "repository")), "Nothing was put.")
		if err != nil || !ok {
			return err
		}
	}
	done, err := r.PutLifecycle(ctx, report, func(ctx context.Context, name string) (registry.LifecycleWriter, error) {
		c, err := r.lifecycleConfig(name)
		if err != nil {
			return nil, err
		}
		return c.OpenLifecycleWriter(ctx, name, r.env)
	})
	for _, name := range done {
		if _, writeErr := fmt.Fprintln(r.world.Stdout, name); writeErr != nil && err == nil {
			err = writeErr
		}
	}
	if err != nil && len(done) > 0 {
		return &exitError{exitPartial, err}
	}
	return err
}
