package config_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/kinds"
)

const exampleFile = "../../examples/regsweep.yaml"

func TestExampleLoads(t *testing.T) {
	cfg, err := config.Load(exampleFile, lookup(), kinds.All())
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Usage.Sources) != len(kinds.All().Sources) {
		t.Errorf("the example has %d sources, and there are %d kinds", len(cfg.Usage.Sources), len(kinds.All().Sources))
	}
}

// Every field that there is stands in the example, with a comment beside it or
// above it.
func TestExampleIsComplete(t *testing.T) {
	var schema map[string]any
	data, err := config.Schema(kinds.All())
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	explained := map[string]bool{}
	field := regexp.MustCompile(`([A-Za-z]+):(?: |$)`)
	previous := ""
	for s := bufio.NewScanner(bytes.NewReader(read(t, exampleFile))); s.Scan(); previous = s.Text() {
		text := strings.TrimLeft(s.Text(), " -")
		if strings.HasPrefix(strings.TrimSpace(s.Text()), "# ") {
			text = strings.TrimPrefix(text, "# ")
		}
		m := field.FindStringSubmatch(text)
		if m != nil && (strings.Contains(text, " # ") || strings.HasPrefix(previous, "# ") || !strings.Contains(text, ": ")) {
			explained[m[1]] = true
		}
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if properties, ok := v["properties"].(map[string]any); ok {
				for name := range properties {
					if !explained[name] {
						t.Errorf("%s does not explain %s", exampleFile, name)
					}
				}
			}
			for _, child := range v {
				walk(child)
			}
		case []any:
			for _, child := range v {
				walk(child)
			}
		}
	}
	walk(schema)
}
