package strict

import (
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Member is a field that a mapping may have.
type Member struct {
	Name string
	// Type is what it holds; its fields serve suggestions. It may be nil.
	Type   reflect.Type
	Decode func(Value)
	// Empty lets Decode see a field without a value too.
	Empty bool
}

// pair is one field as it is written.
type pair struct {
	name       string
	key, value *yaml.Node
}

// Mapping decodes a mapping that may have the members and nothing else.
// example is the mapping as one writes it, for the message where it is none.
func (v Value) Mapping(example string, members []Member) bool {
	pairs, ok := v.pairs(example)
	if !ok {
		return false
	}
	byName := map[string]Member{}
	for _, m := range members {
		byName[m.Name] = m
	}
	frames := len(v.doc.around)
	v.doc.around = append(v.doc.around, frame{members: members})
	defer func() { v.doc.around = v.doc.around[:frames] }()
	for _, p := range pairs {
		if v.exhausted() {
			return false
		}
		m, known := byName[p.name]
		if !known {
			v.doc.add(positionOf(p.key), Join(v.path, p.name), v.unknown(p.name))
			continue
		}
		v.doc.around[frames].active = p.name
		if field := v.field(p); m.Empty || !isNull(field.node) {
			m.Decode(field)
		} else {
			field.Wrong("has no value: %s", emptyHint(m))
		}
	}
	return true
}

// Each calls each for the fields of a mapping that may have any.
func (v Value) Each(example string, each func(key string, v Value)) bool {
	pairs, ok := v.pairs(example)
	if !ok {
		return false
	}
	for _, p := range pairs {
		if v.exhausted() {
			return false
		}
		if strings.Contains(p.name, envOpen) {
			v.doc.add(positionOf(p.key), v.path, "the name of a field cannot come from the environment, only its value")
			continue
		}
		each(p.name, v.field(p))
	}
	return true
}

// field remembers a field and returns its value.
func (v Value) field(p pair) Value {
	f := v.doc.value(p.value, Join(v.path, p.name))
	w := v.doc.written[f.path]
	w.key = p.key
	v.doc.written[f.path] = w
	return f
}

// pairs returns the fields of a mapping in the order of the file, merge keys
// (<<) written out: what the mapping says itself wins over what it merges.
func (v Value) pairs(example string) ([]pair, bool) {
	if !v.IsMapping() {
		switch {
		case v.node.Kind == yaml.SequenceNode:
			v.Wrong("must be a mapping such as %s, and this is a list", example)
		case isNull(v.node):
			v.Wrong("has no value: write a mapping such as %s, or remove the field", example)
		default:
			if t, ok := v.Text(); ok {
				v.Wrong("must be a mapping such as %s, and this is %s", example, t.Show())
			}
		}
		return nil, false
	}
	m := merger{v: v, taken: map[string]bool{}, open: map[*yaml.Node]bool{}}
	m.mapping(v.node)
	return m.pairs, true
}

// ownPairs returns the fields that a mapping node says itself, merge keys
// included, and records fields that stand in it twice.
func (v Value) ownPairs(n *yaml.Node) []pair {
	var pairs []pair
	first := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		for key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode || isNull(key) {
			v.doc.add(positionOf(n.Content[i]), v.path, "the name of a field must be a text")
			continue
		}
		if old := first[key.Value]; old != nil {
			v.doc.add(positionOf(n.Content[i]), Join(v.path, key.Value),
				"stands here a second time, first on line "+itoa(old.Line))
			continue
		}
		first[key.Value] = n.Content[i]
		pairs = append(pairs, pair{key.Value, n.Content[i], n.Content[i+1]})
	}
	return pairs
}

func isMerge(key *yaml.Node) bool {
	return key.Kind == yaml.ScalarNode && key.ShortTag() == "!!merge"
}

// emptyHint says what to write for a member without a value.
func emptyHint(m Member) string {
	t := m.Type
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == nil:
		return "write one, or remove the field"
	case t.Kind() == reflect.Struct && len(Fields(t)) > 0:
		return "write " + m.Name + ": {} for one without settings, or remove the field"
	case t.Kind() == reflect.Slice:
		return "write a list, or remove the field"
	}
	return "write one, or remove the field"
}
