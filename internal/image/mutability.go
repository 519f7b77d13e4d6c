package image

import (
	"slices"
	"strings"
)

// Mutability says which tags of a repository can be moved to another image ("Image
// tag mutability" in the Amazon ECR user guide). The zero value says that all can,
// or that nothing is known of it.
type Mutability struct {
	// Immutable says that tags cannot be moved, but for those that match one of
	// Except. Without it, only those cannot.
	Immutable bool
	// Except are patterns of tags, in which "*" stands for any characters.
	Except []string
}

// Movable reports whether a tag that an image has can be given to another one.
func (m Mutability) Movable(tag string) bool {
	return m.Immutable == slices.ContainsFunc(m.Except, func(pattern string) bool { return matches(pattern, tag) })
}

// matches reports whether a pattern, in which "*" stands for any characters,
// matches the whole text.
func matches(pattern, text string) bool {
	first, rest, more := strings.Cut(pattern, "*")
	text, ok := strings.CutPrefix(text, first)
	if !ok || !more {
		return ok && text == ""
	}
	parts := strings.Split(rest, "*")
	last := parts[len(parts)-1]
	for _, part := range parts[:len(parts)-1] {
		if _, text, ok = strings.Cut(text, part); !ok {
			return false
		}
	}
	return strings.HasSuffix(text, last)
}
