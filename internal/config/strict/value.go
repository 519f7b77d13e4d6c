package strict

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Value is one value of a document.
type Value struct {
	doc  *Document
	node *yaml.Node // never an alias
	path string
}

// Text is the text of a scalar.
type Text struct {
	// Value has the values from the environment in it.
	Value string
	// FromEnv says that the environment has a part in it; Value must not be
	// shown then.
	FromEnv bool
	// Quoted says that it is written in quotes or as a block.
	Quoted bool
	raw    string
	tag    string
}

// address is a URL, of which only scheme and host may be shown: the rest of that of
// a webhook is a secret, and so are a user and a password.
var address = regexp.MustCompile(`(?i)(https?://[^/?#]*)[/?#].+`)

// userinfo is the user and the password of a URL.
var userinfo = regexp.MustCompile(`(?i)(https?://)[^/?#\s]*@`)

// quotedAddress is a URL that was written as the name of a field, as Join quotes it.
var quotedAddress = regexp.MustCompile(`(?i)(https?://[^/?#"\\]*)[/?#](?:[^"\\]|\\.)+`)

// hideAddress returns a path with no more of a URL in it than the host.
func hideAddress(path string) string {
	return quotedAddress.ReplaceAllString(userinfo.ReplaceAllString(path, "$1"), "$1/…")
}

// Show returns the text for a message: in quotes unless it is a number,
// shortened, of a URL no more than the host, and as it is written where the
// environment has a part in it.
func (t Text) Show() string {
	const most = 60
	s := t.Value
	if !t.FromEnv && !t.Quoted && number.MatchString(s) && len(s) < most {
		return s
	}
	if t.FromEnv {
		s = t.raw
	}
	s = address.ReplaceAllString(userinfo.ReplaceAllString(s, "$1"), "$1/…")
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return strconv.Quote(s)
}

// Path returns the path of the value.
func (v Value) Path() string { return v.path }

// Field returns the path of a field of the value.
func (v Value) Field(name string) string { return Join(v.path, name) }

// Document returns the document of the value.
func (v Value) Document() *Document { return v.doc }

// Wrong records a mistake at the value.
func (v Value) Wrong(format string, args ...any) {
	v.doc.add(positionOf(v.node), v.path, fmt.Sprintf(format, args...))
}

// IsScalar reports whether the value is neither a list nor a mapping.
func (v Value) IsScalar() bool { return v.node.Kind == yaml.ScalarNode }

// IsMapping reports whether the value is a mapping.
func (v Value) IsMapping() bool { return v.node.Kind == yaml.MappingNode }

// value makes the Value of a node and remembers what is written at its path.
func (d *Document) value(n *yaml.Node, path string) Value {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if _, ok := d.written[path]; !ok {
		d.values++
		d.written[path] = written{value: n}
	}
	return Value{d, n, path}
}

// exhausted reports whether aliases make the document too large, and records
// that once.
func (v Value) exhausted() bool {
	if v.doc.values <= maxValues {
		return false
	}
	v.doc.add(Position{1, 1}, "", fmt.Sprintf("with its aliases written out the file has more than %d values", maxValues))
	return true
}

// Text returns the text of a scalar, or records what is wrong with it.
func (v Value) Text() (Text, bool) {
	w := v.doc.written[v.path]
	if w.text != nil {
		return *w.text, !v.doc.Bad(v.path)
	}
	if !v.IsScalar() {
		v.Wrong("must be one value, and this is a %s", v.kind())
		return Text{}, false
	}
	tag := v.node.ShortTag()
	switch tag {
	case "!!str", "!!int", "!!float", "!!bool", "!!timestamp", "!!merge":
	case "!!null":
		v.Wrong("has no value: write one, or remove the field")
		return Text{}, false
	default:
		v.Wrong("the YAML tag %s is not supported: write the value without it", tag)
		return Text{}, false
	}
	value, used, errs := expand(v.node.Value, v.doc.options.LookupEnv)
	t := Text{Value: value, FromEnv: used, Quoted: v.node.Style&^yaml.TaggedStyle != 0, raw: v.node.Value, tag: tag}
	w.text = &t
	v.doc.written[v.path] = w
	if used {
		v.doc.markSecret(v.path)
	}
	for _, err := range errs {
		v.Wrong("%v", err)
	}
	return t, len(errs) == 0
}

// markSecret notes at a path and everything around it that the environment has
// a part in it.
func (d *Document) markSecret(path string) {
	for p := path; ; p = parent(p) {
		if w, ok := d.written[p]; ok {
			w.secret = true
			d.written[p] = w
		}
		if p == "" {
			return
		}
	}
}

// Parse gives the text to parse, and records the error that it returns: as it
// is, or, where the environment has a part in the value, without its text. want
// says what the value must be, such as "a duration such as 14d".
func (v Value) Parse(want string, parse func(text string) error) bool {
	t, ok := v.Text()
	if !ok {
		return false
	}
	err := parse(t.Value)
	switch {
	case err == nil:
		return true
	case t.FromEnv:
		v.Wrong("%s does not give %s", t.Show(), want)
	default:
		v.Wrong("%v", err)
	}
	return false
}

// List calls each for the entries of a list. hint is an entry as one writes it,
// for the message where the value is no list.
func (v Value) List(hint string, each func(i int, v Value)) bool {
	if v.node.Kind != yaml.SequenceNode {
		switch {
		case isNull(v.node):
			v.Wrong("has no value: write a list, or remove the field")
		case v.IsScalar():
			t, ok := v.Text()
			switch {
			case !ok:
			case strings.HasPrefix(hint, "{"):
				v.Wrong("must be a list of entries such as - %s, and this is %s", hint, t.Show())
			default:
				v.Wrong("must be a list: write [%s]", t.Show())
			}
		default:
			v.Wrong("must be a list: put \"- \" in front of each entry, such as - %s", hint)
		}
		return false
	}
	for i, n := range v.node.Content {
		if v.exhausted() {
			return false
		}
		entry := v.doc.value(n, Index(v.path, i))
		if isNull(entry.node) {
			entry.Wrong("is empty: write a value after the dash, or remove it")
			continue
		}
		each(i, entry)
	}
	return true
}

// Decode decodes the value into out, a pointer.
func (v Value) Decode(out any) { v.decode(reflect.ValueOf(out).Elem()) }

// kind names the kind of a value for messages.
func (v Value) kind() string {
	switch v.node.Kind {
	case yaml.MappingNode:
		return "mapping"
	case yaml.SequenceNode:
		return "list"
	default:
		return "single value"
	}
}
