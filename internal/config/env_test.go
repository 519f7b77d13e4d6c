package config_test

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/kinds"
)

// Any value may come from the environment: each one of the good files, put
// there, gives the same configuration, and the schema accepts it.
func TestEveryValueFromTheEnvironment(t *testing.T) {
	schema := compileSchema(t)
	all := kinds.All()
	for _, file := range append(glob(t, "testdata/good/*.yaml"), exampleFile) {
		data := read(t, file)
		environment := environment(data)
		cfg, err := config.Parse(file, data, environment, all)
		if err != nil {
			t.Fatal(err)
		}
		var root yaml.Node
		if err := yaml.Unmarshal(data, &root); err != nil {
			t.Fatal(err)
		}
		for i, value := range values(&root) {
			t.Run(filepath.Base(file)+"/"+strconv.Itoa(i)+" "+value.Value, func(t *testing.T) {
				before := *value
				defer func() { *value = before }()
				text := before.Value
				*value = yaml.Node{Kind: yaml.ScalarNode, Value: "${env:VALUE}", Style: yaml.DoubleQuotedStyle, Anchor: before.Anchor}
				changed, err := yaml.Marshal(&root)
				if err != nil {
					t.Fatal(err)
				}
				lookup := func(name string) (string, bool) {
					if name == "VALUE" {
						return text, true
					}
					return environment(name)
				}
				got, err := config.Parse("changed.yaml", changed, lookup, all)
				switch {
				case strings.Contains(text, "${env:"):
					// The environment is not read twice; that is all there is to see.
				case err != nil:
					t.Error(err)
				case got.Hash() != cfg.Hash():
					t.Errorf("another configuration:\n%s", got.Canonical())
				}
				doc, ok := document(changed)
				if err := schema.Validate(doc); !ok || err != nil {
					t.Errorf("schema: %t %v", ok, err)
				}
			})
		}
	}
}

// values returns the scalars of a document that are not names of fields.
func values(n *yaml.Node) []*yaml.Node {
	var all []*yaml.Node
	switch n.Kind {
	case yaml.ScalarNode:
		return []*yaml.Node{n}
	case yaml.MappingNode:
		for i := 1; i < len(n.Content); i += 2 {
			all = append(all, values(n.Content[i])...)
		}
	default: // an alias has no content of its own
		for _, c := range n.Content {
			all = append(all, values(c)...)
		}
	}
	return all
}
