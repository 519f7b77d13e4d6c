package deploytest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocumentedValuesExist checks that the values in docs/deploy.md are values of
// the chart.
func TestDocumentedValuesExist(t *testing.T) {
	type schema struct {
		Properties map[string]json.RawMessage
		Type       any
	}
	_, section, _ := strings.Cut(read(t, "docs/deploy.md"), "\n## Helm\n")
	section, _, _ = strings.Cut(section, "\n## ")
	values := 0
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*?) \\|").FindAllStringSubmatch(section, -1) {
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
			values++
			text := json.RawMessage(read(t, "deploy/helm/regsweep/values.schema.json"))
			for part := range strings.SplitSeq(name[1], ".") {
				var s schema
				if err := json.Unmarshal(text, &s); err != nil {
					t.Fatal(err)
				}
				if text = s.Properties[part]; text == nil {
					t.Errorf("the chart has no value %s", name[1])
					break
				}
			}
		}
	}
	if values < 10 {
		t.Errorf("only %d values were found", values)
	}
}

// TestExampleLinks checks that what the READMEs of the examples link to and the
// files that they name are there.
func TestExampleLinks(t *testing.T) {
	readmes, err := filepath.Glob(root + "/examples/*/README.md")
	if err != nil || len(readmes) < 3 {
		t.Fatalf("READMEs %v: %v", readmes, err)
	}
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	file := regexp.MustCompile("`([a-z-]+\\.(?:asl\\.)?(?:yaml|json))`")
	for _, readme := range readmes {
		text, err := os.ReadFile(readme)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range append(link.FindAllStringSubmatch(string(text), -1), file.FindAllStringSubmatch(string(text), -1)...) {
			if strings.Contains(string(text), " > "+m[1]+"\n") {
				continue // a command there makes it
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(readme), m[1])); err != nil {
				t.Errorf("%s names %s: %v", readme, m[1], err)
			}
		}
	}
}
