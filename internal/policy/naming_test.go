package policy_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	. "github.com/regsweep/regsweep/internal/graph/graphtest"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/policy"
)

// What references name in their repository, by digest, tag or image id.
func TestNaming(t *testing.T) {
	repo := func() *Repository {
		r := New("web").Add("a", Tags("v1")).Add("b", Tags("v2"))
		i, _ := r.Graph().Find(D("b"))
		r.Manifests[i] = &image.Manifest{Config: D("config of b").OrNil()}
		return r
	}
	use := func(state image.State, reference, id string) image.Use {
		return image.Use{Source: "k", State: state, Reference: "registry.example.com/" + reference, ImageID: id, Holder: "k/h"}
	}
	for _, tt := range []struct {
		name string
		uses []image.Use
		want []string
	}{
		{"by tag", []image.Use{use(image.Running, "web:v1", "")}, []string{"a running 1"}},
		{"by digest", []image.Use{use(image.Declared, "web@"+D("a").String(), "")}, []string{"a declared 1"}},
		{"by tag and digest of one image", []image.Use{use(image.Running, "web:v1@"+D("a").String(), "")}, []string{"a running 1"}},
		{"of two: what runs, and what has the tag now", []image.Use{use(image.Running, "web:v1@"+D("b").String(), "")}, []string{"a declared 1", "b running 1"}},
		{"the strongest state", []image.Use{use(image.Rollback, "web:v1", ""), use(image.Declared, "web@"+D("a").String(), "")}, []string{"a declared 2"}},
		{"by the image id of a config", []image.Use{use(image.Running, "web:v1", D("config of b").String())}, []string{"a declared 1", "b running 1"}},
		{"by an image id that is a digest", []image.Use{use(image.Running, "web:v1", D("b").String())}, []string{"a declared 1", "b running 1"}},
		{"an image id that no image has", []image.Use{use(image.Running, "web:v1", D("else").String())},
			[]string{"a declared 1", "guessed registry.example.com/web:v1"}},
		{"and no tag either", []image.Use{use(image.Running, "web:v9", D("else").String())},
			[]string{"unresolved registry.example.com/web:v9"}},
		{"a digest that cannot be compared", []image.Use{use(image.Running, "web@sha512:"+fmt.Sprintf("%0128d", 7), "")},
			[]string{"unresolved registry.example.com/web@sha512:" + fmt.Sprintf("%0128d", 7)}},
		{"a tag that is gone", []image.Use{use(image.Declared, "web:v9", "")}, []string{"missing registry.example.com/web:v9"}},
		{"a digest that is gone, with its tag", []image.Use{use(image.Running, "web:v1@"+D("else").String(), "")},
			[]string{"a declared 1", "missing registry.example.com/web:v1@" + D("else").String()}},
		{"of another repository", []image.Use{use(image.Running, "mail@"+D("a").String(), "")}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u, err := policy.NewUses(tt.uses, func(image.Reference) []string { return []string{"prod"} })
			if err != nil {
				t.Fatal(err)
			}
			g := repo().Graph()
			n := u.Naming(g)
			var got []string
			for _, i := range n.Images {
				name := map[image.Digest]string{D("a"): "a", D("b"): "b"}[g.Images[i.Image].Digest]
				got = append(got, fmt.Sprintf("%s %s %d", name, i.State, len(i.Uses)))
			}
			for what, uses := range map[string][]image.Use{"guessed": n.Guessed, "unresolved": n.Unresolved, "missing": n.Missing} {
				for _, use := range uses {
					got = append(got, what+" "+use.Reference)
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if names := u.Names("prod", "web"); names != (len(tt.want) > 0) || !u.NamesAny("prod") || u.NamesAny("lab") {
				t.Errorf("the repository is named: %v", names)
			}
		})
	}
}

// A mark that is written is one that is read, and the one tag of a name is no
// ordinary tag either.
func TestMarksAreRead(t *testing.T) {
	at := image.At(time.Date(2026, 6, 15, 12, 0, 0, 999e6, time.UTC))
	for _, tag := range []policy.Tag{{}, {Prefix: "live"}, {Prefix: "a-1"}} {
		mark := tag.Mark(at)
		if got, ok := tag.UsedAt(mark); !ok || got != at/1000*1000 {
			t.Errorf("%s tells %d, %v", mark, got, ok)
		}
		if rest := tag.Ordinary([]string{"v1", mark}); !slices.Equal(rest, []string{"v1"}) {
			t.Errorf("ordinary tags: %v", rest)
		}
	}
	if rest := (policy.Tag{Name: "production"}).Ordinary([]string{"production", "v1"}); !slices.Equal(rest, []string{"v1"}) {
		t.Errorf("ordinary tags: %v", rest)
	}
}

// Marks of use neither select nor keep: not by tags, protect, semver, order, a
// group or an expression, even where they look like all of these. Only usedWithin
// reads them, and only well-formed ones of the prefix.
func TestMarksOfUseDecideNothing(t *testing.T) {
	mark := func(prefix string) string { return fmt.Sprintf("%s-%d", prefix, Now.Time().Add(-time.Hour).Unix()) }
	for _, tt := range []struct {
		name string
		spec policy.Spec
		tags []string
		want policy.Verdict
	}{
		{"protect", policy.Spec{Protect: []policy.Protect{{Tags: []string{"*"}}}, Rules: []policy.Rule{{}}}, []string{mark("in-use")}, policy.VerdictDelete},
		{"protect, by name", policy.Spec{Tag: policy.Tag{Name: "production"}, Protect: []policy.Protect{{Tags: []string{"prod*"}}}, Rules: []policy.Rule{{}}}, []string{"production"}, policy.VerdictDelete},
		{"selectors", policy.Spec{Rules: []policy.Rule{{Tags: []string{"/use/"}}}}, []string{mark("in-use")}, policy.VerdictKeep},
		{"selectors, beside a tag that matches", policy.Spec{Rules: []policy.Rule{{Tags: []string{"pr-*"}}}}, []string{mark("in-use"), "pr-7"}, policy.VerdictDelete},
		{"selectors, by name", policy.Spec{Tag: policy.Tag{Name: "production"}, Rules: []policy.Rule{{Tags: []string{"pr-*"}}}}, []string{"production", "pr-7"}, policy.VerdictDelete},
		{"semver", policy.Spec{Tag: policy.Tag{Prefix: "1.2.3"}, Rules: []policy.Rule{{Keep: []policy.Keep{{Semver: ">=0.1"}}}}}, []string{mark("1.2.3")}, policy.VerdictDelete},
		{"semver, by name", policy.Spec{Tag: policy.Tag{Name: "1.2.3"}, Rules: []policy.Rule{{Keep: []policy.Keep{{Semver: ">=0.1"}}}}}, []string{"1.2.3"}, policy.VerdictDelete},
		{"when", policy.Spec{Rules: []policy.Rule{{Keep: []policy.Keep{{When: "size(image.tags) > 0"}}}}}, []string{mark("in-use")}, policy.VerdictDelete},
		{"usedWithin", policy.Spec{Rules: []policy.Rule{{Keep: []policy.Keep{{UsedWithin: Day}}}}}, []string{mark("in-use")}, policy.VerdictKeep},
		{"usedWithin, of another prefix", policy.Spec{Tag: policy.Tag{Prefix: "live"}, Rules: []policy.Rule{{Keep: []policy.Keep{{UsedWithin: Day}}}}}, []string{mark("in-use")}, policy.VerdictDelete},
		{"usedWithin, malformed", policy.Spec{Rules: []policy.Rule{{Keep: []policy.Keep{{UsedWithin: Day}}}}}, []string{mark("in-use") + "-2"}, policy.VerdictDelete},
		{"usedWithin, by name", policy.Spec{Tag: policy.Tag{Name: "production"}, Rules: []policy.Rule{{Keep: []policy.Keep{{UsedWithin: Day}}}}}, []string{"production"}, policy.VerdictDelete},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, problems := policy.Compile(tt.spec)
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			uses, err := policy.NewUses(nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			g := New("web").Add("a", Tags(tt.tags...), Age(90*Day)).Graph()
			result := p.Evaluate(policy.Input{Graph: g, Now: Now, Uses: uses})
			if got := result.Decisions[0].Verdict; got != tt.want {
				t.Errorf("%v: %v, want %v", tt.tags, got, tt.want)
			}
		})
	}
}
