package policy

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/graph/graphtest"
)

// Each keep tells of the root "a" why it holds, or which field does not.
func TestTrace(t *testing.T) {
	const day = 24 * time.Hour
	marked := func(d time.Duration) string { return fmt.Sprintf("in-use-%d", graphtest.Now.Time().Add(-d).Unix()) }
	repo := func(options ...graphtest.Option) *graphtest.Repository {
		return graphtest.New("r").Add("newer", graphtest.Age(day), graphtest.Tags("b-1")).
			Add("a", append([]graphtest.Option{graphtest.Age(10 * day)}, options...)...)
	}
	for _, tt := range []struct {
		name   string
		repo   *graphtest.Repository
		keep   Keep
		holds  bool
		detail string
	}{
		{"newest", repo(), Keep{Newest: 2}, true, "number 2 of the newest"},
		{"not newest", repo(), Keep{Newest: 1}, false, "number 2 of 2 that the rule governs, and the 1 newest are kept"},
		{"newest of a group", repo(graphtest.Tags("a-1")), Keep{Newest: 1, Per: "/^([a-z])-/"}, true, "number 1 of the newest of group a"},
		{"newest of no group", repo(), Keep{Newest: 1, Per: "/^([a-z])-/"}, true, "number 1 of the newest of those without a group"},
		{"not newest of its group", repo(graphtest.Tags("b-0")), Keep{Newest: 1, Per: "/^([a-z])-/"}, false,
			"number 2 of 2 that the rule governs, and the 1 newest are kept of each group"},
		{"younger", repo(), Keep{YoungerThan: Age{Fixed: 10 * day}}, true, "pushed 2026-06-05 12:00, not more than 10d ago"},
		{"not younger", repo(), Keep{YoungerThan: Age{Fixed: 36 * time.Hour}}, false, "pushed 2026-06-05 12:00, more than 36h ago"},
		{"pulled", repo(graphtest.Pulled(2 * day)), Keep{PulledWithin: 2 * day}, true, "pulled 2026-06-13 12:00, within 2d and a day's slack"},
		{"pulled at an unknown time", repo(), Keep{PulledWithin: day}, true, "the last pull is not known, which keeps"},
		{"not pulled", repo(graphtest.Pulled(3 * day)), Keep{PulledWithin: day}, false, "last pulled 2026-06-12 12:00, more than 1d and a day's slack ago"},
		{"used", repo(graphtest.Tags(marked(day))), Keep{UsedWithin: day}, true, "marked as in use 2026-06-14 12:00, within 1d"},
		{"used too long ago", repo(graphtest.Tags(marked(2 * day))), Keep{UsedWithin: day}, false, "last marked as in use 2026-06-13 12:00, more than 1d ago"},
		{"never used", repo(), Keep{UsedWithin: day}, false, "no mark of use"},
		{"semver", repo(graphtest.Tags("1.0", "2.1.0-rc.1")), Keep{Semver: ">=2"}, true, "tag 2.1.0-rc.1 satisfies >=2"},
		{"not semver", repo(graphtest.Tags("1.0")), Keep{Semver: ">=2"}, false, "no tag satisfies >=2"},
		{"when", repo(), Keep{When: "image.size == 1000"}, true, "image.size == 1000"},
		{"not when", repo(), Keep{When: "image.size == 1"}, false, "not true: image.size == 1"},
		{"maxImages", repo(), Keep{MaxImages: 2}, true, "with it 2 images remain in the repository"},
		{"more than maxImages", repo(), Keep{MaxImages: 1}, false, "it is not needed to fill the repository up to 1 images"},
		{"all fields", repo(graphtest.Tags("2.0")), Keep{Newest: 2, YoungerThan: Age{Fixed: 10 * day}, Semver: "2.x"}, true,
			"number 2 of the newest; pushed 2026-06-05 12:00, not more than 10d ago; tag 2.0 satisfies 2.x"},
		{"the last field does not hold", repo(graphtest.Tags("2.0")), Keep{Newest: 2, YoungerThan: Age{Fixed: 10 * day}, Semver: "3.x"}, false, "no tag satisfies 3.x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, problems := Compile(Spec{Rules: []Rule{{Name: "orphans", Orphans: true}, {Keep: []Keep{tt.keep}}}})
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			u, err := NewUses(nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			g := tt.repo.Graph()
			root, _ := g.Find(graphtest.D("a"))
			want := []Trace{{Path: "rules[1].keep[0]", Holds: tt.holds, Detail: tt.detail}}
			if diff := cmp.Diff(want, p.Evaluate(Input{Graph: g, Now: graphtest.Now, Uses: u}).Trace(root)); diff != "" {
				t.Errorf("traces (-want +got):\n%s", diff)
			}
		})
	}
}

// What no rule governs, and what is no root, has no traces.
func TestTraceOfNothing(t *testing.T) {
	p, problems := Compile(Spec{Rules: []Rule{{Tags: []string{"pr-*"}, Keep: []Keep{{Newest: 1}}}}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	u, err := NewUses(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	g := graphtest.New("r").Add("index", graphtest.Lists("child"), graphtest.Tags("pr-1")).Add("child", graphtest.Tags("pr-2")).Add("other").Graph()
	r := p.Evaluate(Input{Graph: g, Now: graphtest.Now, Uses: u})
	for name, want := range map[string]int{"index": 1, "child": 0, "other": 0} {
		i, _ := g.Find(graphtest.D(name))
		if got := r.Trace(i); len(got) != want {
			t.Errorf("traces of %s: %v", name, got)
		}
	}
}
