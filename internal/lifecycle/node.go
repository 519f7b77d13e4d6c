package lifecycle

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// Mistake is one mistake in a document.
type Mistake struct {
	// Path is where it is, such as "rules[3].selection.tagPrefixList"; empty for
	// the document as a whole.
	Path string
	// Line and Column are where that begins, from 1; columns are characters.
	Line, Column int
	// Detail says what is wrong and what to write instead.
	Detail string
}

// String returns the mistake as it follows the name of a file.
func (m Mistake) String() string {
	at := fmt.Sprintf("%d:%d: ", m.Line, m.Column)
	if m.Path != "" {
		at += m.Path + ": "
	}
	return at + m.Detail
}

// node is a value of a JSON document, with its place.
type node struct {
	at int // offset of the first byte
	// value is a string, json.Number, bool or nil, or nothing for the two below.
	value   any
	object  bool
	list    bool
	members []member
	items   []node
}

type member struct {
	name  string
	at    int
	value node
}

// reader makes nodes of a document.
type reader struct {
	text     []byte
	decoder  *json.Decoder
	mistakes []Mistake
}

// parseJSON reads a document. What is not JSON is the only mistake then; a name
// that is there twice is one among others.
func (r *reader) parseJSON(text []byte) (node, bool) {
	r.text = text
	r.decoder = json.NewDecoder(bytes.NewReader(text))
	r.decoder.UseNumber()
	if !utf8.Valid(text) {
		r.mistake(firstInvalid(text), "", "this is not UTF-8")
		return node{}, false
	}
	if !json.Valid(text) {
		// One byte more, which is never JSON, tells an early end from a wrong
		// character.
		var whole json.RawMessage
		err := json.Unmarshal(append(bytes.Clone(text), 0), &whole)
		at, detail := len(text), "the document ends in the middle"
		if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) && int(syntax.Offset) <= len(text) {
			at, detail = max(0, int(syntax.Offset)-1), "this is no JSON: "+err.Error()
		}
		r.mistake(at, "", "%s", detail)
		return node{}, false
	}
	root, err := r.node("")
	if err != nil { // the text was read once already
		r.mistake(r.start(), "", "this is no JSON: %v", err)
	}
	return root, err == nil
}

func firstInvalid(text []byte) int {
	for i := 0; i < len(text); {
		c, size := utf8.DecodeRune(text[i:])
		if c == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(text)
}

// start returns the offset of the next token.
func (r *reader) start() int {
	for i := int(r.decoder.InputOffset()); i < len(r.text); i++ {
		switch r.text[i] {
		case ' ', '\t', '\r', '\n', ',', ':':
		default:
			return i
		}
	}
	return len(r.text)
}

func (r *reader) node(path string) (node, error) {
	n := node{at: r.start()}
	token, err := r.decoder.Token()
	if err != nil {
		return n, err
	}
	switch token {
	case json.Delim('{'):
		n.object = true
		for r.decoder.More() {
			m := member{at: r.start()}
			name, err := r.decoder.Token()
			if err != nil {
				return n, err
			}
			m.name, _ = name.(string)
			here := join(path, m.name)
			if slices.ContainsFunc(n.members, func(other member) bool { return other.name == m.name }) {
				r.mistake(m.at, here, "this field is there twice")
			}
			if m.value, err = r.node(here); err != nil {
				return n, err
			}
			n.members = append(n.members, m)
		}
		_, err = r.decoder.Token()
	case json.Delim('['):
		n.list = true
		for r.decoder.More() {
			item, err := r.node(fmt.Sprintf("%s[%d]", path, len(n.items)))
			if err != nil {
				return n, err
			}
			n.items = append(n.items, item)
		}
		_, err = r.decoder.Token()
	default:
		n.value = token
	}
	return n, err
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// mistake notes a mistake at an offset.
func (r *reader) mistake(at int, path, format string, args ...any) {
	line, column := place(r.text, at)
	r.mistakes = append(r.mistakes, Mistake{path, line, column, fmt.Sprintf(format, args...)})
}

// place returns the line and column of an offset, from 1.
func place(text []byte, at int) (line, column int) {
	before := text[:min(at, len(text))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[start:]) + 1
}

// sorted returns the mistakes in the order of the document.
func (r *reader) sorted() []Mistake {
	slices.SortStableFunc(r.mistakes, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return r.mistakes
}

// kind names what a value is, for messages.
func (n *node) kind() string {
	switch v := n.value.(type) {
	case string:
		return fmt.Sprintf("%q", v)
	case json.Number:
		return v.String()
	case bool:
		return fmt.Sprint(v)
	}
	switch {
	case n.object:
		return "an object"
	case n.list:
		return "a list"
	}
	return "null"
}
