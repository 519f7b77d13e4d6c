package plan

import (
	"slices"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/policy"
)

// Mark is what applying a plan does about the marks of the grace period on one
// image.
type Mark string

// What applying a plan does about marks.
const (
	// Condemn marks the image, which may be deleted when the period is over.
	Condemn Mark = "condemn"
	// Unmark takes the marks away, since the image is kept.
	Unmark Mark = "unmark"
)

// mark counts what is done about marks.
func (t *Totals) mark(m Mark) {
	switch m {
	case Condemn:
		t.Condemn++
	case Unmark:
		t.Unmark++
	}
}

// findMarks finds what is to be marked, which is roots and orphans only since
// their families follow them, and what is kept in spite of a mark, which any
// image may be: a marked root may have come into an index.
func (j *Judged) findMarks() {
	for k := range j.Result.Decisions {
		if d := &j.Result.Decisions[k]; d.Verdict == policy.VerdictHeld && d.Grace == policy.ToMark && j.Verdicts[d.Root] == policy.VerdictHeld {
			j.condemn = append(j.condemn, d.Root)
		}
	}
	slices.Sort(j.condemn) // orphans come after all roots
	for i, v := range j.Verdicts {
		if v == policy.VerdictKeep {
			if marks, counts := j.Result.Unmark(int32(i)); len(marks) > 0 || counts {
				j.unmark = append(j.unmark, int32(i))
			}
		}
	}
}

// mark returns what is done about marks on image i.
func (j *Judged) mark(i int32) Mark {
	if _, ok := slices.BinarySearch(j.condemn, i); ok {
		return Condemn
	}
	if _, ok := slices.BinarySearch(j.unmark, i); ok {
		return Unmark
	}
	return ""
}

// heldByGrace reports whether only the grace period holds image i.
func (j *Judged) heldByGrace(i int32) bool {
	if j.Verdicts[i] != policy.VerdictHeld || j.decision[i] == 0 {
		return false
	}
	d := &j.Result.Decisions[j.decision[i]-1]
	return d.Verdict == policy.VerdictHeld && d.Grace.Alone()
}

// HeldBack reports whether something else than the grace period holds an image.
func (j *Judged) HeldBack() bool {
	for i, v := range j.Verdicts {
		if v == policy.VerdictHeld && !j.heldByGrace(int32(i)) {
			return true
		}
	}
	return false
}

// ToCondemn returns the positions of the images to mark, in ascending order.
// After Confirm they are those that the plan lists too.
func (j *Judged) ToCondemn() []int32 { return j.condemn }

// Revocation is what is to be done to an image that is kept in spite of a mark.
type Revocation struct {
	// Image is its position.
	Image int32
	// Marks go, the earliest first.
	Marks []policy.Mark
	// Anchor is the mark of an earlier time at which it was kept, or "". Without
	// one, one is put first: taking its last tag from an image deletes it.
	Anchor string
	// After is the time that a new anchor must not be before, so that it voids
	// what the image has.
	After image.Time
}

// Revocations returns what is to be done to the images that are kept in spite
// of a mark, in ascending order. What Confirm, Spare or SpareChanged keep is
// none of them.
func (j *Judged) Revocations() []Revocation {
	list := make([]Revocation, len(j.unmark))
	for n, i := range j.unmark {
		r := Revocation{Image: i}
		r.Marks, _ = j.Result.Unmark(i)
		m := j.Result.Marks(i)
		if len(m.Condemned) > 0 {
			r.After = m.Condemned[len(m.Condemned)-1].At
		}
		// A mark that is in use by its name stays, so that only a newer anchor
		// voids it.
		if len(m.Kept) > 0 && (len(r.Marks) == len(m.Condemned) || m.KeptAt() >= r.After) {
			r.Anchor = m.Kept[len(m.Kept)-1].Tag
		}
		list[n] = r
	}
	return list
}
