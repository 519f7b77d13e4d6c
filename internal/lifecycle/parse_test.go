package lifecycle_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/lifecycle"
)

// document is a right document, in which tests replace something.
const document = `{
  "rules": [
    {
      "rulePriority": 1,
      "description": "what is in use stays",
      "selection": {"tagStatus": "tagged", "tagPrefixList": ["in-use"], "countType": "imageCountMoreThan", "countNumber": 1000},
      "action": {"type": "expire"}
    },
    {
      "rulePriority": 2,
      "selection": {"tagStatus": "tagged", "tagPatternList": ["1.0*"], "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 30},
      "action": {"type": "transition", "targetStorageClass": "archive"}
    },
    {
      "rulePriority": 9,
      "selection": {"tagStatus": "any", "storageClass": "archive", "countType": "sinceImageTransitioned", "countUnit": "days", "countNumber": 90},
      "action": {"type": "expire"}
    }
  ]
}`

func TestParse(t *testing.T) {
	want := []lifecycle.Rule{
		{Index: 0, Priority: 1, Description: "what is in use stays", Action: lifecycle.Expire, Line: 3, Column: 5,
			Selection: lifecycle.Selection{TagStatus: lifecycle.Tagged, Prefixes: []string{"in-use"}, Storage: lifecycle.Standard, CountType: lifecycle.CountMoreThan, CountNumber: 1000}},
		{Index: 1, Priority: 2, Action: lifecycle.Transition, Line: 9, Column: 5,
			Selection: lifecycle.Selection{TagStatus: lifecycle.Tagged, Patterns: []string{"1.0*"}, Storage: lifecycle.Standard, CountType: lifecycle.SincePushed, CountNumber: 30}},
		{Index: 2, Priority: 9, Action: lifecycle.Expire, Line: 14, Column: 5,
			Selection: lifecycle.Selection{TagStatus: lifecycle.Any, Storage: lifecycle.Archive, CountType: lifecycle.SinceTransitioned, CountNumber: 90}},
	}
	p := parse(t, document)
	if diff := cmp.Diff(want, p.Rules); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	text, err := p.Text()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(plain(t, document), plain(t, text)); diff != "" {
		t.Errorf("written again (-want +got):\n%s", diff)
	}
	describe := []string{"expire images tagged in-use* beyond the newest 1000", "archive images tagged 1.0* older than 30 days", "expire archived any image after 90 days in the archive"}
	for i := range p.Rules {
		if got := p.Rules[i].Describe(); got != describe[i] {
			t.Errorf("rule %d: %q, want %q", i, got, describe[i])
		}
	}
}

// plain reads JSON without its layout.
func plain(t *testing.T, text string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// replaced returns the document with changes: what to replace, by what.
func replaced(t *testing.T, changes ...string) string {
	t.Helper()
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(document, changes[i]) {
			t.Fatalf("the document has no %q", changes[i])
		}
	}
	return strings.NewReplacer(changes...).Replace(document)
}

func TestParseMistakes(t *testing.T) {
	const rule2 = `"tagStatus": "tagged", "tagPatternList": ["1.0*"], "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 30`
	const rule3 = `"tagStatus": "any", "storageClass": "archive", "countType": "sinceImageTransitioned", "countUnit": "days", "countNumber": 90`
	tests := []struct {
		name    string
		changes []string
		want    []string
	}{
		{"no priority", []string{`"rulePriority": 2,`, ""}, []string{`9:5: rules[1].rulePriority: this field is missing: a number from 1; the lowest is applied first`}},
		{"a priority twice", []string{`"rulePriority": 2`, `"rulePriority": 1`}, []string{`10:23: rules[1].rulePriority: rules[0] has priority 1 too; each rule needs its own`}},
		{"priority 0", []string{`"rulePriority": 2`, `"rulePriority": 0`}, []string{`10:23: rules[1].rulePriority: 0 is too small: 1 is the least`}},
		{"priority 0 twice", []string{`"rulePriority": 1`, `"rulePriority": 0`, `"rulePriority": 2`, `"rulePriority": 0`}, []string{
			`4:23: rules[0].rulePriority: 0 is too small: 1 is the least`,
			`10:23: rules[1].rulePriority: 0 is too small: 1 is the least`,
		}},
		{"a priority in words", []string{`"rulePriority": 2`, `"rulePriority": "2"`}, []string{`10:23: rules[1].rulePriority: want a whole number, not "2"`}},
		{"half a day", []string{`"countNumber": 30`, `"countNumber": 0.5`}, []string{`11:141: rules[1].selection.countNumber: want a whole number, not 0.5`}},
		{"too many days", []string{`"countNumber": 30`, `"countNumber": 3000000000`}, []string{`11:141: rules[1].selection.countNumber: 3000000000 is too large`}},
		{"an unknown field", []string{`"tagPatternList"`, `"tagPaternList"`}, []string{
			`11:20: rules[1].selection.tagPatternList: this field is missing: tagged images are selected by tagPatternList or tagPrefixList (["*"] for all of them)`,
			`11:44: rules[1].selection.tagPaternList: unknown field (did you mean tagPatternList?)`}},
		{"a field that is nothing like any", []string{`"rules"`, `"Statement"`}, []string{
			`1:1: rules: this field is missing: a policy is {"rules": [ … ]}`, `2:3: Statement: unknown field`}},
		{"a field in another case", []string{`"description"`, `"Description"`}, []string{`5:7: rules[0].Description: unknown field (did you mean description?)`}},
		{"a field twice", []string{`"rulePriority": 2,`, `"rulePriority": 2, "rulePriority": 3,`}, []string{`10:26: rules[1].rulePriority: this field is there twice`}},
		{"tags for untagged images", []string{rule2, strings.Replace(rule2, `"tagged"`, `"untagged"`, 1)},
			[]string{`11:64: rules[1].selection.tagPatternList: a rule for untagged images takes no tags; they go with "tagStatus": "tagged"`}},
		{"patterns and prefixes", []string{rule2, `"tagPrefixList": ["a"], ` + rule2},
			[]string{`11:38: rules[1].selection.tagPrefixList: a rule has tagPatternList or tagPrefixList, not both; a prefix is the pattern that ends in *`}},
		{"five wildcards", []string{`1.0*`, `*1*2*3*4*`}, []string{`11:63: rules[1].selection.tagPatternList[0]: "*1*2*3*4*" has 5 wildcards, and ECR takes 4`}},
		{"no pattern", []string{`["1.0*"]`, `[]`}, []string{`11:62: rules[1].selection.tagPatternList: the list is empty; ["*"] in tagPatternList is all tagged images`}},
		{"an empty pattern", []string{`["1.0*"]`, `["", "a", "a", 7]`}, []string{
			`11:63: rules[1].selection.tagPatternList[0]: this matches no tag`,
			`11:72: rules[1].selection.tagPatternList[2]: "a" is in the list twice`,
			`11:77: rules[1].selection.tagPatternList[3]: want a string, not 7`}},
		{"a pattern that is no list", []string{`["1.0*"]`, `"1.0*"`}, []string{`11:62: rules[1].selection.tagPatternList: want a list of strings, not "1.0*"`}},
		{"an unknown tag status", []string{rule3, strings.Replace(rule3, `"any"`, `"all"`, 1)}, []string{`16:34: rules[2].selection.tagStatus: "all" is unknown (did you mean any?)`}},
		{"an unknown count type", []string{`"sinceImagePushed"`, `"sinceImagePush"`}, []string{`11:85: rules[1].selection.countType: "sinceImagePush" is unknown (did you mean sinceImagePushed?)`}},
		{"no unit", []string{`"countUnit": "days", "countNumber": 30`, `"countNumber": 30`}, []string{`11:20: rules[1].selection.countUnit: this field is missing: sinceImagePushed counts "days"`}},
		{"a unit for images", []string{`"countNumber": 1000`, `"countUnit": "days", "countNumber": 1000`}, []string{`6:121: rules[0].selection.countUnit: imageCountMoreThan counts images, not days`}},
		{"another unit", []string{`"countUnit": "days", "countNumber": 30`, `"countUnit": "weeks", "countNumber": 30`}, []string{`11:118: rules[1].selection.countUnit: "weeks" is unknown: write days`}},
		{"age in the archive", []string{rule2, `"storageClass": "archive", ` + rule2}, []string{`11:20: rules[1].selection.storageClass: archive does not go with sinceImagePushed: it is about images of the storage class standard; those of the archive go by sinceImageTransitioned`}},
		{"days in the archive, of standard images", []string{`"storageClass": "archive", `, ``}, []string{`16:20: rules[2].selection.storageClass: standard does not go with sinceImageTransitioned: it says how long images are in the archive: write "storageClass": "archive"`}},
		{"pull age expires nothing", []string{rule2, strings.Replace(rule2, "Pushed", "Pulled", 1), `{"type": "transition", "targetStorageClass": "archive"}`, `{"type": "expire"}`},
			[]string{`12:17: rules[1].action.type: sinceImagePulled can only archive: write {"type": "transition", "targetStorageClass": "archive"}`}},
		{"no target", []string{`, "targetStorageClass": "archive"}`, `}`}, []string{`12:17: rules[1].action.targetStorageClass: this field is missing: a transition goes to "archive"`}},
		{"another target", []string{`"targetStorageClass": "archive"`, `"targetStorageClass": "standard"`}, []string{`12:62: rules[1].action.targetStorageClass: "standard" is unknown: write archive`}},
		{"a target of expire", []string{`"type": "transition"`, `"type": "expire"`}, []string{`12:58: rules[1].action.targetStorageClass: expire has no target "archive"; the action of archiving is transition`}},
		{"archived images to the archive", []string{"\"countNumber\": 90},\n      \"action\": {\"type\": \"expire\"}", "\"countNumber\": 90},\n      \"action\": {\"type\": \"transition\", \"targetStorageClass\": \"archive\"}"},
			[]string{`17:17: rules[2].action.type: what is in the archive can only expire`}},
		{"two any", []string{rule2, `"tagStatus": "any", "storageClass": "archive", "countType": "sinceImageTransitioned", "countUnit": "days", "countNumber": 9`, `{"type": "transition", "targetStorageClass": "archive"}`, `{"type": "expire"}`},
			[]string{`14:5: rules[2].selection.tagStatus: rules[1] selects any image too; only one rule of a storage class can`}},
		{"any before others", []string{rule2, strings.Replace(rule2, `"tagStatus": "tagged", "tagPatternList": ["1.0*"]`, `"tagStatus": "any"`, 1), `"rulePriority": 1,`, `"rulePriority": 7,`},
			[]string{`9:5: rules[1].rulePriority: a rule that selects any image comes last, and rules[0] has the higher priority number 7`}},
		{"many at once", []string{`"rulePriority": 1`, `"rulePriority": -1`, `"days"`, `"hours"`, `"expire"`, `"delete"`}, []string{
			`4:23: rules[0].rulePriority: -1 is too small: 1 is the least`,
			`7:26: rules[0].action.type: "delete" is unknown: write expire or transition`,
			`11:118: rules[1].selection.countUnit: "hours" is unknown: write days`,
			`16:120: rules[2].selection.countUnit: "hours" is unknown: write days`,
			`17:26: rules[2].action.type: "delete" is unknown: write expire or transition`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { wantMistakes(t, replaced(t, tt.changes...), tt.want) })
	}
}

func wantMistakes(t *testing.T, text string, want []string) {
	t.Helper()
	p, mistakes := lifecycle.Parse([]byte(text))
	var got []string
	for _, m := range mistakes {
		got = append(got, m.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mistakes (-want +got):\n%s", diff)
	}
	if p != nil {
		t.Error("a policy with mistakes was returned")
	}
}

func TestParseBroken(t *testing.T) {
	pad := strings.Repeat(" ", 100)
	tests := []struct{ name, text, want string }{
		{"nothing", pad, "1:101: the document ends in the middle"},
		{"cut off", pad + `{"rules": [{"rulePriority": 1,`, "1:131: the document ends in the middle"},
		{"a comma too many", "{\n  \"rules\": [],\n}" + pad, "3:1: this is no JSON: invalid character '}' looking for"},
		{"two documents", `{"rules": []} {}` + pad, "1:15: this is no JSON: invalid character '{' after top-level value"},
		{"not UTF-8", `{"rules": "` + "\xff" + `"}` + pad, "1:12: this is not UTF-8"},
		{"a list", `[]` + pad, "1:1: want an object with rules, not a list"},
		{"null", `null` + pad, "1:1: want an object with rules, not null"},
		{"rules that are no list", `{"rules": true}` + pad, "1:11: rules: want a list of rules, not true"},
		{"no rules", `{"rules": []}` + pad, "1:11: rules: there is no rule; a repository without rules has no policy"},
		{"a rule that is none", `{"rules": [7]}` + pad, "1:12: rules[0]: want an object with rulePriority, description, selection, action, not 7"},
		{"a selection that is none", `{"rules": [{"rulePriority": 1, "selection": [], "action": {"type": "expire"}}]}` + pad,
			"1:45: rules[0].selection: want an object with tagStatus, tagPatternList, tagPrefixList, storageClass, countType, countUnit, countNumber, not a list"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, mistakes := lifecycle.Parse([]byte(tt.text))
			if len(mistakes) != 1 || !strings.HasPrefix(mistakes[0].String(), tt.want) {
				t.Errorf("got %v, want %s", mistakes, tt.want)
			}
		})
	}
}

func TestParseLimits(t *testing.T) {
	many := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, rule(i+1, fmt.Sprintf("t%d-* push>1d", i)))
		}
		return `{"rules": [` + strings.Join(all, ",\n") + `]}`
	}
	long := func(characters int) string {
		text := replaced(t, "what is in use stays", "ü")
		return strings.Replace(text, "ü", strings.Repeat("ü", characters-len([]rune(text))+1), 1)
	}
	parse(t, many(50))
	parse(t, long(lifecycle.MaxText))
	wantMistakes(t, many(51), []string{"51:1: rules[50]: the policy has 51 rules, and ECR takes 50"})
	wantMistakes(t, long(lifecycle.MaxText+1), []string{"1:1: the document has 30,721 characters, and ECR takes 30,720"})
	wantMistakes(t, `{"rules": [{}]}`, []string{
		"1:1: the document has 15 characters, and ECR takes none below 100: indent it, or describe the rules",
		"1:12: rules[0].rulePriority: this field is missing: a number from 1; the lowest is applied first",
		`1:12: rules[0].action: this field is missing: {"type": "expire"} or {"type": "transition", "targetStorageClass": "archive"}`,
		"1:12: rules[0].selection: this field is missing: it says which images the rule is about"})
	wantMistakes(t, "rules:", []string{
		"1:1: the document has 6 characters, and ECR takes none below 100: indent it, or describe the rules",
		"1:1: this is no JSON: invalid character 'r' looking for beginning of value"})
	wantMistakes(t, strings.Repeat(" ", 2<<20), []string{"1:1: the document has 2,097,152 characters, and ECR takes 30,720"})
}

func TestLint(t *testing.T) {
	tests := []struct {
		name  string
		rules []string
		want  []string
	}{
		{"nothing to say", []string{"in-use-* cnt>1000000", "1.0* push>30d"}, nil},
		{"a rule after one for more", []string{"v* push>1d", "v1-* push>2d", "w,v2* push>3d"}, []string{
			"rules[1]: the rule can never act: every image that it selects meets the tag requirement of rules[0] (priority 1) before it",
			"rules[2]: the rule can never act: every image that it selects meets the tag requirement of rules[0] (priority 1) before it"}},
		{"a rule after one for fewer", []string{"v1* push>1d", "v* push>2d", "x,y push>1d", "x push>1d"}, nil},
		{"untagged twice", []string{"untagged push>1d archive", "untagged push>2d archive"}, []string{
			"rules[1]: the rule can never act: every image that it selects meets the tag requirement of rules[0] (priority 1) before it"}},
		{"another storage class", []string{"v* push>1d", "v* moved>90d"}, nil},
		{"too soon after it was archived", []string{"v* moved>89d", "w* moved>90d"}, []string{
			"rules[0].selection.countNumber: AWS lets no lifecycle policy delete what has been in the archive for less than 90 days: write 90 at least"}},
		{"no such tag", []string{"-v* push>1d", "a/b push>1d"}, []string{
			`rules[0].selection.tagPatternList: the rule can never act: no tag can match "-v*"`,
			`rules[1].selection.tagPatternList: the rule can never act: no tag can match "a/b"`}},
		{"counts", []string{"v* cnt>10"}, []string{
			"rules[0].selection.countType: what this counts is not documented: the platform images of an index and attached artifacts (signatures, SBOMs) may count as images, so that fewer than 10 may stay"}},
		{"untagged by age", []string{"untagged push>1d"}, []string{
			"rules[0].selection.tagStatus: attached artifacts (signatures, SBOMs) have no tags, and that ECR spares them while what they are attached to stays is not documented"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, w := range lifecycle.Lint(parse(t, rules(tt.rules...))) {
				got = append(got, w.Path+": "+w.Detail)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzParse checks that any document is a policy or has mistakes, each in its
// place, and that a policy is read again as it is written.
func FuzzParse(f *testing.F) {
	f.Add([]byte(document))
	seeds, err := filepath.Glob(filepath.Join("testdata", "policies", "*.json"))
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, seed := range seeds {
		text, err := os.ReadFile(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, mistakes := lifecycle.Parse(text)
		if (p == nil) != (len(mistakes) > 0) {
			t.Fatalf("policy %v, mistakes %v", p, mistakes)
		}
		for _, m := range mistakes {
			if m.Line < 1 || m.Column < 1 || m.Detail == "" || m.Line > strings.Count(string(text), "\n")+1 {
				t.Errorf("mistake without a place: %v", m)
			}
		}
		if p == nil {
			return
		}
		lifecycle.Lint(p)
		again, err := p.Text()
		if err != nil {
			t.Fatal(err)
		}
		if short := lifecycle.MinText - len([]rune(again)); short > 0 {
			again += strings.Repeat(" ", short)
		}
		if len([]rune(again)) > lifecycle.MaxText {
			return
		}
		second := parse(t, again)
		for i := range second.Rules { // they were sorted
			second.Rules[i].Index, second.Rules[i].Line, second.Rules[i].Column = p.Rules[i].Index, p.Rules[i].Line, p.Rules[i].Column
		}
		if diff := cmp.Diff(p, second); diff != "" {
			t.Errorf("read again (-want +got):\n%s", diff)
		}
	})
}
