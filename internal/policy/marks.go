package policy

import (
	"slices"
	"strconv"
	"strings"

	"github.com/regsweep/regsweep/internal/image"
)

// The tags of the grace period are these with the Unix time in seconds behind
// them. One condemns an image as of that time. The other voids what condemned
// it until then; it stays, so that removing a mark never removes the last tag
// of an image, with which ECR would delete the image.
const (
	CondemnedPrefix = "regsweep-condemned-"
	KeptPrefix      = "regsweep-kept-"
)

// DefaultMarkPrefix is the prefix of the tags of `regsweep tag` where the
// configuration names none.
const DefaultMarkPrefix = "in-use"

// marks recognizes the tags that regsweep writes itself. Rules never see them
// as tags: a mark neither selects an image nor makes it tagged.
type marks struct{ prefix, name string }

func newMarks(t Tag) marks {
	m := marks{prefix: t.Prefix + "-", name: t.Name}
	if t.Prefix == "" {
		m.prefix = DefaultMarkPrefix + "-"
	}
	return m
}

// is reports whether regsweep wrote the tag.
func (m marks) is(tag string) bool {
	if _, ok := m.usedAt(tag); ok {
		return true
	}
	return isGraceMark(tag) || m.name != "" && tag == m.name
}

// meant reports whether a pattern seems to be for tags that regsweep writes: it
// matches one of them, and none that people give to images most.
func (m marks) meant(pattern matcher) bool {
	const time = "1781524800"
	own := []string{m.prefix + time, CondemnedPrefix + time, KeptPrefix + time, m.name}
	return slices.ContainsFunc(own, func(tag string) bool { return tag != "" && pattern(tag) }) &&
		!slices.ContainsFunc([]string{"latest", "main", "1.2.3", "v1.2.3"}, pattern)
}

// isGraceMark reports whether a tag is one of the grace period.
func isGraceMark(tag string) bool {
	_, condemned := unixSuffix(tag, CondemnedPrefix)
	_, kept := unixSuffix(tag, KeptPrefix)
	return condemned || kept
}

// usedAt reads a mark of use and returns the time that it tells.
func (m marks) usedAt(tag string) (image.Time, bool) { return unixSuffix(tag, m.prefix) }

// ordinary returns the tags that are no marks; usually that is tags itself.
func (m marks) ordinary(tags []string) []string {
	for i, t := range tags {
		if m.is(t) {
			rest := append([]string(nil), tags[:i]...)
			for _, t := range tags[i+1:] {
				if !m.is(t) {
					rest = append(rest, t)
				}
			}
			return rest
		}
	}
	return tags
}

// unixSuffix reads prefix and a Unix time in seconds. It accepts 9 to 11
// digits, which is from 1973 to 5138, and nothing after them.
func unixSuffix(tag, prefix string) (image.Time, bool) {
	digits, ok := strings.CutPrefix(tag, prefix)
	if !ok || len(digits) < 9 || len(digits) > 11 || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	s, err := strconv.ParseInt(digits, 10, 64)
	return image.Time(s * 1000), err == nil && s > 0
}

// Ordinary returns the tags of an image that regsweep does not write itself.
func (p *Policy) Ordinary(tags []string) []string { return p.marks.ordinary(tags) }
