package policy

import (
	"fmt"
	"slices"

	"github.com/regsweep/regsweep/internal/image"
)

// Unfinished is an image that an interrupted run was to delete with its root,
// and that may be there still. Its root is gone, so that no rule would ever
// speak of it again.
type Unfinished struct {
	// Plan is the id of the plan that the run applied.
	Plan string
	// Root is the root that was deleted, and Rule the rule that governed it.
	Root image.Digest
	Rule string
	// Tags and PushedAt are those that the image had.
	Tags     []string
	PushedAt image.Time
}

// same reports whether an image is as it was.
func (u *Unfinished) same(img *image.Image) bool {
	return slices.Equal(img.Tags, u.Tags) && img.PushedAt == u.PushedAt
}

// interrupted returns the decision that an interrupted run has taken on a root
// or orphan, if it is to be carried out: the root of then is gone, and all of
// what lives with the image now was to go too and is as it was, but for what
// lives with something else. Whatever else could be meant is left to the rules.
func (e *evaluation) interrupted(root int32) (Unfinished, bool) {
	if len(e.in.Unfinished) == 0 {
		return Unfinished{}, false
	}
	u, ok := e.in.Unfinished[e.g.Images[root].Digest]
	if !ok {
		return u, false
	}
	if _, there := e.g.Find(u.Root); there {
		return u, false
	}
	family := map[int32]bool{}
	e.walker.Family(root, func(i int32) { family[i] = true })
	seen := map[int32]bool{root: true}
	for todo := []int32{root}; len(todo) > 0; {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !e.announced(i) {
			if i == root || !e.heldElsewhere(i, family) {
				return u, false
			}
			continue // what lives with it is not about this family either
		}
		for _, m := range e.g.Members(i) {
			if !seen[m] {
				seen[m] = true
				todo = append(todo, m)
			}
		}
	}
	return u, true
}

// announced reports whether an interrupted run was to delete an image, and it is
// as it was.
func (e *evaluation) announced(i int32) bool {
	u, ok := e.in.Unfinished[e.g.Images[i].Digest]
	return ok && u.same(&e.g.Images[i])
}

// heldElsewhere reports whether an image lives with another image too, which is
// not of the family and of which the rules speak.
func (e *evaluation) heldElsewhere(i int32, family map[int32]bool) bool {
	if e.parents == nil {
		e.parents = map[int32][]int32{}
		for p := range e.g.Images {
			for _, m := range e.g.Members(int32(p)) {
				e.parents[m] = append(e.parents[m], int32(p))
			}
		}
	}
	return slices.ContainsFunc(e.parents[i], func(p int32) bool { return !family[p] && !e.announced(p) })
}

// finish condemns what an interrupted run had condemned. What holds through
// uses and protect entries was looked at before, and gaps and limits are after.
func (e *evaluation) finish(d *Decision, u *Unfinished) {
	d.Verdict = VerdictDelete
	d.Reasons = []Reason{{Code: CodeNotKept, text: fmt.Sprintf(
		"its root %s was deleted by plan %s, which was interrupted", u.Root, u.Plan)}}
}
