package policy

import "testing"

// The resource tags of repositories are read only where a rule needs them. A
// rule that needs them and gets none would take every tag for absent.
func TestNeedsRepositoryTags(t *testing.T) {
	for _, tt := range []struct {
		name string
		rule Rule
		want bool
	}{
		{"no rule reads them", Rule{Keep: []Keep{{Newest: 1}, {When: `"x" in image.tags`}}}, false},
		{"a selector", Rule{RepositoryTags: map[string]string{"team": "shop"}}, true},
		{"an age", Rule{Keep: []Keep{{YoungerThan: Age{RepositoryTag: "KeepDays", Unit: 1}}}}, true},
		{"an expression", Rule{Keep: []Keep{{When: `"keep" in repository.tags`}}}, true},
		{"an expression, by index", Rule{Keep: []Keep{{When: `repository.tags["team"] == "shop"`}}}, true},
		{"an expression, by field", Rule{Keep: []Keep{{When: `image.size > 1 && has(repository.tags.keep)`}}}, true},
		{"an expression, in a loop", Rule{Keep: []Keep{{When: `image.tags.exists(t, t in repository.tags)`}}}, true},
		{"the second entry of keep", Rule{Keep: []Keep{{Newest: 1}, {When: `repository.tags.size() > 0`}}}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, problems := Compile(Spec{Rules: []Rule{{Name: "first"}, tt.rule}})
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			if got := p.NeedsRepositoryTags(); got != tt.want {
				t.Errorf("NeedsRepositoryTags() = %v, want %v", got, tt.want)
			}
		})
	}
}
