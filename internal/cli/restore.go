package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/regsweep/regsweep/internal/app"
	"github.com/regsweep/regsweep/internal/render"
	"github.com/regsweep/regsweep/internal/wait"
)

func newRestore(w *World, f *flags) *cobra.Command {
	timeout := duration(30 * time.Minute)
	cmd := &cobra.Command{
		Use:   "restore IMAGE",
		Short: "Bring an image back: from the archive, or from the journal",
		Long: `Bring an image back. IMAGE is repository:tag, repository@sha256:… or a URI. The
first digits of a digest are enough where they mean one image, also without
"sha256:".

An archived image comes back with its family, one call an image, and restore waits
until it can be pulled, which takes up to 20 minutes. Archiving is undo and not
savings: an image is billed for at least 90 days in the archive, which costs as
much as standard storage below 150 TB, and each retrieval is billed too.

Of an image that was deleted the journal has the manifest and the tags. They are
put back as long as the registry has its layers. ECR collects layers that no image
of the repository uses any more, at a time that it does not tell: so this works for
images whose layers others share, or that went a short while ago. A tag that names
another image by now is left to that.

What is back is judged by the rules as any image: protect it, or the next apply may
delete or archive it again. -o json says in "result" what was done.`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().Var(&timeout, "timeout", "how long to wait for an image from the archive")
	f.addJournal(cmd)
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
		out, err := r.Restore(cmd.Context(), args[0], app.Restoring{Open: r.writer, Timeout: time.Duration(timeout), Wait: wait.For})
		stop()
		if out == nil {
			return err
		}
		return errors.Join(err, r.restored(out, err == nil))
	}
	f.addOutput(cmd, "table", "json")
	without(cmd, "repository", "shard", "now", "ignore-gap")
	return cmd
}

// restored says what was done, also where it was not all.
func (r *run) restored(out *app.Restored, all bool) error {
	w := r.world
	for _, text := range out.Unread {
		fmt.Fprintf(w.Stderr, "regsweep: %s\n", text)
	}
	if r.flags.output == "json" {
		if !all { // what stdout has is a whole result
			return nil
		}
		return render.JSON(w.Stdout, out)
	}
	name := out.Registry + "/" + out.Repository
	if len(out.Activated) > 0 {
		fmt.Fprintf(w.Stdout, "%s: %s back from the archive.\n", name, render.Count(len(out.Activated), "image"))
	}
	left := func(p app.PutBack) {
		if len(p.Left) > 0 {
			fmt.Fprintf(w.Stdout, "  Left to other images: %s\n", strings.Join(p.Left, ", "))
		}
	}
	for _, p := range out.Put {
		fmt.Fprintf(w.Stdout, "%s: %s is there again", name, p.Digest)
		if len(p.Tags) > 0 {
			fmt.Fprintf(w.Stdout, " as %s", strings.Join(p.Tags, ", "))
		}
		fmt.Fprintln(w.Stdout, ".")
		left(p)
	}
	for _, p := range out.Tagged {
		if len(p.Tags) > 0 {
			fmt.Fprintf(w.Stdout, "%s: %s was there already, and is %s again.\n", name, p.Digest, strings.Join(p.Tags, ", "))
		} else {
			fmt.Fprintf(w.Stdout, "%s: %s was there already.\n", name, p.Digest)
		}
		left(p)
	}
	for _, m := range out.Missing {
		fmt.Fprintf(w.Stderr, "regsweep: not put back: %s\n", m)
	}
	switch {
	case !all:
	case out.Result == app.Unarchived:
		fmt.Fprintln(w.Stdout, "The rules judge it as any image: protect it, or the next apply may archive it again.")
	case out.Result == app.PutAgain:
		fmt.Fprintln(w.Stdout, "The rules judge it as any image: protect it, or the next apply may delete it again.")
	default:
		fmt.Fprintf(w.Stdout, "%s: %s is there and can be pulled; nothing was done.\n", name, out.Digest)
	}
	return nil
}
