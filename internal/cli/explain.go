package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/render"
)

func newExplain(w *World, f *flags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain IMAGE...",
		Short: "Tell everything that is known of an image, and why it stays or goes",
		Long: `Tell everything that is known of an image: its family, who uses it, which rule
governs it and how each of the rule's keeps judged it. IMAGE is a URI,
repository:tag, repository@sha256:… or a digest. The first digits of a digest, as
tables print them, are enough where they mean one image, also without "sha256:".

Of several images those that are found are told of, and the exit code is 1 where
one is not.`,
		Args: cobra.MinimumNArgs(1),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r, err := f.start(cmd.Context(), w)
		if err != nil {
			return err
		}
		defer r.close()
		if err := r.withJournal(); err != nil {
			return err
		}
		stop := r.progress()
		list, err := r.Explain(cmd.Context(), args)
		stop()
		if err != nil && len(list) == 0 {
			return err
		}
		if f.output == "json" {
			return errors.Join(err, render.JSON(w.Stdout, list))
		}
		return errors.Join(err, render.Explain(w.Stdout, list, render.Options{
			Color: w.colors(w.StdoutTerminal), Now: image.At(r.Judge()), MaxDeletes: r.Policy.Limits().MaxDeletes,
		}))
	}
	f.addJournal(cmd)
	f.addOutput(cmd, "table", "json")
	return cmd
}
