package lifecycle_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	. "github.com/regsweep/regsweep/internal/graph/graphtest"
	"github.com/regsweep/regsweep/internal/lifecycle"
	"github.com/regsweep/regsweep/internal/policy"
)

func younger(n int) policy.Keep {
	return policy.Keep{YoungerThan: policy.Age{Fixed: time.Duration(n) * Day}}
}

// compiled returns the rules of a compiled policy after the four that always come
// first, and what is said of the rules, each in one line.
func compiled(t *testing.T, spec policy.Spec, o lifecycle.CompileOptions) (rules, notes string) {
	t.Helper()
	c := lifecycle.Compile(spec, "apps/web", o)
	for _, n := range c.Notes {
		if strings.HasPrefix(n.Path, "rules") || strings.HasPrefix(n.Path, "protect") || n.Path == "grace" {
			notes += n.String() + "\n"
		}
	}
	if c.Policy == nil {
		return "", notes
	}
	for _, line := range strings.Split(describe(c.Policy), "\n")[4:] {
		_, text, _ := strings.Cut(line, ": ")
		rules += text + "\n"
	}
	return rules, notes
}

func TestCompile(t *testing.T) {
	tests := []struct {
		name   string
		spec   policy.Spec
		plain  bool
		policy string
		notes  string
	}{
		{name: "by age",
			spec: policy.Spec{Rules: []policy.Rule{{Name: "previews", Tags: []string{"pr-*", "dev-*"}, AnyTag: true, Keep: []policy.Keep{younger(14)}}}},
			policy: "expire images tagged pr-* older than 14 days\n" +
				"expire images tagged dev-* older than 14 days\n",
			notes: "rules[0] (previews): tag pr-*: expire after 14 days\n" +
				"rules[0] (previews): tag dev-*: expire after 14 days\n"},
		{name: "half a day more is a day more, and the grace period comes on top",
			spec: policy.Spec{Grace: 36 * time.Hour, Rules: []policy.Rule{{Name: "r", Tags: []string{"*"},
				Keep: []policy.Keep{younger(3), {YoungerThan: policy.Age{Fixed: 84 * time.Hour}, Semver: ">=2"}}, Action: policy.Archive}}},
			policy: "archive images tagged * older than 6 days\n",
			notes: "rules[0] (r): tag *: archive after 6 days\n" +
				"grace: is 2 days more for each rule by age; a policy marks and shows nothing before it expires images\n"},
		{name: "every tag must match",
			spec:  policy.Spec{Rules: []policy.Rule{{Name: "previews", Tags: []string{"pr-*"}, Keep: []policy.Keep{younger(14)}}}},
			notes: "rules[0] (previews): tag pr-* left out: an image that is tagged pr-* and something else may be governed by no rule, and a policy cannot leave it out (anyTag: true, or a last rule for all images)\n"},
		{name: "every tag must match, and a last rule takes the others",
			spec: policy.Spec{Rules: []policy.Rule{{Name: "previews", Tags: []string{"pr-*"}, Keep: []policy.Keep{younger(14)}}, {Name: "rest", Keep: []policy.Keep{younger(30)}}}},
			policy: "expire images tagged pr-* older than 30 days\n" +
				"expire images tagged * older than 30 days\n",
			notes: "rules[0] (previews): tag pr-*: expire after 30 days instead of 14, since another rule governs those with other tags too, and keeps them as long\n" +
				"rules[1] (rest): tagged images: expire after 30 days\n" +
				"rules[1] (rest): untagged images left out: a policy cannot tell an untagged image from an attached artifact (a signature, an SBOM) of an image that stays (lifecycle compile --plain, where there are none)\n"},
		{name: "an earlier rule that cannot be expressed",
			spec: policy.Spec{Rules: []policy.Rule{
				{Name: "releases", Tags: []string{"/^v[0-9]/"}, AnyTag: true, Keep: []policy.Keep{{Newest: 10}}},
				{Name: "builds", Tags: []string{"b-*"}, AnyTag: true, Keep: []policy.Keep{younger(7)}}}},
			policy: "expire images tagged v* beyond the newest 1000000\n" +
				"expire images tagged b-* older than 7 days\n",
			notes: "rules[0] (releases): left out: newest: 10 ranks whole images, and what ECR counts is not documented: platform images and artifacts may take places, and of equal push times it may take any (lifecycle compile --plain, where there are none)\n" +
				"rules[1] (builds): a rule before it keeps what is tagged v*, for rules[0] (releases), which cannot be expressed\n" +
				"rules[1] (builds): tag b-*: expire after 7 days\n"},
		{name: "what cannot be expressed",
			spec: policy.Spec{Rules: []policy.Rule{
				{Name: "a", Orphans: true},
				{Name: "b", Tags: []string{"b-*"}, AnyTag: true, RepositoryTags: map[string]string{"team": "x"}},
				{Name: "c", Tags: []string{"c-*"}, AnyTag: true, Keep: []policy.Keep{{YoungerThan: policy.Age{RepositoryTag: "days", Unit: Day}}}},
				{Name: "d", Tags: []string{"d-*"}, AnyTag: true, Keep: []policy.Keep{{Newest: 3}, younger(7)}},
				{Name: "e", Tags: []string{"e-*"}, AnyTag: true, Keep: []policy.Keep{{UsedWithin: Day, When: "true"}}},
				{Name: "f", Tags: []string{"f-?", "*-*-*-*-*-*", "/f/"}, AnyTag: true, Keep: []policy.Keep{younger(7)}},
			}},
			notes: "rules[0] (a): left out: a policy cannot tell orphans from other images\n" +
				"rules[1] (b): left out: repositoryTags can change, and a policy would not follow\n" +
				"rules[2] (c): left out: keep[0].youngerThan reads the repository's tag days, which can change, and a policy would not follow\n" +
				"rules[3] (d): left out: a rule of a policy goes by age or by count, and here an image must be both old and beyond the newest\n" +
				"rules[4] (e): left out: keep[0] (usedWithin, when) is nothing that a policy knows\n" +
				"rules[5] (f): tag f-? left out: it is no pattern of ECR, which has * only, and at most four of them\n" +
				"rules[5] (f): tag *-*-*-*-*-* left out: it is no pattern of ECR, which has * only, and at most four of them\n" +
				"rules[5] (f): tag /f/ left out: it is no pattern of ECR, which has * only, and at most four of them\n"},
		{name: "other repositories",
			spec: policy.Spec{Protect: []policy.Protect{{Repositories: []string{"base/**"}}}, Rules: []policy.Rule{{Name: "base", Repositories: []string{"base/**"}}}}},
		{name: "protected tags",
			spec: policy.Spec{Protect: []policy.Protect{{Tags: []string{"latest", "v?.*"}}}, Rules: []policy.Rule{{Name: "builds", Tags: []string{"b-*"}, AnyTag: true, Keep: []policy.Keep{younger(7)}}}},
			policy: "expire images tagged regsweep-condemned-* beyond the newest 1000000\nexpire images tagged regsweep-kept-* beyond the newest 1000000\n" +
				"expire images tagged b-* older than 7 days\n",
			notes: "protect[0]: first rules keep what is tagged latest or v*.*, as long as the tag is on the index itself: regsweep also keeps an index of which a platform image is protected, and a policy does not\n" +
				"rules[0] (builds): tag b-*: expire after 7 days\n"},
		{name: "a protected repository",
			spec:  policy.Spec{Protect: []policy.Protect{{Repositories: []string{"apps/*"}}}, Rules: []policy.Rule{{Name: "r"}}},
			notes: "protect[0]: protects the whole repository, so there is no policy for it\n"},
		{name: "plain images, by count", plain: true,
			spec: policy.Spec{Rules: []policy.Rule{
				{Name: "previews", Tags: []string{"pr-*"}, AnyTag: true, Keep: []policy.Keep{{Newest: 3}, {Newest: 5, Semver: ">1"}}},
				{Name: "untagged", Untagged: true, Keep: []policy.Keep{younger(1)}},
				{Name: "rest", Keep: []policy.Keep{{Newest: 100}}},
				{Name: "never", Keep: []policy.Keep{younger(9)}}}},
			policy: "expire images tagged pr-* beyond the newest 5\n" +
				"expire untagged images older than 1 days\n",
			notes: "rules[0] (previews): tag pr-*: expire beyond the newest 5\n" +
				"rules[1] (untagged): untagged images: expire after 1 days\n" +
				"rules[2] (rest): all images left out: a policy would count what rules[0] (previews) governs too\n" +
				"rules[3] (never): all images left out: rules[2] (rest) governs these images too, and keep[0] (newest) is nothing that a policy knows\n"},
		{name: "plain images, a count and a grace period", plain: true,
			spec: policy.Spec{Grace: 3 * Day, Rules: []policy.Rule{
				{Name: "previews", Tags: []string{"pr-*"}, AnyTag: true, Keep: []policy.Keep{{Newest: 3}}},
				{Name: "untagged", Untagged: true, Keep: []policy.Keep{younger(1)}}}},
			policy: "expire untagged images older than 4 days\n",
			notes: "rules[0] (previews): left out: newest: 3 and a grace period: what a policy counts out goes at once, and grace keeps it for another 3 days\n" +
				"rules[1] (untagged): untagged images: expire after 4 days\n" +
				"grace: is 3 days more for each rule by age; a policy marks and shows nothing before it expires images\n"},
		{name: "plain images, a last rule", plain: true,
			spec:   policy.Spec{Rules: []policy.Rule{{Name: "all", Keep: []policy.Keep{{Newest: 100}}}, {Name: "never", Keep: []policy.Keep{younger(9)}}}},
			policy: "expire any image beyond the newest 100\n",
			notes: "rules[0] (all): all images: expire beyond the newest 100\n" +
				"rules[1] (never): all images left out: what it selects is kept by an earlier rule (rules[0] all)\n"},
		{name: "what an earlier rule takes does not hold up a later one",
			spec: policy.Spec{Rules: []policy.Rule{
				{Name: "a", Tags: []string{"a-*"}, AnyTag: true, Keep: []policy.Keep{younger(30)}},
				{Name: "b", Tags: []string{"b-*"}, AnyTag: true, Keep: []policy.Keep{younger(7)}}}},
			policy: "expire images tagged a-* older than 30 days\nexpire images tagged b-* older than 7 days\n",
			notes:  "rules[0] (a): tag a-*: expire after 30 days\nrules[1] (b): tag b-*: expire after 7 days\n"},
		{name: "archive and expire in one policy",
			spec: policy.Spec{Rules: []policy.Rule{
				{Name: "a", Tags: []string{"a-*"}, AnyTag: true, Keep: []policy.Keep{younger(7)}, Action: policy.Archive},
				{Name: "b", Tags: []string{"b-*"}, AnyTag: true, Keep: []policy.Keep{younger(7)}}}},
			policy: "archive images tagged a-* older than 7 days\n",
			notes: "rules[0] (a): tag a-*: archive after 7 days\n" +
				"rules[1] (b): tag b-* left out: a policy that both archives and expires could expire platform images of an index that it archives (lifecycle compile --plain, where there are none)\n"},
		{name: "a count of what may have marks only", plain: true,
			spec:  policy.Spec{Rules: []policy.Rule{{Name: "all", Tags: []string{"*"}, Keep: []policy.Keep{{Newest: 3}}}}},
			notes: "rules[0] (all): tag * left out: a policy would count what has no tags but those of regsweep (in-use-*), which the rule does not select\n"},
		{name: "plain images, by groups and versions", plain: true,
			spec: policy.Spec{Rules: []policy.Rule{
				{Name: "a", Tags: []string{"a-*"}, AnyTag: true, Keep: []policy.Keep{{Newest: 3, Per: "semver.major"}}},
				{Name: "b", Tags: []string{"b-*"}, AnyTag: true, Order: "semver", Keep: []policy.Keep{{Newest: 3}}},
				{Name: "c", Tags: []string{"c-*"}, Keep: []policy.Keep{{Newest: 3}}}}},
			notes: "rules[0] (a): left out: keep[0].per: a policy does not count by groups\n" +
				"rules[1] (b): left out: order: a policy ranks by push time only\n" +
				"rules[2] (c): tag c-* left out: a policy would count what rules[0] (a) governs too\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, notes := compiled(t, tt.spec, lifecycle.CompileOptions{Plain: tt.plain})
			if diff := cmp.Diff(tt.policy, got); diff != "" {
				t.Errorf("policy (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.notes, notes); diff != "" {
				t.Errorf("notes (-want +got):\n%s", diff)
			}
		})
	}
}

// A name marks one image of a repository, and with it the policy keeps no more of
// what is in use: that is no part of the configuration that is expressed.
func TestCompileSaysWhatANameDoesNotMark(t *testing.T) {
	for _, tt := range []struct {
		tag       policy.Tag
		expressed bool
		text      string
	}{
		{policy.Tag{Prefix: "live"}, true, "so regsweep tag must run"},
		{policy.Tag{Name: "production"}, false, "regsweep tag gives production to one image of a repository: whatever else is in use there may expire"},
	} {
		notes := lifecycle.Compile(policy.Spec{Tag: tt.tag}, "apps/web", lifecycle.CompileOptions{}).Notes
		i := slices.IndexFunc(notes, func(n lifecycle.Note) bool { return n.Path == "usage" })
		if i < 0 || notes[i].Expressed != tt.expressed || !strings.Contains(notes[i].Text, tt.text) {
			t.Errorf("%+v: %v", tt.tag, notes)
		}
	}
}

// TestCompileLimits checks that no policy is longer than ECR takes, however many
// rules and long names there are.
func TestCompileLimits(t *testing.T) {
	spec := policy.Spec{}
	for i := range 60 {
		spec.Rules = append(spec.Rules, policy.Rule{
			Name: strings.Repeat("ü", 500), Tags: []string{fmt.Sprintf("%s-%d-*", strings.Repeat("x", 100), i)}, AnyTag: true, Keep: []policy.Keep{younger(7)},
		})
	}
	c := lifecycle.Compile(spec, "apps/web", lifecycle.CompileOptions{})
	if c.Policy == nil || len(c.Policy.Rules) != lifecycle.MaxRules {
		t.Fatalf("policy: %v\n%v", c.Policy, c.Notes)
	}
	text, err := c.Policy.Text()
	if err != nil {
		t.Fatal(err)
	}
	parse(t, text)
	left := 0
	for _, n := range c.Notes {
		if strings.Contains(n.Text, "left out: ECR takes no more than 50 rules") {
			left++
		}
	}
	if left != 60-(lifecycle.MaxRules-4) {
		t.Errorf("%d rules are named as left out", left)
	}
	for i := range spec.Rules {
		spec.Rules[i].Tags = []string{fmt.Sprintf("%s-%d-*", strings.Repeat("x", 900), i)}
	}
	c = lifecycle.Compile(spec, "apps/web", lifecycle.CompileOptions{})
	last := c.Notes[len(c.Notes)-1].String()
	if c.Policy != nil || !strings.Contains(last, "policy: ECR would not take it: 1:1: the document has") {
		t.Errorf("too long a policy: %v, %s", c.Policy, last)
	}
}
