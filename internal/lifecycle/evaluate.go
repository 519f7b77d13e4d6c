package lifecycle

import (
	"slices"

	"github.com/regsweep/regsweep/internal/graph"
	"github.com/regsweep/regsweep/internal/image"
)

// Reading is one way to understand what ECR does not document.
type Reading uint8

// What a policy does is between these two.
const (
	// Least expires what every reading does: platform images of indexes and
	// attached artifacts are neither counted nor expired by rules, and of equal
	// push times each counts as the newest.
	Least Reading = iota
	// Most expires what any reading does: they are counted and expired like all
	// others (a platform image after its indexes), and of equal push times each
	// counts as the oldest.
	Most
)

// Times are storage times of an image, which the contents of a repository do not have.
type Times struct {
	// ArchivedAt and ActivatedAt are when it was last archived and restored; zero
	// is never, or not known.
	ArchivedAt, ActivatedAt image.Time
}

// Input is what the fates of the images of a repository follow from.
type Input struct {
	Graph *graph.Graph
	// Now is the time of evaluation.
	Now image.Time
	// Times has what is known of images that were archived; it may be nil.
	Times map[image.Digest]Times
}

// Fate is what a policy does with one image.
type Fate struct {
	// Action is Keep where no rule acts.
	Action Action
	// Rule is the position in Policy.Rules of the rule that acts, or, with Keep,
	// of the first whose tag requirement the image meets, which keeps later rules
	// off; -1 for none.
	Rule int
	// Subject is the image that this one is attached to and goes with, or -1.
	Subject int32
}

// Evaluate returns the fate of every image, by position.
//
// Every rule finds its images; then the rules are applied, the lowest priority
// number first. An image that meets the tag requirement of a rule is out of reach
// of later rules of its storage class, whether that rule acts or not; but later
// rules count it still. "Older than" is strict. (ECR user guide, "How lifecycle
// policies work".)
func Evaluate(p *Policy, in Input, reading Reading) []Fate {
	e := newEvaluator(in, reading)
	for k := range p.Rules {
		e.apply(&p.Rules[k], k)
	}
	e.listedFirst()
	e.attached()
	return e.fates
}

type evaluator struct {
	Input
	most   bool
	images []image.Image
	fates  []Fate
	// parents are the indexes that list an image, by position.
	parents map[int32][]int32
	// subjects are the images that an image is attached to by its manifest.
	subjects map[int32]int32
}

func newEvaluator(in Input, reading Reading) *evaluator {
	e := &evaluator{
		Input: in, most: reading == Most, images: in.Graph.Images,
		fates: make([]Fate, len(in.Graph.Images)), parents: map[int32][]int32{}, subjects: map[int32]int32{},
	}
	for i := range e.images {
		e.fates[i] = Fate{Rule: -1, Subject: -1}
		subject := e.images[i].Subject()
		if m := in.Graph.Manifests[i]; m != nil {
			if subject.IsZero() && m.Subject != nil {
				subject = *m.Subject
			}
			for _, child := range m.Children {
				if j, ok := in.Graph.Find(child.Digest); ok && j != int32(i) {
					e.parents[j] = append(e.parents[j], int32(i))
				}
			}
		}
		// ECR knows artifacts by the subject that they name. To it, those that are
		// attached by a tag are images like others.
		if j, ok := in.Graph.Find(subject); ok && j != int32(i) && !subject.IsZero() {
			e.subjects[int32(i)] = j
		}
	}
	return e
}

// apply applies one rule.
func (e *evaluator) apply(r *Rule, k int) {
	var pool []int32
	for i := range e.images {
		if e.identifies(&r.Selection, int32(i)) {
			pool = append(pool, int32(i))
		}
	}
	beyond := e.counted(&r.Selection, pool)
	for _, i := range pool {
		if e.fates[i].Rule >= 0 {
			continue
		}
		e.fates[i].Rule = k
		if beyond(i) {
			e.fates[i].Action = r.Action
		}
	}
}

// identifies reports whether an image is in the storage class of a rule and meets
// its tag requirement.
func (e *evaluator) identifies(s *Selection, i int32) bool {
	img := &e.images[i]
	if !e.most {
		if _, attached := e.subjects[i]; attached || len(e.parents[i]) > 0 {
			return false
		}
	}
	switch img.Status {
	case image.Archived:
		if s.Storage != Archive {
			return false
		}
	case image.Activating: // on its way back
		if s.Storage != Standard || !e.most {
			return false
		}
	default:
		if s.Storage != Standard {
			return false
		}
	}
	return s.meets(img.Tags)
}

// meets reports whether an image with these tags meets the tag requirement: for
// every element of the list, one of its tags matches.
func (s *Selection) meets(tags []string) bool {
	switch s.TagStatus {
	case Any:
		return true
	case Untagged:
		return len(tags) == 0
	case Tagged:
	}
	for _, glob := range s.Patterns {
		if !slices.ContainsFunc(tags, func(t string) bool { return match(glob, t) }) {
			return false
		}
	}
	for _, prefix := range s.Prefixes {
		if !slices.ContainsFunc(tags, func(t string) bool { return len(t) >= len(prefix) && t[:len(prefix)] == prefix }) {
			return false
		}
	}
	return len(tags) > 0
}

// pushed returns the earliest and the latest time that can count as an image's
// push. ECR takes the time of its restoring for an image that was archived.
func (e *evaluator) pushed(i int32) (earliest, latest image.Time) {
	at := e.images[i].PushedAt
	return at, max(at, e.Times[e.images[i].Digest].ActivatedAt)
}

// counted returns which images of a pool are beyond the count of a rule.
func (e *evaluator) counted(s *Selection, pool []int32) func(i int32) bool {
	if s.CountType == CountMoreThan {
		return e.ranked(pool, s.CountNumber)
	}
	limit := int64(s.CountNumber) * 24 * 3600 * 1000
	return func(i int32) bool {
		at := e.since(s.CountType, i)
		if !at.Known() {
			return e.most
		}
		return int64(e.Now-at) > limit
	}
}

// since returns when the days of an image begin, or zero where that is not known.
func (e *evaluator) since(count CountType, i int32) image.Time {
	earliest, latest := e.pushed(i)
	img := &e.images[i]
	switch {
	case count == SinceTransitioned:
		return e.Times[img.Digest].ArchivedAt
	case count == SincePulled && e.most && img.PulledAt.Known():
		return img.PulledAt
	case count == SincePulled && !e.most:
		return max(img.PulledAt, latest)
	case e.most:
		return earliest
	}
	return latest
}

// ranked returns which images have n others or more before them, the newest first.
// An image of unknown push time is the oldest, and goes in the reading Most only.
func (e *evaluator) ranked(pool []int32, n int) func(i int32) bool {
	times := make([]image.Time, len(pool))
	for k, i := range pool {
		earliest, latest := e.pushed(i)
		if times[k] = earliest; e.most {
			times[k] = latest
		}
	}
	slices.Sort(times)
	return func(i int32) bool {
		earliest, latest := e.pushed(i)
		if e.most {
			// All that are at least as new, but itself.
			first, _ := slices.BinarySearch(times, earliest)
			return len(times)-first-1 >= n
		}
		if !earliest.Known() {
			return false
		}
		first, _ := slices.BinarySearch(times, latest+1)
		return len(times)-first >= n
	}
}

// listedFirst keeps what an index lists that stays: "If an image is referenced by
// a manifest list, it cannot be expired without the manifest list being deleted
// first" (ECR user guide).
func (e *evaluator) listedFirst() {
	for changed := true; changed; {
		changed = false
		for i, parents := range e.parents {
			if e.fates[i].Action != Keep && slices.ContainsFunc(parents, func(p int32) bool { return e.fates[p].Action == Keep }) {
				e.fates[i].Action = Keep
				changed = true
			}
		}
	}
}

// attached lets what is attached to an image go with it: ECR removes an artifact
// after its subject (ECR user guide), unless an index that stays lists it.
func (e *evaluator) attached() {
	for changed := true; changed; {
		changed = false
		for i, subject := range e.subjects {
			gone := e.fates[subject]
			if e.fates[i].Action != Keep || gone.Action == Keep ||
				slices.ContainsFunc(e.parents[i], func(p int32) bool { return e.fates[p].Action == Keep }) {
				continue
			}
			e.fates[i] = Fate{Action: gone.Action, Rule: gone.Rule, Subject: subject}
			changed = true
		}
	}
}
