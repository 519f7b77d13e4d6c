package policy

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/graph/graphtest"
	"github.com/regsweep/regsweep/internal/image"
)

// verdictOf judges the image "a" with one rule of one keep.
func verdictOf(t *testing.T, r *graphtest.Repository, k Keep) (Verdict, []Reason) {
	t.Helper()
	p, problems := Compile(Spec{Rules: []Rule{{Keep: []Keep{k}}}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	u, err := NewUses(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	g := r.Graph()
	root, ok := g.Find(graphtest.D("a"))
	if !ok {
		t.Fatal("no image a")
	}
	for _, d := range p.Evaluate(Input{Graph: g, Now: graphtest.Now, Uses: u}).Decisions {
		if d.Root == root {
			return d.Verdict, d.Reasons
		}
	}
	t.Fatal("a is no root")
	return 0, nil
}

// Each variable and constant has the value that its documentation names: an
// expression that compares it keeps, and its negation does not.
func TestExpressionVariables(t *testing.T) {
	repo := func() *graphtest.Repository {
		r := graphtest.New("apps/web").Add("x").Add("y").Add("a", graphtest.Age(2*graphtest.Day), graphtest.Pulled(graphtest.Day), graphtest.Size(5e6), graphtest.Lists("x", "y"), graphtest.Tags("v1", "v2", "in-use-1770000000"),
			graphtest.With(func(i *image.Image) { i.Status = image.Archived }))
		r.Repository.Tags = map[string]string{"team": "shop"}
		return r
	}
	referrer := func() *graphtest.Repository {
		return graphtest.New("apps/web").Add("a", graphtest.Tags("v1"), graphtest.With(func(i *image.Image) { i.Type = image.NewType(i.MediaType(), "application/spdx+json", image.Digest{}) }))
	}
	named := map[string]bool{}
	for _, tt := range []struct {
		variable, expression string
		repo                 *graphtest.Repository
	}{
		{"image.digest", `image.digest == "` + graphtest.D("a").String() + `"`, repo()},
		{"image.tags", `image.tags == ["v1", "v2"]`, repo()},
		{"image.tags", `image.tags == []`, graphtest.New("r").Add("a", graphtest.Tags("in-use-1770000000"))},
		{"image.size", `image.size == 5000000`, repo()},
		{"image.pushedAt", `image.pushedAt == timestamp("2026-06-13T12:00:00Z")`, repo()},
		{"image.age", `image.age == duration("48h")`, repo()},
		{"image.pulledAt", `image.pulledAt == timestamp("2026-06-14T12:00:00Z")`, repo()},
		{"image.pulledAt", `image.pulledAt == timestamp("2026-06-15T12:00:00Z")`, graphtest.New("r").Add("a", graphtest.Lists("x"), graphtest.Pulled(graphtest.Day)).Add("x", graphtest.Pulled(0))},
		{"image.kind", `image.kind == "index"`, repo()},
		{"image.kind", `image.kind == "image"`, referrer()},
		{"image.mediaType", `image.mediaType == "` + image.MediaTypeOCIIndex + `"`, repo()},
		{"image.artifactType", `image.artifactType == "application/spdx+json"`, referrer()},
		{"image.artifactType", `image.artifactType == ""`, repo()},
		{"image.archived", `image.archived`, repo()},
		{"image.archived", `!image.archived`, referrer()},
		{"image.platforms", `image.platforms == ["linux/x", "linux/y"]`, repo()},
		{"image.platforms", `image.platforms == []`, referrer()},
		{"repository.name", `repository.name == "apps/web"`, repo()},
		{"repository.registry", `repository.registry == "prod"`, repo()},
		{"repository.tags", `repository.tags["team"] == "shop" && !("x" in repository.tags)`, repo()},
		{"now", `now == timestamp("2026-06-15T12:00:00Z")`, repo()},
		{"now", `now.getHours() == 12`, repo()}, // in UTC
		{"KB", `KB == 1000`, repo()},
		{"MB", `image.size == 5*MB`, repo()},
		{"GB", `GB == 1000*MB`, repo()},
		{"KiB", `KiB == 1024`, repo()},
		{"MiB", `MiB == 1024*KiB`, repo()},
		{"GiB", `GiB == 1024*MiB`, repo()},
	} {
		named[tt.variable] = true
		t.Run(tt.expression, func(t *testing.T) {
			if v, reasons := verdictOf(t, tt.repo, Keep{When: tt.expression}); v != VerdictKeep || reasons[0].Detail() != tt.expression {
				t.Errorf("%s: %s, %s", tt.expression, v, reasons[0].Detail())
			}
			if v, reasons := verdictOf(t, tt.repo, Keep{When: "!(" + tt.expression + ")"}); v != VerdictDelete {
				t.Errorf("not %s: %s, %s", tt.expression, v, reasons[0].Detail())
			}
		})
	}
	for _, v := range celVariables {
		if !named[v.Name] {
			t.Errorf("%s has no test", v.Name)
		}
	}
	for _, c := range celConstants {
		if !named[c.Name] {
			t.Errorf("%s has no test", c.Name)
		}
	}
}

// What cannot be decided keeps, and the reason says why.
func TestExpressionsThatCannotBeDecided(t *testing.T) {
	unread := graphtest.New("r").Add("a", graphtest.Tags("v1"))
	unread.Repository.Tags, unread.Repository.TagsError = nil, errors.New("denied")
	plain := graphtest.New("r").Add("a", graphtest.Tags("v1"))
	for _, tt := range []struct {
		name, expression string
		repo             *graphtest.Repository
		want             string
	}{
		{"a pull time that is not known", `image.pulledAt < now`, graphtest.New("r").Add("a"), "image.pulledAt is not known"},
		{"its opposite", `image.pulledAt >= now`, graphtest.New("r").Add("a"), "image.pulledAt is not known"},
		{"resource tags that are not known", `"x" in repository.tags`, unread, "denied"},
		{"a key that is not there", `repository.tags["team"] == "shop"`, plain, "no such key"},
		{"a position that is not there", `image.tags[3] == "x"`, plain, "index out of bounds"},
		{"a division by zero", `image.size / (image.size - 1000) > 1`, plain, "division by zero"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, reasons := verdictOf(t, tt.repo, Keep{When: tt.expression})
			detail := reasons[0].Detail()
			if v != VerdictKeep || reasons[0].Code != CodeWhen || !strings.Contains(detail, "which keeps") || !strings.Contains(detail, tt.want) {
				t.Errorf("%s: %s", v, detail)
			}
		})
	}
	// One side that decides is enough.
	if v, _ := verdictOf(t, graphtest.New("r").Add("a"), Keep{When: `image.pulledAt < now && image.size > 1*GB`}); v != VerdictDelete {
		t.Errorf("an unknown that does not matter: %s", v)
	}
}

// The time of an image without a push time is not known. It is held anyway.
func TestUnknownPushTimeInExpressions(t *testing.T) {
	for _, expression := range []string{`image.pushedAt < now`, `image.age > duration("1h")`} {
		v, reasons := verdictOf(t, graphtest.New("r").Add("a", graphtest.With(func(i *image.Image) { i.PushedAt = 0 })), Keep{When: expression})
		if v != VerdictKeep || !strings.Contains(reasons[0].Detail(), "is not known") {
			t.Errorf("%s: %s, %s", expression, v, reasons[0].Detail())
		}
	}
}

// An expression that could take long for the largest image that ECR allows is
// refused before anything runs.
func TestExpressionCost(t *testing.T) {
	for _, tt := range []struct {
		expression string
		ok         bool
	}{
		{`image.tags.exists(t, t.startsWith("pr-"))`, true},
		{`image.tags.all(t, t.matches("^pr-[0-9]+$"))`, true},
		{`image.tags.exists(t, t == repository.tags["keep"])`, true},
		{`image.tags.filter(t, t.startsWith("v")).size() > 2`, true},
		{`image.tags.all(a, image.tags.all(b, a == b || !a.startsWith(b)))`, false},
		{`image.tags.exists(a, image.tags.exists(b, a != b))`, false},
		{`image.tags.map(a, image.tags.map(b, a + b).size()).size() > 0`, false},
		{`image.tags.exists(a, image.platforms.exists(p, a.contains(p)))`, false},
	} {
		t.Run(tt.expression, func(t *testing.T) {
			_, problems := Compile(Spec{Rules: []Rule{{Keep: []Keep{{When: tt.expression}}}}})
			switch {
			case tt.ok && len(problems) > 0:
				t.Errorf("refused: %v", problems)
			case !tt.ok && len(problems) != 1:
				t.Errorf("%d problems: %v", len(problems), problems)
			case !tt.ok && !strings.Contains(problems[0].Detail, "steps for one image, and 5000000 are allowed; avoid loops in loops"):
				t.Errorf("problem: %s", problems[0].Detail)
			}
		})
	}
}

// A mistake in an expression has its place in the expression, counted from 1.
func TestExpressionErrorsHavePlaces(t *testing.T) {
	type place struct{ Line, Column int }
	for _, tt := range []struct {
		name, expression string
		want             []place
		detail           string
	}{
		{"an unknown variable", `image.sizee > 1`, []place{{1, 6}}, "undeclared reference to 'image.sizee'"},
		{"an unknown function", `image.size > 1 && nothing(1)`, []place{{1, 26}}, "undeclared reference to 'nothing'"},
		{"types that do not fit", `image.size > "1"`, []place{{1, 12}}, "found no matching overload for '_>_'"},
		{"on the second line", "image.size > 1 &&\n  foo", []place{{2, 3}}, "undeclared reference to 'foo'"},
		{"two mistakes", "foo &&\nbar", []place{{1, 1}, {2, 1}}, "undeclared reference to"},
		{"behind letters beyond ASCII", `"ä€" == foo`, []place{{1, 9}}, "undeclared reference to 'foo'"},
		{"one that is not closed", `image.size > (1`, []place{{1, 16}}, "Syntax error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, problems := Compile(Spec{Rules: []Rule{{Keep: []Keep{{When: tt.expression}}}}})
			var got []place
			for _, p := range problems {
				got = append(got, place{p.Line, p.Column})
				if p.Path != "rules[0].keep[0].when" || !strings.Contains(p.Detail, tt.detail) {
					t.Errorf("%s: %s", p.Path, p.Detail)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("places (-want +got):\n%s\n%v", diff, problems)
			}
		})
	}
}
