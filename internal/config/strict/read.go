package strict

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxSize is the largest document that is read, in bytes.
const maxSize = 1 << 20

// Options are what the decoder needs to know besides the structs.
type Options struct {
	// LookupEnv reads the environment for ${env:NAME}.
	LookupEnv func(name string) (string, bool)
	// Types decode what is written in its own way, by type.
	Types Types
	// Paths do so for single fields, by generic path; they win over Types.
	Paths map[string]func(v Value, out reflect.Value)
	// AllowZero are generic paths of durations that may be zero.
	AllowZero []string
	// Hint returns what to write instead of an unknown field, or "". parent is
	// the generic path of the mapping that the field stands in.
	Hint func(parent, field string) string
}

// Types are decoders by type.
type Types map[reflect.Type]func(v Value, out reflect.Value)

// Add sets the decoder of the type T.
func Add[T any](types Types, decode func(v Value, out *T)) {
	types[reflect.TypeFor[T]()] = func(v Value, out reflect.Value) {
		decode(v, out.Addr().Interface().(*T))
	}
}

// Decode reads a document into out, a pointer to a struct, and returns the
// document for further checks. What is wrong is in the document's Err; then out
// has what could be decoded. file is the name that messages show.
func Decode(file string, data []byte, out any, options Options) *Document {
	d := &Document{
		file:     file,
		options:  options,
		reported: map[Mistake]bool{},
		bad:      map[string]bool{},
		written:  map[string]written{},
	}
	if !d.read(data) {
		return d
	}
	root := d.value(d.root, "")
	if root.node.Kind != yaml.MappingNode {
		root.Wrong("the configuration must be a mapping of fields, such as version: 1")
		return d
	}
	root.Decode(out)
	return d
}

// read parses the text; without a tree it records why and returns false.
func (d *Document) read(data []byte) bool {
	if len(data) > maxSize {
		d.add(Position{1, 1}, "", "the file is larger than 1 MiB; a configuration is not")
		return false
	}
	if at, bad := invalidText(data); bad != "" {
		d.add(at, "", bad)
		return false
	}
	// U+FEFF may stand in front of UTF-8.
	d.lines = lineBreak.Split(strings.TrimPrefix(string(data), "\ufeff"), -1)

	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var first, second yaml.Node
	switch err := decoder.Decode(&first); {
	case errors.Is(err, io.EOF):
		d.add(Position{1, 1}, "", "the file is empty: start with version: 1, or let regsweep init write one")
		return false
	case err != nil:
		d.syntax(err)
		return false
	}
	if isNull(first.Content[0]) {
		d.add(Position{1, 1}, "", "the file has no fields: start with version: 1, or let regsweep init write one")
		return false
	}
	switch err := decoder.Decode(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		d.syntax(err)
		return false
	default:
		d.add(positionOf(&second), "", "a second document starts here: a file holds one configuration")
	}
	d.root = first.Content[0]
	return true
}

// lineBreak is what YAML 1.1 counts as one, so that lines are those of the
// parser.
var lineBreak = regexp.MustCompile("\r\n|[\r\n\u0085\u2028\u2029]")

// invalidText finds what no YAML text may have, for which the parser gives no
// position.
func invalidText(data []byte) (Position, string) {
	at := Position{1, 1}
	for rest := data; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		switch {
		case r == utf8.RuneError && n == 1:
			return at, "the file is not UTF-8 text"
		case r == '\n':
			at = Position{at.Line + 1, 0}
		case r < ' ' && r != '\t' && r != '\r', r == 0x7f, r >= 0x80 && r < 0xa0 && r != 0x85, r == 0xfffe, r == 0xffff:
			return at, "the control character " + strconv.QuoteRuneToASCII(r) + " is not allowed in YAML"
		}
		at.Column++
		rest = rest[n:]
	}
	return at, ""
}

// The parser has no typed error; its text is the only place of the line, and
// of the anchor that is not there. Errors of the grammar are one line short.
var (
	syntaxError   = regexp.MustCompile(`(?s)^yaml: (?:line ([0-9]+): )?(.*)$`)
	grammarError  = regexp.MustCompile(`^did not find expected`)
	unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced`)
)

// syntax records an error of the parser.
func (d *Document) syntax(err error) {
	at, text := Position{1, 1}, err.Error()
	if m := syntaxError.FindStringSubmatch(text); m != nil {
		text = m[2]
		if n, err := strconv.Atoi(m[1]); err == nil {
			if grammarError.MatchString(text) {
				n++
			}
			at.Line = min(max(n, 1), len(d.lines))
		}
	}
	if m := unknownAnchor.FindStringSubmatch(text); m != nil {
		d.add(d.find("*"+m[1]), "", "the alias *"+m[1]+" has no anchor &"+m[1]+" before it")
		return
	}
	// The parser means the line or the next one.
	for n := at.Line; n <= at.Line+1; n++ {
		line := d.line(n)
		indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		if i := strings.IndexByte(indent, '\t'); i >= 0 {
			d.add(Position{n, i + 1}, "", "a tab indents this line: YAML takes spaces only")
			return
		}
	}
	if grammarError.MatchString(text) && strings.Contains(d.line(at.Line-1)+d.line(at.Line), envOpen) {
		text += " (inside [ ] and { } a ${env:…} must be in quotes)"
	}
	at.Column += len(d.line(at.Line)) - len(strings.TrimLeft(d.line(at.Line), " "))
	d.add(at, "", "this is not valid YAML: "+text)
}

// find returns where a text first is in the file.
func (d *Document) find(text string) Position {
	for i, line := range d.lines {
		if before, _, ok := strings.Cut(line, text); ok {
			return Position{i + 1, utf8.RuneCountInString(before) + 1}
		}
	}
	return Position{1, 1}
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}
