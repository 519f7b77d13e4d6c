package journal_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/regsweep/regsweep/internal/journal"
	"github.com/regsweep/regsweep/internal/objects"
)

// TestCopies: a run whose journal is there more than once is told once, with all
// that is known of it: a copy may have been made while it went on.
func TestCopies(t *testing.T) {
	for name, copies := range map[string][]string{
		"a copy":                  {"z.jsonl"},
		"two copies":              {"0.jsonl", "z.jsonl"},
		"of the beginning":        {},
		"twice in the same file":  nil,
		"the beginning is second": {"z.jsonl"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "m.jsonl")
			read := func() []byte {
				text, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				return text
			}
			write := func(file string, text []byte) {
				if err := os.WriteFile(filepath.Join(dir, file), text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			r := begin(t, open(t, path, objects.Env{}), "sha256:abc", clock())
			after(t, r, before(t, r, root("index", "amd")), journal.Done, "index")
			early := read()
			after(t, r, before(t, r, root("amd")), journal.Done, "amd")
			if err := r.End(t.Context(), journal.End{Deleted: 2}); err != nil {
				t.Fatal(err)
			}
			for _, file := range copies {
				write(file, read())
			}
			switch name {
			case "of the beginning":
				write("0.jsonl", early)
			case "the beginning is second":
				write("z.jsonl", early)
			case "twice in the same file":
				write("m.jsonl", append(read(), read()...))
			}
			h, err := open(t, dir, objects.Env{}).History(t.Context(), everything)
			if err != nil {
				t.Fatal(err)
			}
			if len(h.Runs) != 1 || len(h.Runs[0].Events) != 2 || h.Runs[0].Interrupted || h.Runs[0].Unfinished != 0 {
				t.Errorf("%d runs: %+v", len(h.Runs), h.Runs)
			}
		})
	}
}
