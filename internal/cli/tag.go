package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/regsweep/regsweep/internal/app"
	"github.com/regsweep/regsweep/internal/registry"
	"github.com/regsweep/regsweep/internal/render"
	"github.com/regsweep/regsweep/internal/tagging"
)

func newTag(w *World, f *flags) *cobra.Command {
	var yes, dryRun, watch bool
	interval := duration(tagInterval)
	var sources, namespaces []string
	cmd := &cobra.Command{
		Use:   "tag",
		Short: "Mark images in use with a tag, for native lifecycle rules and usedWithin",
		Long: `Mark every image that is in use with a tag: with the configured prefix and the
time, or with one name on the newest image of each repository that runs. Without
--yes nothing is changed, and what would be is shown.

Lifecycle policies of the registry can then keep what is deployed, and usedWithin
keeps what was in use not long ago although nothing runs it today.

With --watch it goes on until it is told to end by SIGINT or SIGTERM, and tags at
once what comes into use: clusters are watched, and all sources are read again and
again. Each mark is a line of the log; without --yes it is one that would be given.

Exit codes: 0 done; 1 failed; 2 wrong usage or configuration; 3 some images cannot
be tagged; 4 a source is a gap (what is known to be in use is tagged).`,
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "change the tags, and do not only show what would change")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only show what would change; the default")
	cmd.Flags().BoolVar(&watch, "watch", false, "go on, and tag at once what comes into use")
	cmd.Flags().Var(&interval, "interval", "with --watch, the `time` between two readings of all sources")
	cmd.Flags().StringArrayVar(&sources, "source", nil, "only what usage sources that match this `glob` see; may be repeated")
	cmd.Flags().StringArrayVar(&namespaces, "namespace", nil, "only what is in Kubernetes namespaces that match this `glob`; may be repeated")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if yes && dryRun {
			return usageError("--yes and --dry-run exclude each other")
		}
		switch {
		case !watch && cmd.Flags().Changed("interval"):
			return usageError("--interval goes with --watch")
		case watch && interval < duration(time.Second):
			return usageError("--interval: write a time of 1s at least")
		case watch && f.now != "":
			return usageError("--now and --watch exclude each other: what is seen is in use now")
		case watch && cmd.Flags().Changed("output"):
			return usageError("-o and --watch exclude each other: each mark is a line of the log (--log-format json)")
		}
		f.logInfo = watch
		r, err := f.start(cmd.Context(), w)
		if err != nil {
			return err
		}
		defer r.close()
		t := r.tagging(yes, sources, namespaces)
		if watch {
			return narrowError(r.WatchTags(cmd.Context(), app.Watching{Tagging: t, Interval: time.Duration(interval)}))
		}
		if yes && r.Judge().After(w.Now()) {
			return usageError("--now %s is later than the clock: a mark would tell of a use in the future", f.now)
		}
		return r.tag(cmd.Context(), t)
	}
	f.addOutput(cmd, "table", "json")
	return cmd
}

// tagInterval is the usual time between two readings. ECS lists a stopped task for
// an hour (API reference, DescribeTasks), so that none is missed.
const tagInterval = 5 * time.Minute

// tagging says what is to be marked, and how.
func (r *run) tagging(change bool, sources, namespaces []string) app.Tagging {
	t := app.Tagging{
		Spec: tagging.Spec{
			Tag: r.config.Policy.Tag, Refresh: r.config.Tag.Refresh, KeepPerImage: r.config.Tag.KeepPerImage,
		},
		Sources: sources, Namespaces: namespaces,
	}
	if change {
		t.Open = r.tagger
	}
	return t
}

// tagger opens a registry for giving and taking tags.
func (r *run) tagger(ctx context.Context, name string) (registry.Tagger, error) {
	for _, reg := range r.config.Registries {
		if reg.Name == name {
			return reg.Config.OpenTagger(ctx, name, r.env)
		}
	}
	return nil, fmt.Errorf("registry %s: not in the configuration", name)
}

// tag marks once and reports, also of what was done before an error.
func (r *run) tag(ctx context.Context, t app.Tagging) error {
	stop := r.progress()
	report, gaps, err := r.Tag(ctx, t)
	stop()
	err = narrowError(err)
	done := report.Totals.Tagged+report.Totals.Moved+report.Totals.Removed > 0
	if err == nil || done {
		if showErr := r.showTags(report); err == nil {
			err = showErr
		}
	}
	switch {
	case err != nil && done && !report.DryRun:
		return &exitError{exitPartial, fmt.Errorf("stopped before everything was tagged: %w", err)}
	case err != nil:
		return err
	case report.Totals.Failed > 0:
		return &exitError{code: exitPartial}
	case gaps:
		return &exitError{code: exitHeld}
	}
	return nil
}

// narrowError makes the mistake of a flag one of usage.
func narrowError(err error) error {
	var narrow *app.NarrowError
	if errors.As(err, &narrow) || errors.Is(err, app.ErrNothingSeen) {
		return &exitError{exitUsage, err}
	}
	return err
}

func (r *run) showTags(report *tagging.Report) error {
	if r.flags.output == "json" {
		return render.TagJSON(r.world.Stdout, report)
	}
	return render.Tag(r.world.Stdout, report, render.Options{Color: r.world.colors(r.world.StdoutTerminal)})
}
