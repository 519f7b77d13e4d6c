package journal

import (
	"cmp"
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
			r.asked[lost{t.repository, o.Digest}] = true
		}
	}
}

// settle counts what each run may have left, without what a later one deleted or
// did not find, and answers what became of images of which a run wrote no outcome.
// The runs are in the order of their time.
func settle(runs []*telling) {
	var open []*telling // those that may have left something
	for _, r := range runs {
		for _, earlier := range open {
			if earlier.follow.last.Before(r.Began) { // else it went on meanwhile
				earlier.finish(r)
			}
			for l := range earlier.left {
				if r.asked[l] {
					delete(earlier.left, l)
				}
			}
		}
		r.asked, r.left = nil, r.leftovers()
		for i := range r.Events {
			if r.Events[i].Action == Delete && r.Events[i].Outcome == Unknown {
				r.unknown = append(r.unknown, i)
			}
		}
		if len(r.left)+len(r.unknown) > 0 || r.Interrupted {
			open = append(open, r)
		}
	}
	for _, r := range open {
		r.Unfinished = len(r.left)
	}
}

// finish takes over what a later run found of this one.
func (r *telling) finish(later *telling) {
	var answered bool
	there := map[lost]bool{}
	if later.end != nil {
		if slices.Contains(later.end.NothingOf, r.Run) {
			clear(r.left)
			r.FinishedBy = cmp.Or(r.FinishedBy, later.Run)
		}
		for _, a := range later.end.Answers {
			if a.Run != r.Run {
				continue
			}
			answered = true
			for _, t := range a.There {
				there[lost{repository{t.Host, t.Repository}, t.Digest}] = true
			}
		}
	}
	r.unknown = slices.DeleteFunc(r.unknown, func(i int) bool {
		e := &r.Events[i]
		at := lost{repository{e.Host, e.Repository}, e.Digest}
		// Only what is there is about to be deleted.
		if _, asked := later.asked[at]; asked || there[at] {
			e.Outcome, e.Detail = Left, "it was still there when run "+later.Run+" looked"
			return true
		}
		if answered {
			e.Outcome, e.Detail = Done, e.Detail+"; run "+later.Run+" found that it is gone"
		}
		return answered
	})
}
