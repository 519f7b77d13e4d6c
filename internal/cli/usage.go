package cli

import (
	"github.com/spf13/cobra"

	"github.com/regsweep/regsweep/internal/render"
)

func newUsage(w *World, f *flags) *cobra.Command {
	var all bool
	var out string
	cmd := &cobra.Command{
		Use:   "usage",
		Short: "Show what is in use and by whom",
		Long: `Show what is in use and by whom. With -o json the output is a snapshot, which
another configuration can read as "usage: [{snapshot: {path: FILE}}]". --out
saves it, also to s3://bucket/key.

Exit codes: 0 done; 1 failed; 2 wrong usage or configuration; 4 a source is a gap
(what was found is shown).`,
	}
	cmd.Flags().BoolVar(&all, "all", false, "list references to hosts that are not configured too")
	cmd.Flags().StringVar(&out, "out", "", "save the snapshot as JSON to this `file` or s3://bucket/key")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r, err := f.start(cmd.Context(), w)
		if err != nil {
			return err
		}
		defer r.close()
		target, err := r.target(out)
		if err != nil {
			return err
		}
		stop := r.progress()
		result, err := r.CollectUsage(cmd.Context())
		stop()
		if err != nil {
			return err
		}
		snapshot := result.Snapshot
		if !all {
			snapshot = snapshot.Listed(r.registries)
		}
		if target != nil {
			if err := target.Write(cmd.Context(), snapshot.Encode); err != nil {
				return unsaved("snapshot", err)
			}
		}
		if f.output == "json" {
			err = snapshot.Encode(w.Stdout)
		} else {
			err = render.Usage(w.Stdout, snapshot, render.Options{Color: w.colors(w.StdoutTerminal)})
		}
		if err != nil {
			return err
		}
		if len(result.Gaps) > 0 {
			return &exitError{code: exitHeld}
		}
		return nil
	}
	f.addOutput(cmd, "table", "json")
	without(cmd, "repository", "shard", "now")
	return cmd
}
