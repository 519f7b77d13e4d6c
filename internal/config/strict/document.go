package strict

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxValues bounds how many values a document may have after its aliases are
// written out, so that a small file cannot expand to gigabytes.
const maxValues = 200_000

// maxDetail is how many characters of a message are shown. Messages show values,
// and values have no limit.
const maxDetail = 600

// Document is one YAML file while it is being decoded and checked.
type Document struct {
	file    string
	lines   []string
	options Options
	root    *yaml.Node

	mistakes Errors
	reported map[Mistake]bool
	// bad has the path of each mistake and of everything around it.
	bad map[string]bool
	// written has what the document says at each path.
	written map[string]written
	// around are the mappings that the value being decoded stands in.
	around []frame
	values int
}

// written is what a document says at one path.
type written struct {
	key, value *yaml.Node
	text       *Text
	// secret says that the environment has a part in the value or in what is
	// inside it.
	secret bool
}

// frame is a mapping that is being decoded and the member it is at.
type frame struct {
	members []Member
	active  string
}

// Wrong records a mistake at a path. Where the document does not have that
// path, the position is that of the nearest thing around it.
func (d *Document) Wrong(path, format string, args ...any) {
	d.add(d.At(path), path, fmt.Sprintf(format, args...))
}

// WrongField is Wrong at the name of the field instead of its value.
func (d *Document) WrongField(path, format string, args ...any) {
	at := d.At(path)
	if w := d.written[path]; w.key != nil {
		at = positionOf(w.key)
	}
	d.add(at, path, fmt.Sprintf(format, args...))
}

// WrongWithin is Wrong for a position inside a text, counted from 1, such as
// that of an error in an expression. Where the text is not written as it is
// (escapes, folding, values from the environment), the position is that of the
// whole text and the detail says where in the text it is.
func (d *Document) WrongWithin(path string, in Position, detail string) {
	at, exact := d.within(path, in)
	if !exact {
		at = d.At(path)
		detail = fmt.Sprintf("%s (line %d, column %d of the text)", detail, in.Line, in.Column)
	}
	d.add(at, path, detail)
}

func (d *Document) add(at Position, path, detail string) {
	if r := []rune(detail); len(r) > maxDetail {
		detail = string(r[:maxDetail]) + "…"
	}
	m := Mistake{File: d.file, Position: at, Path: hideAddress(path), Detail: detail}
	if d.reported[m] {
		return
	}
	d.reported[m] = true
	d.mistakes = append(d.mistakes, m)
	for p := path; ; p = parent(p) {
		d.bad[p] = true
		if p == "" {
			return
		}
	}
}

// Readable reports whether the document could be decoded at all, so that
// further checks make sense.
func (d *Document) Readable() bool {
	return d.root != nil && d.root.Kind == yaml.MappingNode
}

// Has reports whether the document says something at a path.
func (d *Document) Has(path string) bool {
	_, ok := d.written[path]
	return ok
}

// Bad reports whether there is a mistake at a path or below it.
func (d *Document) Bad(path string) bool { return d.bad[path] }

// Reveals reports whether a message about the value at a path could show what
// the environment gives. Of a text that the environment has a part in it always
// could, since a message can show any piece of it.
func (d *Document) Reveals(path, message string) bool {
	w := d.written[path]
	if !w.secret || w.text != nil {
		return w.secret
	}
	for p, w := range d.written {
		if w.text != nil && w.text.FromEnv && strings.HasPrefix(p, path) && strings.Contains(message, w.text.Value) {
			return true
		}
	}
	return false
}

// At returns the position of the value at a path, or of the nearest thing
// around it that the document has.
func (d *Document) At(path string) Position {
	for ; path != ""; path = parent(path) {
		if w, ok := d.written[path]; ok {
			return positionOf(w.value)
		}
	}
	if d.root == nil {
		return Position{1, 1}
	}
	return positionOf(d.root)
}

// Show returns the text at a path for a message: in quotes, shortened, and as
// it is written where the environment has a part in it.
func (d *Document) Show(path string) string {
	if t := d.written[path].text; t != nil {
		return t.Show()
	}
	return path
}

// Err returns all mistakes as Errors, or nil if there are none.
func (d *Document) Err() error {
	if len(d.mistakes) == 0 {
		return nil
	}
	d.mistakes.sort()
	return d.mistakes
}

// within turns a position in the text at a path into one in the file, if the
// text is in the file as it is.
func (d *Document) within(path string, in Position) (Position, bool) {
	w, ok := d.written[path]
	if !ok || w.text == nil || w.secret || in.Line < 1 || in.Column < 1 {
		return Position{}, false
	}
	textLines := strings.Split(w.text.Value, "\n")
	if in.Line > len(textLines) {
		return Position{}, false
	}
	wanted := []rune(textLines[in.Line-1])
	if in.Column > len(wanted)+1 {
		return Position{}, false
	}
	before := string(wanted[:in.Column-1])
	at := positionOf(w.value)
	switch {
	case w.value.Style&yaml.LiteralStyle != 0:
		// The text starts below the "|", indented by what the file shows.
		at.Line += in.Line
		line := d.line(at.Line)
		at.Column = len([]rune(line)) - len([]rune(strings.TrimLeft(line, " "))) + 1
		// Further indentation belongs to the text.
		at.Column -= len(textLines[in.Line-1]) - len(strings.TrimLeft(textLines[in.Line-1], " "))
	case in.Line > 1:
		return Position{}, false
	case w.value.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		at.Column++
	}
	line := []rune(d.line(at.Line))
	if at.Column < 1 || at.Column > len(line)+1 || !strings.HasPrefix(string(line[at.Column-1:]), before) {
		return Position{}, false
	}
	at.Column += in.Column - 1
	return at, true
}

// line returns a line of the file, counted from 1.
func (d *Document) line(n int) string {
	if n < 1 || n > len(d.lines) {
		return ""
	}
	return d.lines[n-1]
}

func positionOf(n *yaml.Node) Position {
	return Position{max(n.Line, 1), max(n.Column, 1)}
}
