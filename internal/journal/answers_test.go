package journal_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/journal"
	"github.com/regsweep/regsweep/internal/objects"
)

// TestHistoryAnswersWhatWasUnknown: of images of which a killed run wrote no
// outcome, a later run knows whether they are there.
func TestHistoryAnswersWhatWasUnknown(t *testing.T) {
	look := func(repository string, there ...string) func(t *testing.T, p *journal.Place, now func() time.Time) {
		return func(t *testing.T, p *journal.Place, now func() time.Time) {
			u, errs := p.Unfinished(t.Context())
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			r := begin(t, p, "sha256:def", now)
			u.Look(host, repository, func(digest image.Digest) bool {
				return slices.ContainsFunc(there, func(name string) bool { return d(name) == digest })
			})
			if err := r.End(t.Context(), journal.End{NothingOf: u.NothingOf(), Answers: u.Answers()}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, tt := range map[string]struct {
		later    func(t *testing.T, p *journal.Place, now func() time.Time)
		want     []journal.State
		finished bool
	}{
		"nobody looked":        {func(*testing.T, *journal.Place, func() time.Time) {}, []journal.State{journal.Unknown, journal.Unknown}, false},
		"both are gone":        {look("apps/web"), []journal.State{journal.Done, journal.Done}, true},
		"one is there":         {look("apps/web", "arm"), []journal.State{journal.Done, journal.Left}, true},
		"somebody looked past": {look("apps/api"), []journal.State{journal.Unknown, journal.Unknown}, false},
		"a later run took one, and was killed": {func(t *testing.T, p *journal.Place, now func() time.Time) {
			before(t, begin(t, p, "sha256:def", now), root("amd"))
		}, []journal.State{journal.Left, journal.Unknown}, false},
		"a later run took one, and then all are gone": {func(t *testing.T, p *journal.Place, now func() time.Time) {
			before(t, begin(t, p, "sha256:def", now), root("amd"))
			look("apps/web")(t, p, now)
		}, []journal.State{journal.Left, journal.Done}, true},
	} {
		for place, p := range places(t) {
			t.Run(name+"/"+place, func(t *testing.T) {
				now := clock()
				before(t, begin(t, p, "sha256:abc", now), root("amd"), root("arm"))
				tt.later(t, p, now)
				h, err := p.History(t.Context(), everything)
				if err != nil {
					t.Fatal(err)
				}
				var got []journal.State
				for _, e := range h.Runs[0].Events {
					got = append(got, e.Outcome)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" || (h.Runs[0].FinishedBy != "") != tt.finished {
					t.Errorf("finished by %q (-want +got):\n%s", h.Runs[0].FinishedBy, diff)
				}
			})
		}
	}
}

// TestAnUnansweredRunIsNotSettled: until somebody has looked, a run is not told
// to be done with, however old it is.
func TestAnUnansweredRunIsNotSettled(t *testing.T) {
	p := places(t)["a folder"]
	before(t, begin(t, p, "sha256:abc", clock()), root("amd"))
	for _, look := range []bool{false, true} {
		u, errs := p.Unfinished(t.Context())
		if len(errs) > 0 || u.Read != 1 {
			t.Fatalf("%d read, %v", u.Read, errs)
		}
		if !u.Follows(host, "apps/web") || u.Follows(host, "apps") {
			t.Error("another repository is followed")
		}
		if look {
			u.Listed(host, func(string) bool { return false })
		}
		if got := len(u.NothingOf()) == 1; got != look {
			t.Errorf("nothing of %v, looked %t", u.NothingOf(), look)
		}
		if err := p.Settle(t.Context(), u, "later", began.Add(48*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if u, _ := p.Unfinished(t.Context()); u.Read != 0 {
		t.Errorf("%d read", u.Read)
	}
	h, err := p.History(t.Context(), everything)
	if err != nil || h.Runs[0].FinishedBy != "later" {
		t.Errorf("history: %+v, %v", h, err)
	}
}

// TestOrderOfFiles: files of a folder that have names of their own are told, and
// looked through, by the time in them.
func TestOrderOfFiles(t *testing.T) {
	dir := t.TempDir()
	now := clock()
	for _, name := range []string{"z.jsonl", "", "a.jsonl"} {
		r := begin(t, open(t, filepath.Join(dir, name), objects.Env{}), "sha256:"+strings.Repeat("f", 12), now)
		after(t, r, before(t, r, journal.Image{Digest: d(name), Tags: []string{"v1"}}), journal.Done, name)
		end(t, r)
	}
	// What has no time is the first.
	if err := os.WriteFile(filepath.Join(dir, "m.jsonl"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want := []image.Digest{d("z.jsonl"), d(""), d("a.jsonl")}
	p := open(t, dir, objects.Env{})
	h, err := p.History(t.Context(), everything)
	if err != nil {
		t.Fatal(err)
	}
	var got []image.Digest
	for _, r := range h.Runs {
		got = append(got, r.Events[0].Digest)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	got = nil
	for e, err := range p.Deleted(t.Context(), host, "apps/web") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Digest)
	}
	slices.Reverse(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("deleted (-want +got):\n%s", diff)
	}
}
