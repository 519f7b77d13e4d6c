// Package strict decodes a YAML document into Go structs and reports every
// mistake of the document at once, each with its position, its path and what to
// write instead. What a field may hold follows from the `yaml` tags of the
// structs; there is no default that hides a typing error.
package strict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Position is a place in the file. Both count from 1, columns in characters.
type Position struct{ Line, Column int }

// Mistake is one thing that is wrong in a file.
type Mistake struct {
	File string
	Position
	// Path is the field, such as "rules[0].keep[1].newest", or "" for the whole
	// document.
	Path string
	// Detail says what is wrong and, where there is one way to mend it, how.
	Detail string
}

// Error returns "file:line:column: path: detail".
func (m Mistake) Error() string {
	at := fmt.Sprintf("%s:%d:%d: ", m.File, m.Line, m.Column)
	if m.Path == "" {
		return at + m.Detail
	}
	return at + m.Path + ": " + m.Detail
}

// Errors are all mistakes of a file, sorted by position. It is never empty
// where it is returned as an error.
type Errors []Mistake

// Error returns one line for each mistake.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, m := range e {
		lines[i] = m.Error()
	}
	return strings.Join(lines, "\n")
}

func (e Errors) sort() {
	slices.SortStableFunc(e, func(a, b Mistake) int {
		return cmp.Or(
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Path, b.Path),
			cmp.Compare(a.Detail, b.Detail),
		)
	})
}
