package strict

import "go.yaml.in/yaml/v3"

// merger writes out the merge keys (<<) of a mapping.
type merger struct {
	v     Value
	pairs []pair
	taken map[string]bool
	// open are the mappings being merged, against one that contains itself.
	open map[*yaml.Node]bool
}

// mapping adds the fields of a mapping: first what it says itself, which wins,
// then what it merges, of which the earlier wins.
func (m *merger) mapping(n *yaml.Node) {
	m.open[n] = true
	defer delete(m.open, n)
	own := m.v.ownPairs(n)
	for _, p := range own {
		if !isMerge(p.key) && !m.taken[p.name] {
			m.taken[p.name] = true
			m.pairs = append(m.pairs, p)
		}
	}
	for _, p := range own {
		if isMerge(p.key) {
			m.merge(p.value)
		}
	}
}

// merge adds what stands behind a merge key: a mapping, or a list of them.
func (m *merger) merge(at *yaml.Node) {
	n := at
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	m.v.doc.values += 1 + len(n.Content)
	switch {
	case m.v.exhausted():
	case m.open[n]:
		m.wrong(at, "<< merges a mapping into itself")
	case n.Kind == yaml.MappingNode:
		m.mapping(n)
	case n.Kind == yaml.SequenceNode:
		m.open[n] = true
		defer delete(m.open, n)
		for _, c := range n.Content {
			m.merge(c)
		}
	default:
		m.wrong(at, "<< merges mappings only: write <<: *anchor")
	}
}

func (m *merger) wrong(at *yaml.Node, detail string) {
	m.v.doc.add(positionOf(at), m.v.path, detail)
}
