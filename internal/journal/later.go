package journal

import (
	"slices"

	"github.com/regsweep/regsweep/internal/image"
)

// lost is an image of a repository; the registry is named by its host.
type lost struct {
	repository
	digest image.Digest
}

// leftovers returns what a run may have left of families.
func (r *telling) leftovers() map[lost]bool {
	left := map[lost]bool{}
	if r.settled {
		return left
	}
	for _, at := range r.follow.order {
		for _, l := range r.follow.families[at].unfinished() {
			left[lost{repository{r.hosts[at.registry], at.name}, l.Digest}] = true
		}
	}
	return left
}

// deletes notes what a result says is gone.
func (r *telling) deletes(t told, outcomes []Outcome) {
	if t.action != Delete {
		return
	}
	for _, o := range outcomes {
		if o.Outcome == Done {
			r.gone[lost{t.repository, o.Digest}] = true
		}
	}
}

// settle counts what each run may have left, without what a later one deleted or
// did not find. The runs are in the order of their time.
func settle(runs []*telling) {
	var open []*telling // those that may have left something
	for _, r := range runs {
		for _, earlier := range open {
			if slices.Contains(r.nothingOf, earlier.Run) && earlier.follow.last.Before(r.Began) {
				clear(earlier.left)
			}
			for l := range earlier.left {
				if r.gone[l] {
					delete(earlier.left, l)
				}
			}
		}
		r.gone, r.left = nil, r.leftovers()
		if len(r.left) > 0 {
			open = append(open, r)
		}
	}
	for _, r := range open {
		r.Unfinished = len(r.left)
	}
}
