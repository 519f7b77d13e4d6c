package lifecycle

import (
	"cmp"
	"fmt"
	"slices"
)

// minArchived is how many days an image stays in the archive at least before a
// lifecycle policy can delete it (ECR user guide, "Archiving an image").
const minArchived = 90

// Lint returns warnings about a valid policy: rules that can never act, and rules
// of which ECR does not document what they count. They are in the order of the
// document.
func Lint(p *Policy) []Mistake {
	var warnings []Mistake
	warn := func(r *Rule, field, format string, args ...any) {
		warnings = append(warnings, Mistake{r.Path() + field, r.Line, r.Column, fmt.Sprintf(format, args...)})
	}
	for k := range p.Rules {
		r := &p.Rules[k]
		s := &r.Selection
		if element, field := s.impossible(); element != "" {
			warn(r, ".selection."+field, "the rule can never act: no tag can match %q", element)
			continue
		}
		if earlier := p.coveredBy(k); earlier >= 0 {
			e := &p.Rules[earlier]
			warn(r, "", "the rule can never act: every image that it selects meets the tag requirement of %s (priority %d) before it", e.Path(), e.Priority)
			continue
		}
		if s.CountType == SinceTransitioned && s.CountNumber < minArchived {
			warn(r, ".selection.countNumber", "AWS lets no lifecycle policy delete what has been in the archive for less than %d days: write %d at least", minArchived, minArchived)
		}
		if s.CountType == CountMoreThan && s.CountNumber < maxImages {
			warn(r, ".selection.countType", "what this counts is not documented: the platform images of an index and attached artifacts (signatures, SBOMs) may count as images, so that fewer than %d may stay", s.CountNumber)
		}
		if s.TagStatus != Tagged && s.CountType == SincePushed && r.Action == Expire {
			warn(r, ".selection.tagStatus", "attached artifacts (signatures, SBOMs) have no tags, and that ECR spares them while what they are attached to stays is not documented")
		}
	}
	slices.SortStableFunc(warnings, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return warnings
}

// impossible returns an element of the list that no tag can match, and the name of
// the list.
func (s *Selection) impossible() (element, field string) {
	for _, p := range s.Patterns {
		if !tagPattern.MatchString(p) {
			return p, "tagPatternList"
		}
	}
	for _, p := range s.Prefixes {
		if !tagPattern.MatchString(p) || slices.Contains([]byte(p), '*') {
			return p, "tagPrefixList"
		}
	}
	return "", ""
}

// coveredBy returns the position of an earlier rule that meets the images of rule
// k first, or -1.
func (p *Policy) coveredBy(k int) int {
	for i := range p.Rules[:k] {
		if p.Rules[i].Selection.covers(&p.Rules[k].Selection) {
			return i
		}
	}
	return -1
}

// covers reports whether all images of another selection meet this one's tag
// requirement in the same storage class.
func (s *Selection) covers(other *Selection) bool {
	if s.Storage != other.Storage {
		return false
	}
	switch {
	case s.TagStatus == Any:
		return true
	case s.TagStatus != other.TagStatus:
		return false
	case s.TagStatus == Untagged:
		return true
	}
	theirs := other.globs()
	for _, glob := range s.globs() {
		if !slices.ContainsFunc(theirs, func(g string) bool { return contains(glob, g) }) {
			return false
		}
	}
	return true
}
