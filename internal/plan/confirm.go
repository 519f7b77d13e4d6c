package plan

import (
	"fmt"
	"maps"
	"slices"

	"github.com/regsweep/regsweep/internal/graph"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/policy"
)

// Confirm leaves every family of which a member that would go is not in the
// earlier plan with the same verdict, the same tags and the same push time. earlier is the plan's
// part about the repository; where it cannot be read nothing is confirmed.
func (j *Judged) Confirm(earlier *Repository, limits policy.Limits) error {
	confirmed := make([]bool, len(j.Verdicts)) // by image
	differences := map[int32]string{}
	var condemned []int32
	err := earlier.Each(func(p *Image) error {
		if i, ok := j.Graph.Find(p.Digest); ok {
			difference := j.differs(p, i)
			if confirmed[i] = difference == ""; !confirmed[i] && goes(j.Verdicts[i]) {
				differences[i] = difference
			}
			if p.Mark == Condemn {
				condemned = append(condemned, i)
			}
			if p.Verdict == policy.VerdictArchive && j.Graph.Images[i].Status == image.Archived {
				j.doneBefore++
			}
		} else if goes(p.Verdict) {
			j.doneBefore++
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.Sort(condemned)
	j.condemn = slices.DeleteFunc(j.condemn, func(i int32) bool {
		_, planned := slices.BinarySearch(condemned, i)
		return !planned
	})
	w := j.Graph.NewWalker()
	for k := range j.Result.Decisions {
		d := &j.Result.Decisions[k]
		if !goes(d.Verdict) {
			continue
		}
		other := int32(-1) // the first member that is not as it was
		w.Family(d.Root, func(i int32) {
			if other < 0 && !confirmed[i] && goes(j.Verdicts[i]) {
				other = i
			}
		})
		if other >= 0 {
			d.Verdict = policy.VerdictKeep
			d.Reasons = []policy.Reason{changed(j.Graph.Images[other].Digest, differences[other])}
		}
	}
	j.close()
	j.limit(limits.MaxShare)
	return nil
}

// DoneBefore returns how many images of the plan that Confirm was given are gone
// already, or archived.
func (j *Judged) DoneBefore() int { return j.doneBefore }

// Spare keeps the families that are in use by now, through any member: also one
// that another root keeps.
func (j *Judged) Spare(uses *policy.Uses) {
	j.spare("it or its family came into use while the plan was applied", uses.Holding(j.Graph))
}

// spare keeps the families of which a member must stay.
func (j *Judged) spare(why string, stays func(i int32) bool) {
	if j.atFirst == nil {
		j.atFirst = slices.Clone(j.Verdicts)
	}
	w := j.Graph.NewWalker()
	for k := range j.Result.Decisions {
		d := &j.Result.Decisions[k]
		if !goes(d.Verdict) {
			continue
		}
		held := false
		w.Family(d.Root, func(i int32) { held = held || stays(i) })
		if held {
			d.Verdict = policy.VerdictKeep
			d.Reasons = []policy.Reason{policy.Changed(why)}
		}
	}
	j.close()
	if j.over != "" { // the repository was held, and stays so
		j.hold()
	}
}

// wentAtFirst reports whether an image was to go before anything was spared.
func (j *Judged) wentAtFirst(i int32) bool {
	if j.atFirst == nil {
		return goes(j.Verdicts[i])
	}
	return goes(j.atFirst[i])
}

// SpareChanged keeps the families that are no longer as they were judged: now is
// the repository as it is, and gone says which images were deleted meanwhile. A
// member that was to go must have the same tags and the same push time, nothing
// may hold it that stayed at first, and nothing may live with it that did not
// then. What was spared since counts as to go, so that the order in which uses
// and changes are found makes no difference. An index that came, or that cannot
// be read any more, could list any of them, so that all stay.
func (j *Judged) SpareChanged(now *graph.Graph, gone func(i int32) bool) {
	was := make([]int32, len(now.Images)) // where each was then, or -1
	condemned := make([]bool, len(now.Images))
	for k := range now.Images {
		was[k] = -1
		// What was pushed again is another image than the rules have judged.
		if i, ok := j.Graph.Find(now.Images[k].Digest); ok && now.Images[k].PushedAt == j.Graph.Images[i].PushedAt {
			was[k], condemned[k] = i, j.wentAtFirst(i)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(now.Unreadable)) {
		_, before := j.Graph.Unreadable[int(was[k])]
		if late := was[k] >= 0 && gone(was[k]); !before && !late {
			j.spare(fmt.Sprintf("the index %s cannot be read, and could list it by now", now.Images[k].Digest), func(i int32) bool { return !gone(i) })
			return
		}
	}
	needed := make([]bool, len(now.Images)) // what is not condemned lists it, or it is attached to that
	for k := range now.Images {
		if !condemned[k] {
			for _, m := range now.Members(int32(k)) {
				needed[m] = true
			}
		}
	}
	held := func(i, k int32) bool { return was[k] >= 0 && slices.Contains(j.Graph.Members(i), was[k]) }
	same := func(i int32) bool {
		k, ok := now.Find(j.Graph.Images[i].Digest)
		if !ok || was[k] >= 0 && gone(i) {
			return true // there is nothing left to lose
		}
		return was[k] >= 0 && slices.Equal(now.Images[k].Tags, j.Graph.Images[i].Tags) &&
			!needed[k] &&
			!slices.ContainsFunc(now.Members(k), func(m int32) bool { return !held(i, m) })
	}
	j.spare("it or its family changed while the plan was applied", func(i int32) bool { return j.wentAtFirst(i) && !same(i) })
}
