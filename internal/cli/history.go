package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/regsweep/regsweep/internal/app"
	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/objects"
	"github.com/regsweep/regsweep/internal/policy"
	"github.com/regsweep/regsweep/internal/render"
)

func newHistory(w *World, f *flags) *cobra.Command {
	var since duration
	var marks bool
	cmd := &cobra.Command{
		Use:   "history [IMAGE...]",
		Short: "Tell what apply deleted, when, why and by which plan",
		Long: `Tell what apply deleted or archived, when, why and by which plan, from the journals
that it wrote. IMAGE is a URI, repository:tag, repository@sha256:… or a digest; a
repository alone means all its images. The first digits of a digest, as tables
print them, are enough, also without "sha256:". No configuration and, but for
s3://, no credentials are needed.

A run that was interrupted is shown as such. Of images that it was about to delete
and of which it wrote no outcome, the outcome is unknown until the next apply has
looked: the registry tells whether they are there.`,
		Args: cobra.ArbitraryArgs,
	}
	cmd.Flags().Var(&since, "since", "only runs that began within this time")
	cmd.Flags().BoolVar(&marks, "marks", false, "tell of the tags of the grace period too")
	f.addJournal(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed("since") && since == 0 {
			return usageError("--since 0s: nothing began within no time; leave it out for all runs, or write how long ago the first may have begun, such as 30d")
		}
		repositories, errs := policy.CompileRepositories(f.repositories)
		for _, err := range errs { // one is enough to stop
			return usageError("--repository: %w", err)
		}
		aws := w.AWS
		aws.Now, aws.Version = w.Now, Version()
		place, err := f.openJournal(w, objects.Env{AWS: awsapi.NewSession(aws)})
		switch {
		case err != nil:
			return err
		case place == nil:
			return usageError("there is no journal to read (HOME and XDG_STATE_HOME are not set): name it with --journal or REGSWEEP_JOURNAL")
		case place.IsStdout():
			return usageError("--journal -: what was written to stdout cannot be read again; save it in a file and name that")
		case f.named(w) && place.Missing():
			return usageError("--journal %s: there is no such file or folder", place)
		}
		all := len(f.repositories)+len(args) == 0 && f.registry == ""
		q := app.HistoryQuery{Registry: f.registry, Repositories: repositories, Images: args, Marks: marks, Interrupted: all}
		if since > 0 {
			q.Since = w.Now().Add(-time.Duration(since))
		}
		h, err := app.History(cmd.Context(), place, q)
		if missing, ok := errors.AsType[*objects.NotFoundError](err); ok && missing.Bucket {
			return &exitError{exitUsage, err}
		}
		if err != nil {
			return err
		}
		if f.journal != "" && h.Journals == 0 {
			return usageError("--journal %s: there is no journal in it", place)
		}
		for _, text := range h.Unread {
			fmt.Fprintf(w.Stderr, "regsweep: %s\n", text)
		}
		if f.output == "json" {
			return render.JSON(w.Stdout, h)
		}
		return render.History(w.Stdout, h, render.Options{Color: w.colors(w.StdoutTerminal)})
	}
	f.addOutput(cmd, "table", "json")
	without(cmd, "shard", "now", "ignore-gap")
	return cmd
}
