package policy

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/regsweep/regsweep/internal/image"
)

// Grace is how the grace period holds a root.
type Grace uint8

// The ways in which the grace period holds a root.
const (
	// NotHeld means that it does not.
	NotHeld Grace = iota
	// ToMark means that the root has no mark yet: applying the plan marks it.
	ToMark
	// Waiting means that it is marked, and that the time is not over.
	Waiting
	// Unmarkable means that it has no mark and can get none, so that it stays
	// until somebody does something about it.
	Unmarkable
)

// Alone reports whether nothing but time stands between the root and its end.
func (g Grace) Alone() bool { return g == ToMark || g == Waiting }

// MaxTags is how many tags ECR takes for one image ("Amazon ECR service quotas"
// in the user guide).
const MaxTags = 1000

// gracePath is the place of the grace period in the configuration.
const gracePath = "grace"

// grace holds a root that would be deleted until it has been marked for longer
// than the grace period. Archiving can be undone, and needs none.
func (e *evaluation) grace(d *Decision, k int) {
	// The period of what an interrupted run had begun to delete was over then.
	if e.p.grace <= 0 || d.Verdict != VerdictDelete || e.unfinished[k] != nil {
		return
	}
	img := &e.g.Images[d.Root]
	m := marksOf(img)
	since := m.CondemnedAt()
	reason := Reason{Code: CodeGrace, Path: gracePath}
	switch {
	// Whether somebody used it meanwhile can only be written on what can be
	// read, so that a mark from before it was archived does not count.
	case img.Status != image.Active:
		d.Grace = Unmarkable
		reason.text = "it is archived: it cannot be read, and so not be marked for the grace period; restore it, or set grace: 0s"
	case since.Known() && e.within(since, e.p.grace):
		d.Grace = Waiting
		reason.text = fmt.Sprintf("condemned since %s, goes after %s", FormatDate(since), FormatDate(since+image.Time(e.p.grace.Milliseconds())))
	case since.Known():
		reason.text = fmt.Sprintf("condemned since %s, more than %s ago", FormatDate(since), FormatDuration(e.p.grace))
		d.Reasons = append(slices.Clip(d.Reasons), reason)
		return
	case len(img.Tags) > MaxTags-m.room():
		d.Grace = Unmarkable
		reason.text = fmt.Sprintf("it has %d tags, and ECR takes %d, so that it cannot be marked for the grace period; remove two of them, or set grace: 0s", len(img.Tags), MaxTags)
	default:
		d.Verdict, d.Grace = VerdictHeld, ToMark
		d.Reasons = e.condemn(k, d.Reasons)
		return
	}
	d.Verdict = VerdictHeld
	d.Reasons = append([]Reason{reason}, d.Reasons...)
}

// condemn returns the reasons of a root that is marked next, which all of its
// rule share.
func (e *evaluation) condemn(k int, gone []Reason) []Reason {
	r := e.rule(k)
	shared := &r.condemn
	if e.isOrphan(k) {
		shared = &r.condemnOrphan
	}
	if *shared == nil {
		*shared = append([]Reason{{Code: CodeGrace, Path: gracePath, text: fmt.Sprintf(
			"apply marks it as condemned, and it can go after %s", FormatDate(e.in.Now+image.Time(e.p.grace.Milliseconds())))}}, gone...)
	}
	return *shared
}

// Mark is one tag of the grace period.
type Mark struct {
	Tag string
	At  image.Time
}

// Marks are the tags of the grace period that an image has, the earliest first.
type Marks struct {
	Condemned, Kept []Mark
	// pushed is when the image was pushed.
	pushed image.Time
}

// marksOf finds them among the tags of an image.
func marksOf(img *image.Image) Marks {
	m := Marks{pushed: img.PushedAt}
	for _, tag := range img.Tags {
		if at, ok := unixSuffix(tag, CondemnedPrefix); ok {
			m.Condemned = append(m.Condemned, Mark{tag, at})
		} else if at, ok := unixSuffix(tag, KeptPrefix); ok {
			m.Kept = append(m.Kept, Mark{tag, at})
		}
	}
	byTime := func(a, b Mark) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Tag, b.Tag)) }
	slices.SortFunc(m.Condemned, byTime)
	slices.SortFunc(m.Kept, byTime)
	return m
}

// CondemnedAt returns since when the image is condemned, which its latest mark
// says; zero where it has none, or was kept at that time or later. A mark from
// before the image was pushed tells of a wrong clock, or of somebody who would
// cut the period short, and does not count.
func (m Marks) CondemnedAt() image.Time {
	if at := latest(m.Condemned); at > m.KeptAt() && at >= m.pushed {
		return at
	}
	return 0
}

// CountsFrom returns the earliest time of a mark that counts, were one put now.
func (m Marks) CountsFrom() image.Time {
	if kept := m.KeptAt(); kept.Known() {
		return max(m.pushed, kept+1000) // marks are of whole seconds
	}
	return m.pushed
}

// KeptAt returns until when no mark counts, or zero.
func (m Marks) KeptAt() image.Time { return latest(m.Kept) }

func latest(marks []Mark) image.Time {
	if len(marks) == 0 {
		return 0
	}
	return marks[len(marks)-1].At
}

// room is how many tags an image must be able to take to be condemned: the mark,
// and what must stay when the mark goes.
func (m Marks) room() int {
	if len(m.Kept) > 0 {
		return 1
	}
	return 2
}

// Marks returns the marks of the grace period on image i.
func (r *Result) Marks(i int32) Marks { return marksOf(&r.evaluation.g.Images[i]) }

// Unmark returns the marks that go from image i when it is kept: those that
// condemn it, but for one that is in use by its name. revoke says that they
// count until then, or that one stays that does. With a policy without grace
// period nothing goes.
func (r *Result) Unmark(i int32) (marks []Mark, revoke bool) {
	e := r.evaluation
	if e.p.grace <= 0 || e.g.Images[i].Status != image.Active {
		return nil, false
	}
	m := r.Marks(i)
	named := e.in.Uses.byRepo[repoKey{e.g.Repository.Registry, e.g.Repository.Name}]
	for _, mark := range m.Condemned {
		if named == nil || len(named.byTag[mark.Tag]) == 0 {
			marks = append(marks, mark)
		}
	}
	return marks, m.CondemnedAt().Known()
}
