package journal_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/regsweep/regsweep/internal/journal"
	"github.com/regsweep/regsweep/internal/objects"
)

// FuzzRead reads whatever stands in a file. What is read of it names only images
// that it announces: as many as there are, and of a host that it names.
func FuzzRead(f *testing.F) {
	path := filepath.Join(f.TempDir(), "seed.jsonl")
	place, err := journal.Open(path, objects.Env{}, nil)
	if err != nil {
		f.Fatal(err)
	}
	r, err := place.Begin(f.Context(), journal.Begin{Plan: "sha256:abc", Registries: []journal.Registry{{Name: "prod", Host: host}}}, clock())
	if err != nil {
		f.Fatal(err)
	}
	batch := journal.Batch{Action: journal.Delete, Registry: "prod", Repository: "apps/web", Images: []journal.Image{root("index", "amd", "arm")}}
	n, err := r.Before(f.Context(), batch)
	if err != nil {
		f.Fatal(err)
	}
	if err := r.After(f.Context(), n, journal.Outcomes(batch.Images, journal.Done, "")); err != nil {
		f.Fatal(err)
	}
	seed, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(seed[:len(seed)-20])
	f.Add(append(seed, []byte(`{"run":"x","after":{"batch":1,"images":[{},{}]}}`+"\n"+`{"run":"x","settled":{"by":"y"}}`+"\n")...))
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		// By the name of a run too, of which the end is read first.
		for _, name := range []string{"a.jsonl", "20260615T120000.000Z-abc.jsonl"} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		p := open(t, dir, objects.Env{})
		u, errs := p.Unfinished(t.Context())
		h, err := p.History(t.Context(), everything)
		if (err != nil) != (len(errs) > 0) && u.Read == u.Looked {
			t.Errorf("history: %v, unfinished: %v", err, errs)
		}
		if err != nil {
			return
		}
		events := 0
		for _, run := range h.Runs {
			events += len(run.Events)
		}
		deleted := 0
		for _, err := range p.Deleted(t.Context(), host, "apps/web") {
			if err != nil {
				t.Errorf("deleted: %v, history: none", err)
			}
			deleted++
		}
		// A run is told once, whatever copies there are.
		if deleted > 0 && events == 0 {
			t.Errorf("%d images were deleted in no event", deleted)
		}
	})
}
