package policy

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Every mistake is found, with its place and what to write instead.
func TestCompileProblems(t *testing.T) {
	keep := func(k Keep) Spec { return Spec{Rules: []Rule{{Keep: []Keep{k}}}} }
	at := func(path, detail string) []Problem { return []Problem{{Path: path, Detail: detail}} }
	for _, tt := range []struct {
		name string
		spec Spec
		want []Problem
	}{
		{"protect without fields", Spec{Protect: []Protect{{Tags: []string{"v*"}}, {}}},
			at("protect[1]", `an entry without tags and repositories would protect everything; name what to protect ("*" for all tags)`)},
		{"a tag pattern of protect", Spec{Protect: []Protect{{Tags: []string{"v*", "v[12]"}}}},
			at("protect[0].tags[1]", `"v[12]": a glob knows * and ? only; write a /regular expression/ for more`)},
		{"a repository glob of protect", Spec{Protect: []Protect{{Repositories: []string{"a[b]"}}}},
			at("protect[0].repositories[0]", `"a[b]": a repository glob knows *, ** and ? only`)},
		{"a repository glob of a rule", Spec{Rules: []Rule{{Repositories: []string{"apps/**", ""}}}},
			at("rules[0].repositories[1]", `"": an empty glob matches no repository`)},
		{"an empty tag pattern", Spec{Rules: []Rule{{Tags: []string{""}}}},
			at("rules[0].tags[0]", "an empty pattern matches no tag (untagged: true selects images without tags)")},
		{"an excluding tag pattern", Spec{Rules: []Rule{{Tags: []string{"!v1"}}}},
			at("rules[0].tags[0]", `"!v1": tags take no exclusions; put what must stay under protect or keep`)},
		{"half a regular expression", Spec{Rules: []Rule{{Tags: []string{"/v1"}}}},
			at("rules[0].tags[0]", `"/v1": a regular expression must end with / too`)},
		{"a broken regular expression", Spec{Rules: []Rule{{Tags: []string{"/(/"}}}},
			at("rules[0].tags[0]", "invalid regular expression /(/: error parsing regexp: missing closing ): `(`")},
		{"two rules of one name", Spec{Rules: []Rule{{Name: "a"}, {Name: "b"}, {Name: "a"}}},
			at("rules[2].name", `rules[0] is called "a" too; names tell rules apart in plans`)},
		{"a name that another rule has by its place", Spec{Rules: []Rule{{}, {Name: "rule 1"}}},
			at("rules[1].name", `rules[0] is called "rule 1" too; names tell rules apart in plans`)},
		{"an action", Spec{Rules: []Rule{{Action: "destroy"}}}, at("rules[0].action", `"destroy" is no action; write delete or archive`)},
		{"an order", Spec{Rules: []Rule{{Order: "size"}}}, at("rules[0].order", `"size" is no order; write pushed or semver`)},
		{"anyTag without tags", Spec{Rules: []Rule{{AnyTag: true}}}, at("rules[0].anyTag", "anyTag says how tags match, and this rule has no tags")},
		{"untagged orphans", Spec{Rules: []Rule{{Orphans: true, Untagged: true}}},
			at("rules[0].untagged", "orphans are selected by orphans: true; untagged has no meaning here")},
		{"orphans in order", Spec{Rules: []Rule{{Orphans: true, Order: "pushed"}}}, at("rules[0].order", "orphans are not ranked")},
		{"the newest orphans", Spec{Rules: []Rule{{Orphans: true, Keep: []Keep{{Newest: 1}}}}},
			at("rules[0].keep[0]", "orphans are not ranked: newest and maxImages have no meaning here")},
		{"maxImages of orphans", Spec{Rules: []Rule{{Orphans: true, Keep: []Keep{{MaxImages: 1}}}}},
			at("rules[0].keep[0]", "orphans are not ranked: newest and maxImages have no meaning here")},
		{"a keep without fields", keep(Keep{}), at("rules[0].keep[0]", "an entry without fields would keep everything; name a condition")},
		{"newest", keep(Keep{Newest: -1}), at("rules[0].keep[0].newest", "-1 is no number of images; write 1 or more")},
		{"maxImages", keep(Keep{MaxImages: -2}), at("rules[0].keep[0].maxImages", "-2 is no number of images; write 1 or more")},
		{"youngerThan", keep(Keep{YoungerThan: Age{Fixed: -time.Hour}}), at("rules[0].keep[0].youngerThan", "a negative duration keeps nothing")},
		{"the default of youngerThan", keep(Keep{YoungerThan: Age{RepositoryTag: "Days", Unit: time.Hour, HasDefault: true, Default: -time.Hour}}),
			at("rules[0].keep[0].youngerThan.default", "a negative duration keeps nothing")},
		{"pulledWithin", keep(Keep{PulledWithin: -time.Hour}), at("rules[0].keep[0].pulledWithin", "a negative duration keeps nothing")},
		{"usedWithin", keep(Keep{UsedWithin: -time.Hour}), at("rules[0].keep[0].usedWithin", "a negative duration keeps nothing")},
		{"per alone", keep(Keep{Per: "semver.major"}), at("rules[0].keep[0].per", "per groups what newest ranks, and this entry has no newest")},
		{"per of nothing known", keep(Keep{Newest: 1, Per: "semver.patch"}),
			at("rules[0].keep[0].per", `"semver.patch" is no grouping; write semver.major, semver.minor or a /regular expression/ with one capture group`)},
		{"per of a broken expression", keep(Keep{Newest: 1, Per: "/(/"}),
			at("rules[0].keep[0].per", "invalid regular expression /(/: error parsing regexp: missing closing ): `(`")},
		{"per without a capture group", keep(Keep{Newest: 1, Per: "/^a-/"}),
			at("rules[0].keep[0].per", "/^a-/ has 0 capture groups and needs exactly one, which names the group; write (?:…) for the others")},
		{"per with two capture groups", keep(Keep{Newest: 1, Per: "/(a)-(b)/"}),
			at("rules[0].keep[0].per", "/(a)-(b)/ has 2 capture groups and needs exactly one, which names the group; write (?:…) for the others")},
		{"semver", keep(Keep{Semver: "two"}),
			at("rules[0].keep[0].semver", `"two" is no version constraint such as ">=2.0.0" or "^1.4": improper constraint: "two"`)},
		{"when is no expression", keep(Keep{When: "image.size >"}), []Problem{{
			Path: "rules[0].keep[0].when", Line: 1, Column: 13,
			Detail: "invalid expression: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
		}}},
		{"when is no truth", keep(Keep{When: "image.size"}),
			at("rules[0].keep[0].when", "the expression must be true or false, and this one is of type int")},
		{"everything at once, in order", Spec{
			Protect: []Protect{{}},
			Rules:   []Rule{{Action: "x", Keep: []Keep{{}}}, {Order: "y", Keep: []Keep{{Newest: 1}, {Newest: -1}}}},
		}, []Problem{
			{Path: "protect[0]", Detail: `an entry without tags and repositories would protect everything; name what to protect ("*" for all tags)`},
			{Path: "rules[0].action", Detail: `"x" is no action; write delete or archive`},
			{Path: "rules[0].keep[0]", Detail: "an entry without fields would keep everything; name a condition"},
			{Path: "rules[1].order", Detail: `"y" is no order; write pushed or semver`},
			{Path: "rules[1].keep[1].newest", Detail: "-1 is no number of images; write 1 or more"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, problems := Compile(tt.spec)
			if p != nil {
				t.Error("a policy in spite of mistakes")
			}
			if diff := cmp.Diff(tt.want, problems); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			for _, problem := range problems {
				if got, want := problem.Error(), problem.Path+": "+problem.Detail; got != want {
					t.Errorf("Error() = %q, want %q", got, want)
				}
			}
		})
	}
}

func TestLimitsAreThoseOfTheSpec(t *testing.T) {
	want := Limits{MaxDeletes: 7, MaxShare: 0.5, MinRemaining: 3}
	p, problems := Compile(Spec{Limits: want})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if diff := cmp.Diff(want, p.Limits()); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
}

// What is kept of every image holds numbers of rules in 16 bits.
func TestTooManyEntries(t *testing.T) {
	spec := Spec{Rules: make([]Rule, 1<<15)}
	for i := range spec.Rules {
		spec.Rules[i] = Rule{Name: fmt.Sprint(i), Keep: []Keep{{Newest: 1}}}
	}
	_, problems := Compile(spec)
	if len(problems) != 1 || problems[0].Path != "rules" || problems[0].Detail != "32768 entries, and 32766 are the most" {
		t.Errorf("problems = %v", problems)
	}
}
