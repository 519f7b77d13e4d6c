package cli

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/regsweep/regsweep/internal/journal"
	"github.com/regsweep/regsweep/internal/objects"
)

// addJournal adds the --journal flag.
func (f *flags) addJournal(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.journal, "journal", "", "the journal of apply: a `file`, a folder, s3://bucket/prefix or - for stdout (default $REGSWEEP_JOURNAL, else a new file under ~/.local/state/regsweep/journal)")
}

// journalPath returns where the journal is, or "" where there is no place.
func (f *flags) journalPath(w *World) string {
	if f.journal != "" {
		return f.journal
	}
	if path := w.getenv("REGSWEEP_JOURNAL"); path != "" {
		return path
	}
	if dir := w.stateDir(); dir != "" {
		return filepath.Join(dir, "journal") + "/"
	}
	return ""
}

// named reports whether somebody said where the journal is.
func (f *flags) named(w *World) bool { return f.journal != "" || w.getenv("REGSWEEP_JOURNAL") != "" }

// openJournal returns the place of the journal, or nil where there is none.
func (f *flags) openJournal(w *World, env objects.Env) (*journal.Place, error) {
	path := f.journalPath(w)
	if path == "" {
		return nil, nil
	}
	// To read what was written there before could last for ever.
	if info, err := os.Stat(path); err == nil && !info.IsDir() && !info.Mode().IsRegular() {
		return nil, usageError("--journal %s: this is neither a file nor a folder; - is stdout", path)
	}
	place, err := journal.Open(path, env, w.Stdout)
	if err != nil {
		return nil, usageError("--journal: %w", err)
	}
	return place, nil
}

// withJournal makes the run read and write the journal.
func (r *run) withJournal() (err error) {
	r.Journal, err = r.flags.openJournal(r.world, objects.Env{AWS: r.env.AWS})
	return err
}

// stateDir returns the folder for what is to be kept and is no cache, as the XDG
// Base Directory Specification has it, or "" where there is none.
func (w *World) stateDir() string {
	if dir := w.getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "regsweep")
	}
	if home := w.getenv("HOME"); strings.TrimSpace(home) != "" {
		return filepath.Join(home, ".local", "state", "regsweep")
	}
	return ""
}
