package policy

import (
	"cmp"
	"slices"

	"github.com/Masterminds/semver/v3"

	"github.com/regsweep/regsweep/internal/image"
)

// candidate is a decision with what it ranks by.
type candidate struct {
	decision int32
	root     int32
	pushed   image.Time
	version  *semver.Version
	// doubt is how much it may be no root at all.
	doubt doubt
}

// doubt is what makes it doubtful that something is a root, strongest last.
type doubt int8

const (
	// unread means that an index that cannot be read may list it.
	unread doubt = 1 << iota
	// leftover means that an interrupted run has deleted its root.
	leftover
)

// doubts returns what makes it doubtful that the root of decision k is one.
func (e *evaluation) doubts(k, root int32) (d doubt) {
	if len(e.unread) > 0 && len(e.tags(root)) == 0 {
		d |= unread
	}
	if e.unfinished[int(k)] != nil {
		d |= leftover
	}
	return d
}

// byPush ranks the newest first. An image of unknown push time ranks last,
// where it takes no other's place: it is kept anyway. Of equal times the
// smaller digest is newer; images are sorted by digest.
func byPush(a, b candidate) int {
	return cmp.Or(cmp.Compare(b.pushed, a.pushed), cmp.Compare(a.root, b.root))
}

// bySemver ranks the highest version first, then what has no version, by push.
func bySemver(a, b candidate) int {
	switch {
	case a.version != nil && b.version != nil:
		return cmp.Or(b.version.Compare(a.version), byPush(a, b))
	case a.version != nil:
		return -1
	case b.version != nil:
		return 1
	}
	return byPush(a, b)
}

// sureFirst ranks what may be no root last, where it takes no other's place: what
// an index that cannot be read may list is held anyway, and what an interrupted
// run left goes. Else they would push roots out of the newest that are there when
// the index can be read, or the run is finished.
func sureFirst(a, b candidate) int { return cmp.Compare(a.doubt, b.doubt) }

// ranked returns the n newest of decisions, newest first in the rule's order.
// Where these are few, the others are neither sorted nor kept: it holds at most
// twice as many as it returns.
func (e *evaluation) ranked(r *activeRule, decisions []int32, n int) []candidate {
	order := byPush
	if r.Order == "semver" {
		order = bySemver
	}
	compare := func(a, b candidate) int { return cmp.Or(sureFirst(a, b), order(a, b)) }
	if n = min(n, len(decisions)); n == 0 {
		return nil
	}
	list := make([]candidate, 0, min(2*n, len(decisions)))
	sorted := false // list has n at least, and the first n are the newest so far
	for _, k := range decisions {
		root := e.result.Decisions[k].Root
		c := candidate{decision: k, root: root, pushed: e.g.Images[root].PushedAt}
		c.doubt = e.doubts(k, root)
		if r.Order == "semver" {
			c.version = highest(e.tags(root))
		}
		if sorted && compare(c, list[n-1]) > 0 {
			continue
		}
		if len(list) == cap(list) { // there are more than twice n
			slices.SortFunc(list, compare)
			list, sorted = list[:n], true
			if compare(c, list[n-1]) > 0 {
				continue
			}
		}
		list = append(list, c)
	}
	slices.SortFunc(list, compare)
	return list[:n]
}

// newestRoots returns the n newest roots of the repository by push, newest
// first. n is small, so that one pass is quicker than sorting all of them.
func (e *evaluation) newestRoots(n int) []candidate {
	n = min(n, len(e.g.Roots))
	list := make([]candidate, 0, n+1)
	for k, root := range e.g.Roots {
		c := candidate{decision: int32(k), root: root, pushed: e.g.Images[root].PushedAt}
		c.doubt = e.doubts(int32(k), root)
		order := func(a, b candidate) int { return cmp.Or(sureFirst(a, b), byPush(a, b)) }
		if len(list) == n && order(c, list[n-1]) > 0 {
			continue
		}
		at, _ := slices.BinarySearchFunc(list, c, order)
		list = slices.Insert(list, at, c)
		list = list[:min(n, len(list))]
	}
	return list
}

// rank finds the newest roots for every keep that asks for them. All roots that
// the rule governs are ranked, whether something else keeps them or not.
func (e *evaluation) rank() {
	for i := range e.rules {
		r := &e.rules[i]
		n := 0 // how many are of interest
		for k := range r.keeps {
			if keep := &r.keeps[k]; keep.Newest > 0 && keep.per != nil {
				n = len(r.governed)
			} else {
				n = max(n, keep.Newest)
			}
		}
		if n == 0 {
			continue
		}
		list := e.ranked(r, r.governed, n)
		for k := range r.keeps {
			if n := r.keeps[k].Newest; n > 0 {
				r.ranks[k] = e.newest(list, n, r.keeps[k].per)
			}
		}
	}
}

// noGroup is the group of roots that are in none. It is in no tag, unlike the
// empty string, which a capture can be.
const noGroup = "\x00"

// newest returns the places of the n newest, of each group where there is a
// grouping. Roots without a group are a group of their own, since a root that
// no group counted could otherwise never be among the newest.
func (e *evaluation) newest(list []candidate, n int, per grouping) map[int32]place {
	places := make(map[int32]place, min(n, len(list)))
	if per == nil {
		for i, c := range list[:min(n, len(list))] {
			places[c.decision] = place{n: i + 1}
		}
		return places
	}
	count := map[string]int{}
	for _, c := range list {
		groups := per(e.tags(c.root))
		slices.Sort(groups)
		groups = slices.Compact(groups)
		if len(groups) == 0 {
			groups = []string{noGroup}
		}
		for _, g := range groups {
			count[g]++
			if _, ok := places[c.decision]; count[g] <= n && !ok {
				name := "group " + g
				if g == noGroup {
					name = "those without a group"
				}
				places[c.decision] = place{count[g], name}
			}
		}
	}
	return places
}
