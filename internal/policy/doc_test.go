package policy

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"cel.dev/cel-go/cel"
	"github.com/google/go-cmp/cmp"
)

// The tables of docs/configuration.md list exactly what expressions can name,
// in the order of the code.
func TestConfigurationDocListsTheCELEnvironment(t *testing.T) {
	content, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	var variables, constants [][]string
	for _, v := range celVariables {
		variables = append(variables, []string{"`" + v.Name + "`", docType(v.Type), v.Doc})
	}
	for _, c := range celConstants {
		constants = append(constants, []string{"`" + c.Name + "`", fmt.Sprint(c.Bytes)})
	}
	for name, want := range map[string][][]string{"variables": variables, "constants": constants} {
		if diff := cmp.Diff(want, table(t, string(content), name)); diff != "" {
			t.Errorf("table of %s (-code +docs):\n%s", name, diff)
		}
	}
}

// docType writes a type as the documentation does.
func docType(t *cel.Type) string {
	return strings.NewReplacer("google.protobuf.Timestamp", "timestamp", "google.protobuf.Duration", "duration").Replace(t.String())
}

// table returns the cells of the rows between "<!-- cel:NAME … -->" and
// "<!-- /cel:NAME -->".
func table(t *testing.T, doc, name string) (rows [][]string) {
	t.Helper()
	between := regexp.MustCompile(`(?s)<!-- cel:` + name + `\b.*?-->\n(.*?)<!-- /cel:` + name + ` -->`).FindStringSubmatch(doc)
	if between == nil {
		t.Fatalf("there is no table of %s", name)
	}
	lines := strings.Split(strings.TrimSpace(between[1]), "\n")
	if len(lines) < 3 {
		t.Fatalf("the table of %s has no rows", name)
	}
	for _, line := range lines[2:] { // after the head and its rule
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	return rows
}
