package lifecycle_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	. "github.com/regsweep/regsweep/internal/graph/graphtest"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/lifecycle"
)

// parse reads a document that must be right.
func parse(t testing.TB, text string) *lifecycle.Policy {
	t.Helper()
	p, mistakes := lifecycle.Parse([]byte(text))
	if len(mistakes) > 0 {
		t.Fatalf("%s\n%v", text, mistakes)
	}
	return p
}

// rule writes one rule as the tables of these tests do: the tag requirement, then
// cnt>N, push>Nd, pull>Nd or moved>Nd, and perhaps "archive" for the action.
func rule(priority int, text string) string {
	words := strings.Fields(text)
	selection := `"tagStatus": "tagged", "tagPatternList": ["` + strings.Join(strings.Split(words[0], ","), `", "`) + `"]`
	if words[0] == "any" || words[0] == "untagged" {
		selection = fmt.Sprintf(`"tagStatus": %q`, words[0])
	}
	kind, number, _ := strings.Cut(words[1], ">")
	number, _ = strings.CutSuffix(number, "d")
	action := `{"type": "expire"}`
	if len(words) > 2 || kind == "pull" {
		action = `{"type": "transition", "targetStorageClass": "archive"}`
	}
	count := map[string]string{
		"cnt":   `"countType": "imageCountMoreThan"`,
		"push":  `"countType": "sinceImagePushed", "countUnit": "days"`,
		"pull":  `"countType": "sinceImagePulled", "countUnit": "days"`,
		"moved": `"countType": "sinceImageTransitioned", "countUnit": "days", "storageClass": "archive"`,
	}[kind]
	return fmt.Sprintf(`{"rulePriority": %d, "description": "%s", "selection": {%s, %s, "countNumber": %s}, "action": %s}`,
		priority, text, selection, count, number, action)
}

// rules writes a document with these rules, in order of priority.
func rules(texts ...string) string {
	var all []string
	for i, text := range texts {
		all = append(all, rule(i+1, text))
	}
	return `{"rules": [` + strings.Join(all, ", ") + `]}` + strings.Repeat(" ", 40)
}

// gone returns the names of the images that go in a reading, sorted.
func gone(p *lifecycle.Policy, in lifecycle.Input, reading lifecycle.Reading, names ...string) []string {
	var all []string
	fates := lifecycle.Evaluate(p, in, reading)
	for _, name := range names {
		if i, ok := in.Graph.Find(D(name)); ok && fates[i].Action != lifecycle.Keep {
			all = append(all, name)
		}
	}
	return all
}

// days makes an age.
func days(n int) Option { return Age(time.Duration(n) * Day) }

// TestDocumentedExamples is the worked examples of the ECR user guide ("Examples
// of lifecycle policies": multiple rules, multiple tags in a single rule, all
// images), with their outcomes.
func TestDocumentedExamples(t *testing.T) {
	multi := func() *Repository {
		return New("r").Add("A", Tags("beta-1", "prod-1"), days(10)).Add("B", Tags("beta-2", "prod-2"), days(9)).Add("C", Tags("beta-3"), days(8))
	}
	tests := []struct {
		name   string
		images *Repository
		rules  []string
		want   []string
	}{
		{"Multi-A", multi(), []string{"prod* cnt>1", "beta* cnt>1"}, []string{"A"}},
		{"Multi-B", multi(), []string{"beta* cnt>1", "prod* cnt>1"}, []string{"A", "B"}},
		{"Tags-A", New("r").Add("A", Tags("alpha-1"), days(12)).Add("B", Tags("beta-1"), days(11)).
			Add("C", Tags("alpha-2", "beta-2"), days(10)).Add("D", Tags("alpha-3"), days(4)).
			Add("E", Tags("beta-3"), days(3)).Add("F", Tags("alpha-4", "beta-4"), days(2)),
			[]string{"alpha*,beta* push>5d"}, []string{"C"}},
		{"Tags-B", New("r").Add("A", Tags("alpha-1", "beta-1", "gamma-1"), days(10)).
			Add("B", Tags("alpha-2", "beta-2"), days(9)).Add("C", Tags("alpha-3", "beta-3", "gamma-2"), days(8)),
			[]string{"alpha*,beta* cnt>1"}, []string{"A", "B"}},
		{"All-A", New("r").Add("A", Tags("alpha-1"), days(4)).Add("B", Tags("beta-1"), days(3)).Add("C", days(2)).
			Add("D", Tags("alpha-2"), days(1)),
			[]string{"any cnt>1"}, []string{"A", "B", "C"}},
		{"All-B", New("r").Add("A", Tags("alpha-1", "beta-1"), days(4)).Add("B", days(3)).Add("C", Tags("alpha-2"), days(2)).
			Add("D", Tags("d0c5f8a"), days(1)).Add("E", Age(Day-time.Second)),
			[]string{"alpha* cnt>1", "untagged push>1d", "any cnt>1"}, []string{"A", "B", "D"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := parse(t, rules(tt.rules...))
			in := lifecycle.Input{Graph: tt.images.Graph(), Now: Now}
			for _, reading := range []lifecycle.Reading{lifecycle.Least, lifecycle.Most} {
				got := gone(p, in, reading, "A", "B", "C", "D", "E", "F")
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("reading %d (-want +got):\n%s", reading, diff)
				}
			}
		})
	}
}

func TestEvaluate(t *testing.T) {
	archived := With(func(i *image.Image) { i.Status = image.Archived })
	activating := With(func(i *image.Image) { i.Status = image.Activating })
	unknown := With(func(i *image.Image) { i.PushedAt = 0 })
	at := func(d time.Duration) image.Time { return Now - image.Time(d.Milliseconds()) }
	tests := []struct {
		name   string
		images *Repository
		times  map[image.Digest]lifecycle.Times
		rules  []string
		least  string
		most   string
	}{
		{name: "exactly as old as the rule says stays", images: New("r").Add("a", days(5)).Add("b", Age(5*Day+time.Millisecond)),
			rules: []string{"untagged push>5d"}, least: "b", most: "b"},
		{name: "a pattern matches the whole tag", images: New("r").Add("a", Tags("prod"), days(5)).Add("b", Tags("prod1"), days(5)).Add("c", Tags("my-prod"), days(5)),
			rules: []string{"prod push>1d"}, least: "a", most: "a"},
		{name: "stars within a pattern", images: New("r").Add("a", Tags("x-rc-1"), days(5)).Add("b", Tags("x-rc1"), days(5)).Add("c", Tags("-rc-"), days(5)),
			rules: []string{"*-rc-* push>1d"}, least: "ac", most: "ac"},
		{name: "the tag requirement of a rule that keeps shields from later ones", images: New("r").Add("a", Tags("in-use-1", "1.0.1"), days(50)).Add("b", Tags("1.0.2"), days(50)),
			rules: []string{"in-use-* cnt>1000", "1.0* push>30d"}, least: "b", most: "b"},
		{name: "platform images are not expired before their index",
			images: New("r").Add("a", Tags("v1"), Lists("b", "c"), days(1)).Add("b", days(50)).Add("c", Tags("v1-arm"), days(50)).Add("d", days(50)),
			rules:  []string{"any push>10d"}, least: "d", most: "d"},
		{name: "platform images of an index that goes", images: New("r").Add("a", Tags("v1"), Lists("b"), days(50)).Add("b", days(50)),
			rules: []string{"any push>10d"}, least: "a", most: "ab"},
		{name: "of a nested index that stays", images: New("r").Add("a", Tags("v1"), Lists("b"), days(1)).Add("b", Lists("c"), days(50)).Add("c", days(50)),
			rules: []string{"any push>10d"}, least: "", most: ""},
		{name: "platform images in counts", images: New("r").Add("a", Tags("v1"), Lists("b", "c"), days(1)).Add("b", days(2)).Add("c", days(2)).Add("d", Tags("v0"), days(3)),
			rules: []string{"any cnt>2"}, least: "", most: "d"},
		{name: "an attached artifact goes with its subject", images: New("r").Add("a", Tags("v1"), days(50)).Add("b", Subject("a"), days(1)).Add("c", Subject("b"), days(1)),
			rules: []string{"v* push>10d"}, least: "abc", most: "abc"},
		{name: "an attached artifact alone", images: New("r").Add("a", Tags("v1"), days(1)).Add("b", Subject("a"), days(50)),
			rules: []string{"untagged push>10d"}, least: "", most: "b"},
		{name: "an artifact of a subject that is gone is like any", images: New("r").Add("b", Subject("a"), days(50)),
			rules: []string{"untagged push>10d"}, least: "b", most: "b"},
		{name: "an artifact attached by a tag is like any", images: New("r").Add("a", Tags("v1"), days(1)).Add("b", Tags("sha256-"+D("a").Hex()+".sig"), days(50)),
			rules: []string{"sha256-* push>10d"}, least: "b", most: "b"},
		{name: "equal push times", images: New("r").Add("a", days(5)).Add("b", days(5)).Add("c", days(6)),
			rules: []string{"untagged cnt>1"}, least: "c", most: "abc"},
		{name: "unknown push time", images: New("r").Add("a", unknown).Add("b", days(6)),
			rules: []string{"untagged cnt>1"}, least: "", most: "a"},
		{name: "unknown push time, by age", images: New("r").Add("a", unknown),
			rules: []string{"untagged push>10000d"}, least: "", most: "a"},
		{name: "the archive is another storage class", images: New("r").Add("a", archived, days(50)).Add("b", days(50)).Add("c", activating, days(50)),
			rules: []string{"untagged push>10d"}, least: "b", most: "bc"},
		{name: "after days in the archive", images: New("r").Add("a", archived, days(500)).Add("b", archived, days(500)).Add("c", archived, days(500)).Add("d", days(500)),
			times: map[image.Digest]lifecycle.Times{D("a"): {ArchivedAt: at(91 * Day)}, D("b"): {ArchivedAt: at(90 * Day)}},
			rules: []string{"any moved>90d"}, least: "a", most: "ac"},
		{name: "rules of two storage classes do not shield from each other", images: New("r").Add("a", archived, Tags("v1"), days(500)),
			times: map[image.Digest]lifecycle.Times{D("a"): {ArchivedAt: at(91 * Day)}},
			rules: []string{"v* push>1d archive", "v* moved>90d"}, least: "a", most: "a"},
		{name: "not pulled", images: New("r").Add("a", days(50), Pulled(40*Day)).Add("b", days(50), Pulled(2*Day)).Add("c", days(50)).Add("d", days(5)),
			rules: []string{"any pull>30d"}, least: "ac", most: "ac"},
		{name: "a restored image counts from its restoring, perhaps", images: New("r").Add("a", days(50)),
			times: map[image.Digest]lifecycle.Times{D("a"): {ActivatedAt: at(Day)}},
			rules: []string{"any push>30d"}, least: "", most: "a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := lifecycle.Input{Graph: tt.images.Graph(), Now: Now, Times: tt.times}
			p := parse(t, rules(tt.rules...))
			least := strings.Join(gone(p, in, lifecycle.Least, "a", "b", "c", "d"), "")
			most := strings.Join(gone(p, in, lifecycle.Most, "a", "b", "c", "d"), "")
			if least != tt.least || most != tt.most {
				t.Errorf("least %q, most %q; want %q and %q", least, most, tt.least, tt.most)
			}
		})
	}
}

func TestFate(t *testing.T) {
	r := New("r").Add("a", Tags("v1"), days(50)).Add("b", Subject("a"), days(1)).Add("c", Tags("in-use-1", "v0"), days(50)).Add("d")
	in := lifecycle.Input{Graph: r.Graph(), Now: Now}
	fates := lifecycle.Evaluate(parse(t, rules("in-use-* cnt>1000", "v* push>10d archive")), in, lifecycle.Most)
	find := func(name string) int32 { i, _ := in.Graph.Find(D(name)); return i }
	want := map[string]lifecycle.Fate{
		"a": {Action: lifecycle.Transition, Rule: 1, Subject: -1},
		"b": {Action: lifecycle.Transition, Rule: 1, Subject: find("a")},
		"c": {Rule: 0, Subject: -1},
		"d": {Rule: -1, Subject: -1},
	}
	got := map[string]lifecycle.Fate{}
	for _, name := range slices.Sorted(slices.Values([]string{"a", "b", "c", "d"})) {
		got[name] = fates[find(name)]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fates (-want +got):\n%s", diff)
	}
}
