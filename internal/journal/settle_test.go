package journal_test

import (
	"slices"
	"testing"
	"time"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/journal"
)

// TestSettle: a run of which nothing is there any more is settled by a later
// one, when it is old enough that it cannot be going on.
func TestSettle(t *testing.T) {
	old, recent := began.Add(25*time.Hour), began.Add(23*time.Hour)
	nothing := func(image.Digest) bool { return false }
	for name, tt := range map[string]struct {
		now  time.Time
		look func(*journal.Unfinished)
		want int // how many sources are read to their end after it
	}{
		"nothing is there":   {old, func(u *journal.Unfinished) { u.Look(host, "apps/web", nothing) }, 0},
		"it may be going on": {recent, func(u *journal.Unfinished) { u.Look(host, "apps/web", nothing) }, 1},
		"something is there": {old, func(u *journal.Unfinished) {
			u.Look(host, "apps/web", func(digest image.Digest) bool { return digest == d("amd") })
		}, 1},
		"the repository is gone": {old, func(u *journal.Unfinished) { u.Listed(host, func(name string) bool { return name == "apps" }) }, 0},
		"the repository is there, and nobody looked": {old, func(u *journal.Unfinished) {
			u.Listed(host, func(name string) bool { return name == "apps/web" })
			u.Listed("other.example.com", func(string) bool { return false })
		}, 1},
		"nobody looked": {old, func(*journal.Unfinished) {}, 1},
		"somebody looked there": {old, func(u *journal.Unfinished) {
			u.Look("other.example.com", "apps/web", nothing)
			u.Look(host, "apps", nothing)
		}, 1},
	} {
		for place, p := range places(t) {
			t.Run(name+"/"+place, func(t *testing.T) {
				r := begin(t, p, "sha256:abc", clock())
				after(t, r, before(t, r, root("index", "amd", "arm")), journal.Done, "index")
				u, errs := p.Unfinished(t.Context())
				if len(errs) > 0 || u.Runs() != 1 {
					t.Fatalf("%d runs, %v", u.Runs(), errs)
				}
				tt.look(u)
				if err := p.Settle(t.Context(), u, "20260616T130000.000Z-def", tt.now); err != nil {
					t.Fatal(err)
				}
				left, read := unfinished(t, p)
				if place == "a file" { // is always read, since it may have many runs
					read--
				}
				if settled := tt.want == 0; (len(left) == 0) != settled || place != "a file" && read != tt.want {
					t.Errorf("%d sources read, left %v", read, left)
				}
				h, err := p.History(t.Context(), everything)
				if err != nil || !h.Runs[0].Interrupted || (h.Runs[0].Unfinished == 0) != (tt.want == 0) {
					t.Errorf("history: %+v, %v", h, err)
				}
				// If it goes on in spite of all, it is not settled.
				if place == "a file" || place == "a folder" {
					before(t, r, root("second", "shared"))
					if left, _ := unfinished(t, p); !slices.Contains(left, "shared") {
						t.Errorf("it went on, and left %v", left)
					}
				}
			})
		}
	}
}

// TestHistorySettlesWhatLaterRunsDid: what a later run deleted, or did not find,
// is no longer shown as left by an earlier one.
func TestHistorySettlesWhatLaterRunsDid(t *testing.T) {
	look := func(there ...string) func(t *testing.T, p *journal.Place, r *journal.Run) {
		return func(t *testing.T, p *journal.Place, r *journal.Run) {
			u, errs := p.Unfinished(t.Context())
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			found := map[image.Digest]bool{}
			for _, name := range there {
				found[d(name)] = true
			}
			u.Look(host, "apps/web", func(digest image.Digest) bool { return found[digest] })
			u.Gone(host, "apps/web", d("amd"))
			if err := r.End(t.Context(), journal.End{NothingOf: u.NothingOf()}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, tt := range map[string]struct {
		later func(t *testing.T, p *journal.Place, r *journal.Run)
		want  int
	}{
		"nothing later": {func(*testing.T, *journal.Place, *journal.Run) {}, 2},
		"one is deleted": {func(t *testing.T, _ *journal.Place, r *journal.Run) {
			after(t, r, before(t, r, root("amd")), journal.Done, "amd")
		}, 1},
		"one could not be deleted": {func(t *testing.T, _ *journal.Place, r *journal.Run) {
			after(t, r, before(t, r, root("amd")), journal.Failed, "amd")
		}, 2},
		"all are deleted": {func(t *testing.T, _ *journal.Place, r *journal.Run) {
			after(t, r, before(t, r, root("amd"), root("arm")), journal.Done, "amd", "arm")
		}, 0},
		"of another repository": {func(t *testing.T, _ *journal.Place, r *journal.Run) {
			n, err := r.Before(t.Context(), journal.Batch{Action: journal.Delete, Registry: "prod", Repository: "other", Images: []journal.Image{root("amd")}})
			if err != nil {
				t.Fatal(err)
			}
			after(t, r, n, journal.Done, "amd")
		}, 2},
		"archived": {func(t *testing.T, _ *journal.Place, r *journal.Run) {
			n, err := r.Before(t.Context(), journal.Batch{Action: journal.Archive, Registry: "prod", Repository: "apps/web", Images: []journal.Image{root("amd")}})
			if err != nil {
				t.Fatal(err)
			}
			after(t, r, n, journal.Done, "amd")
		}, 2},
		"one is there and goes": {look("amd"), 0},
		"one is there":          {look("arm"), 2},
	} {
		for place, p := range places(t) {
			t.Run(name+"/"+place, func(t *testing.T) {
				now := clock()
				r := begin(t, p, "sha256:abc", now)
				after(t, r, before(t, r, root("index", "amd", "arm")), journal.Done, "index")
				after(t, r, before(t, r, root("amd"), root("arm")), journal.Unknown, "amd", "arm")
				tt.later(t, p, begin(t, p, "sha256:def", now))
				h, err := p.History(t.Context(), everything)
				if err != nil || h.Runs[0].Unfinished != tt.want {
					t.Errorf("history: %+v, %v, want %d unfinished", h, err, tt.want)
				}
				for _, later := range h.Runs[1:] {
					if later.Unfinished != 0 {
						t.Errorf("the later run: %+v", later)
					}
				}
			})
		}
	}
}
