package journal_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/regsweep/regsweep/internal/journal"
	"github.com/regsweep/regsweep/internal/objects"
)

// TestMissingRecord takes records out of the journal of one run, and of one that
// stands behind another: all that a crash cannot do is damage.
func TestMissingRecord(t *testing.T) {
	write := func(t *testing.T, path string) {
		p := open(t, path, objects.Env{})
		r := begin(t, p, "sha256:abc", clock())
		after(t, r, before(t, r, root("index", "amd")), journal.Done, "index")
		after(t, r, before(t, r, root("amd")), journal.Done, "amd")
		if err := r.End(t.Context(), journal.End{Deleted: 2}); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		drop []int // lines, from 1
		want string
	}{
		"none":               {nil, ""},
		"the end":            {[]int{6}, ""},
		"the last answer":    {[]int{5, 6}, ""},
		"the beginning":      {[]int{1}, "1: the journal is damaged: the \"begin\" of its run is missing"},
		"the first batch":    {[]int{2}, "2: the journal is damaged: the \"before\" of batch 1 is missing"},
		"the first answer":   {[]int{3}, "5: the journal is damaged: the \"after\" of batch 1 is missing"},
		"the second batch":   {[]int{4}, "4: the journal is damaged: the \"before\" of batch 2 is missing"},
		"the second answer":  {[]int{5}, "5: the journal is damaged: the \"after\" of batch 2 is missing"},
		"the first of both":  {[]int{2, 3}, "2: the journal is damaged: the \"before\" of batch 1 is missing"},
		"the second of both": {[]int{4, 5}, "4: the journal is damaged: it ends with 2 images deleted and 0 archived, and the records before it have 1 and 0"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.jsonl")
			write(t, path)
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.SplitAfter(string(text), "\n")
			for _, n := range slices.Backward(tt.drop) {
				lines = slices.Delete(lines, n-1, n)
			}
			if err := os.WriteFile(path, []byte(strings.Join(lines, "")), 0o600); err != nil {
				t.Fatal(err)
			}
			p := open(t, path, objects.Env{})
			_, err = p.History(t.Context(), everything)
			_, errs := p.Unfinished(t.Context())
			var deleted error
			for _, err := range p.Deleted(t.Context(), host, "apps/web") {
				deleted = errors.Join(deleted, err)
			}
			for by, err := range map[string]error{"history": err, "unfinished": errors.Join(errs...), "deleted": deleted} {
				switch damage, ok := errors.AsType[*journal.DamageError](err); {
				case tt.want == "" && err == nil:
				case !ok || !strings.HasSuffix(damage.Error(), "a.jsonl:"+tt.want):
					t.Errorf("%s: %v, want %s", by, err, tt.want)
				}
			}
		})
	}
}
