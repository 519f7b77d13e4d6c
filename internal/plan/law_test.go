package plan_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/graph"
	. "github.com/regsweep/regsweep/internal/graph/graphtest"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/policy"
)

const host = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"

// holders takes every ECR reference of the account for the registry "prod".
func holders(ref image.Reference) []string {
	if h, ok := image.ParseECRHost(ref.Host); ok && h.Account == "111122223333" && h.Region == "eu-west-1" {
		return []string{"prod"}
	}
	return nil
}

func uses(t testing.TB, list ...image.Use) *policy.Uses {
	t.Helper()
	u, err := policy.NewUses(list, holders)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// used is a running use of a reference into the repository "r".
func used(suffix string) image.Use {
	return image.Use{Source: "ecs", State: image.Running, Reference: host + "/r" + suffix, Holder: "ecs/shop/web"}
}

func compile(t testing.TB, spec policy.Spec) *policy.Policy {
	t.Helper()
	if spec.Limits == (policy.Limits{}) {
		spec.Limits = policy.Limits{MaxDeletes: 1000, MaxShare: 1}
	}
	p, problems := policy.Compile(spec)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return p
}

type run struct {
	spec policy.Spec
	repo *Repository
	uses []image.Use
	gaps []image.Gap
	now  image.Time
}

func (r run) judge(t testing.TB) *plan.Judged {
	t.Helper()
	p := compile(t, r.spec)
	if r.now == 0 {
		r.now = Now
	}
	g := graph.Build(&r.repo.Contents)
	return plan.Judge(g, p.Evaluate(policy.Input{Graph: g, Now: r.now, Uses: uses(t, r.uses...), Gaps: r.gaps}), p.Limits())
}

// verdicts returns "verdict code,code" of the named images.
func verdicts(t testing.TB, j *plan.Judged, names ...string) map[string]string {
	t.Helper()
	out := map[string]string{}
	byDigest := map[image.Digest]plan.Image{}
	images, err := j.Repository(true).Images()
	if err != nil {
		t.Fatal(err)
	}
	for _, img := range images {
		byDigest[img.Digest] = img
	}
	for _, n := range names {
		img, ok := byDigest[D(n)]
		if !ok {
			t.Fatalf("no image %s", n)
		}
		var codes []string
		for _, r := range img.Reasons {
			codes = append(codes, string(r.Code))
			if r.Detail == "" {
				t.Errorf("%s: reason %s has no detail", n, r.Code)
			}
		}
		out[n] = img.Verdict.String() + " " + strings.Join(codes, ",")
	}
	return out
}

func rule(keeps ...policy.Keep) policy.Spec { return policy.Spec{Rules: []policy.Rule{{Keep: keeps}}} }

func older(d time.Duration) policy.Keep { return policy.Keep{YoungerThan: policy.Age{Fixed: d}} }

// An image goes only if it is older than 30 days and not among the newest 10:
// the truth table of the pipeline that this tool replaces, which had it the
// other way round.
func TestTruthTable(t *testing.T) {
	spec := rule(policy.Keep{Newest: 10}, older(30*Day))
	newer := func(r *Repository, n int) *Repository {
		for i := range n {
			r.Add(fmt.Sprintf("newer%d", i), Age(time.Duration(i+1)*time.Minute))
		}
		return r
	}
	for _, tt := range []struct {
		name         string
		age          time.Duration
		newer        int
		wantTheImage string
	}{
		{"older and not among the newest", 31 * Day, 10, "delete not-kept"},
		{"older and among the newest", 31 * Day, 9, "keep newest"},
		{"younger and not among the newest", 29 * Day, 10, "keep younger"},
		{"younger and among the newest", 29 * Day, 9, "keep newest,younger"},
		{"exactly 30 days is not older", 30 * Day, 10, "keep younger"},
		{"a millisecond over 30 days is", 30*Day + time.Millisecond, 10, "delete not-kept"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := run{spec: spec, repo: newer(New("r"), tt.newer).Add("image", Age(tt.age))}.judge(t)
			if got := verdicts(t, j, "image")["image"]; got != tt.wantTheImage {
				t.Errorf("verdict = %s, want %s", got, tt.wantTheImage)
			}
		})
	}
}

func TestLaw(t *testing.T) {
	everything := rule() // a rule that keeps nothing
	age := 100 * Day
	tagged := func(tag string) Option { return Tags(tag) }
	tests := []struct {
		name string
		run  run
		want map[string]string
	}{
		{"what no rule governs is kept", run{spec: policy.Spec{Rules: []policy.Rule{{Tags: []string{"pr-*"}}}}, repo: New("r").Add("a", tagged("v1"))},
			map[string]string{"a": "keep no-rule"}},
		{"a use by tag", run{spec: everything, repo: New("r").Add("a", tagged("v1")).Add("b", tagged("v2")), uses: []image.Use{used(":v1")}},
			map[string]string{"a": "keep in-use", "b": "delete not-kept"}},
		{"a use by digest", run{spec: everything, repo: New("r").Add("a").Add("b"), uses: []image.Use{used("@" + D("a").String())}},
			map[string]string{"a": "keep in-use", "b": "delete not-kept"}},
		{"a use by tag and digest protects both when the tag has moved",
			run{spec: everything, repo: New("r").Add("old").Add("new", tagged("v1")).Add("other"), uses: []image.Use{used(":v1@" + D("old").String())}},
			map[string]string{"old": "keep in-use", "new": "keep in-use", "other": "delete not-kept"}},
		{"a use without a tag is of latest", run{spec: everything, repo: New("r").Add("a", tagged("latest")).Add("b", tagged("v1")), uses: []image.Use{used("")}},
			map[string]string{"a": "keep in-use", "b": "delete not-kept"}},
		{"a digest protects in every repository and registry",
			run{spec: everything, repo: New("r").Add("a").Add("b"), uses: []image.Use{{Reference: "registry.example.com/x/y@" + D("a").String(), State: image.Running, Holder: "h"}}},
			map[string]string{"a": "keep in-use", "b": "delete not-kept"}},
		{"a tag protects only in its repository and registry",
			run{spec: everything, repo: New("r").Add("a", tagged("v1")), uses: []image.Use{
				{Reference: host + "/other:v1", State: image.Running, Holder: "h"},
				{Reference: strings.Replace(host, "eu-west-1", "us-east-1", 1) + "/r:v1", State: image.Running, Holder: "h"},
				{Reference: strings.Replace(host, "1111", "9999", 1) + "/r:v1", State: image.Running, Holder: "h"},
			}},
			map[string]string{"a": "delete not-kept"}},
		{"an image id is found through the config",
			run{spec: everything, repo: withConfig(New("r").Add("a").Add("b"), "a", "config"), uses: []image.Use{{Reference: host + "/r:gone", ImageID: D("config").String(), State: image.Running, Holder: "h"}}},
			map[string]string{"a": "keep in-use", "b": "delete not-kept"}},
		{"an image id that matches nothing keeps the repository",
			run{spec: everything, repo: New("r").Add("a").Add("b", tagged("v1")), uses: []image.Use{{Reference: host + "/r:v1", ImageID: D("config").String(), State: image.Running, Holder: "h"}}},
			map[string]string{"a": "keep in-use", "b": "keep in-use,in-use"}},
		{"a digest of another algorithm keeps the repository",
			run{spec: everything, repo: New("r").Add("a"), uses: []image.Use{used("@sha512:" + strings.Repeat("ab", 64))}},
			map[string]string{"a": "keep in-use"}},
		{"a used child keeps its index and the siblings",
			run{spec: everything, repo: New("r").Add("i", Lists("x", "y")).Add("x").Add("y").Add("s", Subject("i")), uses: []image.Use{used("@" + D("x").String())}},
			map[string]string{"i": "keep in-use", "x": "keep in-use,family", "y": "keep family", "s": "keep family"}},
		{"a used referrer keeps what it is attached to",
			run{spec: everything, repo: New("r").Add("a").Add("s", Subject("a")), uses: []image.Use{used("@" + D("s").String())}},
			map[string]string{"a": "keep in-use", "s": "keep in-use,family"}},
		{"a child lives while one of its roots does, and does not keep the other",
			run{spec: everything, repo: New("r").Add("i", Lists("x"), tagged("v1")).Add("k", Lists("x", "y")).Add("x").Add("y"), uses: []image.Use{used(":v1")}},
			map[string]string{"i": "keep in-use", "x": "keep family", "k": "delete not-kept", "y": "delete family"}},
		{"a family goes together", run{spec: everything, repo: New("r").Add("i", Lists("x")).Add("x").Add("s", Subject("x"))},
			map[string]string{"i": "delete not-kept", "x": "delete family", "s": "delete family"}},
		{"protect by tag wins over rules, through any member",
			run{spec: policy.Spec{Protect: []policy.Protect{{Tags: []string{"stable-*"}}}, Rules: everything.Rules},
				repo: New("r").Add("i", Lists("x")).Add("x", tagged("stable-amd64")).Add("b", tagged("other"))},
			map[string]string{"i": "keep protected", "x": "keep family", "b": "delete not-kept"}},
		{"protect matches if any tag does", run{spec: policy.Spec{Protect: []policy.Protect{{Tags: []string{"v*"}}}, Rules: everything.Rules}, repo: New("r").Add("a", Tags("pr-1", "v2"))},
			map[string]string{"a": "keep protected"}},
		{"protect needs all its fields", run{spec: policy.Spec{Protect: []policy.Protect{{Tags: []string{"v*"}, Repositories: []string{"base/**"}}}, Rules: everything.Rules}, repo: New("r").Add("a", tagged("v2"))},
			map[string]string{"a": "delete not-kept"}},
		{"tags select only if every tag matches", run{spec: policy.Spec{Rules: []policy.Rule{{Tags: []string{"pr-*"}}}}, repo: New("r").Add("a", Tags("pr-7", "release-2")).Add("b", Tags("pr-8", "pr-9"))},
			map[string]string{"a": "keep no-rule", "b": "delete not-kept"}},
		{"anyTag: one tag is enough", run{spec: policy.Spec{Rules: []policy.Rule{{Tags: []string{"pr-*"}, AnyTag: true}}}, repo: New("r").Add("a", Tags("pr-7", "release-2"))},
			map[string]string{"a": "delete not-kept"}},
		{"tags do not select what has none", run{spec: policy.Spec{Rules: []policy.Rule{{Tags: []string{"*"}}}}, repo: New("r").Add("a")},
			map[string]string{"a": "keep no-rule"}},
		{"untagged selects what has none", run{spec: policy.Spec{Rules: []policy.Rule{{Untagged: true}}}, repo: New("r").Add("a").Add("b", tagged("x"))},
			map[string]string{"a": "delete not-kept", "b": "keep no-rule"}},
		{"tags and untagged are the union", run{spec: policy.Spec{Rules: []policy.Rule{{Untagged: true, Tags: []string{"pr-*"}}}}, repo: New("r").Add("a").Add("b", tagged("pr-1")).Add("c", tagged("x"))},
			map[string]string{"a": "delete not-kept", "b": "delete not-kept", "c": "keep no-rule"}},
		{"marks of regsweep are no tags", run{spec: policy.Spec{Rules: []policy.Rule{{Tags: []string{"*"}}}, Protect: []policy.Protect{{Tags: []string{"in-use*", "regsweep*"}}}}, repo: New("r").Add("a", Tags("in-use-1770000000", "regsweep-condemned-1770000000"))},
			map[string]string{"a": "keep no-rule"}},
		{"an image with marks only is untagged", run{spec: policy.Spec{Rules: []policy.Rule{{Untagged: true}}}, repo: New("r").Add("a", Tags("in-use-1770000000"))},
			map[string]string{"a": "delete not-kept"}},
		{"the first rule that matches governs", run{spec: policy.Spec{Rules: []policy.Rule{{Tags: []string{"a*"}, Keep: []policy.Keep{older(1000 * Day)}}, {}}}, repo: New("r").Add("a", tagged("a1")).Add("b", tagged("b1"))},
			map[string]string{"a": "keep younger", "b": "delete not-kept"}},
		{"newest ranks what other keeps keep too", run{spec: rule(policy.Keep{Newest: 2}, policy.Keep{Semver: ">=9"}),
			repo: New("r").Add("a", Age(1*Day), tagged("9.0.0")).Add("b", Age(2*Day), tagged("9.1.0")).Add("c", Age(3*Day), tagged("1.0.0"))},
			map[string]string{"a": "keep newest,semver", "b": "keep newest,semver", "c": "delete not-kept"}},
		{"newest counts images and not tags", run{spec: rule(policy.Keep{Newest: 2}),
			repo: New("r").Add("a", Age(1*Day), Tags("1", "2", "3")).Add("b", Age(2*Day), tagged("4")).Add("c", Age(3*Day), tagged("5"))},
			map[string]string{"a": "keep newest", "b": "keep newest", "c": "delete not-kept"}},
		{"newest counts roots and not what they list", run{spec: rule(policy.Keep{Newest: 1}),
			repo: New("r").Add("i", Age(2*Day), Lists("x", "y"), tagged("v1")).Add("x", Age(time.Hour)).Add("y", Age(time.Hour)).Add("z", Age(3*Day), tagged("v0"))},
			map[string]string{"i": "keep newest", "x": "keep family", "y": "keep family", "z": "delete not-kept"}},
		{"newest per group", run{spec: rule(policy.Keep{Newest: 1, Per: "/^([a-z]+)-/"}),
			repo: New("r").Add("a1", Age(2*Day), tagged("a-1")).Add("a2", Age(1*Day), tagged("a-2")).Add("b1", Age(9*Day), tagged("b-1")).Add("n1", Age(5*Day), tagged("1")).Add("n2", Age(6*Day))},
			map[string]string{"a1": "delete not-kept", "a2": "keep newest", "b1": "keep newest", "n1": "keep newest", "n2": "delete not-kept"}},
		{"a root is in the group of each of its tags", run{spec: rule(policy.Keep{Newest: 1, Per: "/^([a-z]+)-/"}),
			repo: New("r").Add("ab", Age(2*Day), Tags("a-1", "b-1")).Add("a2", Age(1*Day), tagged("a-2"))},
			map[string]string{"ab": "keep newest", "a2": "keep newest"}},
		{"order semver", run{spec: policy.Spec{Rules: []policy.Rule{{Order: "semver", Keep: []policy.Keep{{Newest: 2}}}}},
			repo: New("r").Add("a", Age(9*Day), tagged("v1.10.0")).Add("b", Age(1*Day), tagged("v1.9.0")).Add("c", Age(2*Day), tagged("v1.2.0")).Add("d", Age(time.Hour), tagged("1234567"))},
			map[string]string{"a": "keep newest", "b": "keep newest", "c": "delete not-kept", "d": "delete not-kept"}},
		{"per minor version", run{spec: policy.Spec{Rules: []policy.Rule{{Order: "semver", Keep: []policy.Keep{{Newest: 1, Per: "semver.minor"}}}}},
			repo: New("r").Add("a", tagged("1.2.0")).Add("b", tagged("1.2.1")).Add("c", tagged("1.3.0"))},
			map[string]string{"a": "delete not-kept", "b": "keep newest", "c": "keep newest"}},
		{"all fields of one keep must hold", run{spec: rule(policy.Keep{Newest: 1, YoungerThan: policy.Age{Fixed: Day}}), repo: New("r").Add("a", Age(2*Day))},
			map[string]string{"a": "delete not-kept"}},
		{"semver keeps pre-releases in the range", run{spec: rule(policy.Keep{Semver: ">=2.0.0"}), repo: New("r").Add("a", tagged("2.1.0-rc.1")).Add("b", tagged("1.9.0")).Add("c", tagged("2"))},
			map[string]string{"a": "keep semver", "b": "delete not-kept", "c": "keep semver"}},
		{"pulledWithin with a day's slack", run{spec: rule(policy.Keep{PulledWithin: 30 * Day}),
			repo: New("r").Add("a", Age(age), Pulled(31*Day)).Add("b", Age(age), Pulled(31*Day+time.Millisecond)).Add("c", Age(age))},
			map[string]string{"a": "keep pulled", "b": "delete not-kept", "c": "keep pulled"}},
		{"pulledWithin takes the latest of the root and its children", run{spec: rule(policy.Keep{PulledWithin: 30 * Day}),
			repo: New("r").Add("i", Age(age), Lists("x"), Pulled(90*Day)).Add("x", Age(age), Pulled(Day))},
			map[string]string{"i": "keep pulled", "x": "keep family"}},
		{"usedWithin reads marks of the prefix", run{spec: rule(policy.Keep{UsedWithin: 30 * Day}),
			repo: New("r").Add("a", tagged(mark(30*Day))).Add("b", tagged(mark(31*Day))).Add("c", tagged("in-use-soon"))},
			map[string]string{"a": "keep used", "b": "delete not-kept", "c": "delete not-kept"}},
		{"when", run{spec: rule(policy.Keep{When: `image.size > 10*MB || "keepme" in image.tags`}),
			repo: New("r").Add("a", Size(11e6)).Add("b", Size(10e6)).Add("c", tagged("keepme"))},
			map[string]string{"a": "keep when", "b": "delete not-kept", "c": "keep when"}},
		{"a when that cannot be decided keeps", run{spec: rule(policy.Keep{When: `image.pulledAt < timestamp("2020-01-01T00:00:00Z")`}), repo: New("r").Add("a")},
			map[string]string{"a": "keep when"}},
		{"maxImages counts whole families and what is kept otherwise first", run{spec: rule(policy.Keep{MaxImages: 4}),
			repo: New("r").Add("p", Age(99*Day), tagged("used")).Add("i", Age(1*Day), Lists("x")).Add("x").Add("b", Age(2*Day)).Add("c", Age(3*Day)), uses: []image.Use{used(":used")}},
			map[string]string{"p": "keep in-use", "i": "keep max-images", "x": "keep family", "b": "keep max-images", "c": "delete not-kept"}},
		{"minRemaining keeps the newest roots", run{spec: policy.Spec{Rules: everything.Rules, Limits: policy.Limits{MaxDeletes: 9, MaxShare: 1, MinRemaining: 2}},
			repo: New("r").Add("a", Age(1*Day)).Add("b", Age(2*Day)).Add("c", Age(3*Day))},
			map[string]string{"a": "keep limit", "b": "keep limit", "c": "delete not-kept"}},
		{"maxShare holds the repository", run{spec: policy.Spec{Rules: everything.Rules, Limits: policy.Limits{MaxDeletes: 9, MaxShare: 0.5}},
			repo: New("r").Add("a", tagged("v1")).Add("b").Add("c"), uses: []image.Use{used(":v1")}},
			map[string]string{"a": "keep in-use", "b": "held limit,not-kept", "c": "held limit,not-kept"}},
		{"exactly maxShare is allowed", run{spec: policy.Spec{Rules: everything.Rules, Limits: policy.Limits{MaxDeletes: 9, MaxShare: 0.5}},
			repo: New("r").Add("a", tagged("v1")).Add("b"), uses: []image.Use{used(":v1")}},
			map[string]string{"a": "keep in-use", "b": "delete not-kept"}},
		{"a gap holds", run{spec: everything, repo: New("r").Add("a"), gaps: []image.Gap{{Source: "ecs", Detail: "denied"}}},
			map[string]string{"a": "held gap,not-kept"}},
		{"an image of unknown push time is held, and takes no place among the newest",
			run{spec: rule(policy.Keep{Newest: 1}), repo: New("r").Add("a", With(func(i *image.Image) { i.PushedAt = 0 })).Add("b").Add("c", Age(2*Day))},
			map[string]string{"a": "held gap,not-kept", "b": "keep newest", "c": "delete not-kept"}},
		{"an index that cannot be read holds everything where nobody guards what it lists",
			run{spec: everything, repo: New("r").Add("i", Lists("x"), tagged("v1")).Add("x").Add("b", tagged("v2")).Unread("i")},
			map[string]string{"i": "held gap,not-kept", "x": "held gap,not-kept", "b": "held gap,not-kept"}},
		{"an index that cannot be read holds its family and what is untagged in ECR",
			run{spec: everything, repo: guarded(New("r").Add("i", Lists("x"), tagged("v1")).Add("s", Subject("i")).Add("x").Add("b", tagged("v2")).Unread("i"))},
			map[string]string{"i": "held gap,not-kept", "s": "held family", "x": "held gap,not-kept", "b": "delete not-kept"}},
		{"orphans are governed by rules for orphans only", run{spec: everything, repo: New("r").Add("s", Subject("gone"))},
			map[string]string{"s": "keep no-rule"}},
		{"a rule for orphans governs nothing else", run{spec: policy.Spec{Rules: []policy.Rule{{Orphans: true, Keep: []policy.Keep{older(Day)}}}},
			repo: New("r").Add("s", Subject("gone"), Age(2*Day)).Add("young", Subject("gone"), Age(Day)).Add("a", Age(9*Day))},
			map[string]string{"s": "delete orphan,not-kept", "young": "keep younger", "a": "keep no-rule"}},
		{"archive", run{spec: policy.Spec{Rules: []policy.Rule{{Action: policy.Archive}}}, repo: New("r").Add("a").Add("b", With(func(i *image.Image) { i.Status = image.Archived }))},
			map[string]string{"a": "archive not-kept", "b": "keep not-kept"}},
		{"a child that one root archives and another deletes is archived",
			run{spec: policy.Spec{Rules: []policy.Rule{{Tags: []string{"old"}, Action: policy.Archive}, {}}}, repo: New("r").Add("i", Lists("x"), tagged("old")).Add("k", Lists("x"), tagged("new")).Add("x")},
			map[string]string{"i": "archive not-kept", "k": "delete not-kept", "x": "archive family"}},
		{"images that name each other are kept", run{spec: everything, repo: New("r").Add("a").Add("f", Tags("sha256-"+D("a").Hex()), Artifacts("a"))},
			map[string]string{"a": "keep family", "f": "keep family"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var names []string
			for n := range tt.want {
				names = append(names, n)
			}
			if diff := cmp.Diff(tt.want, verdicts(t, tt.run.judge(t), names...)); diff != "" {
				t.Errorf("verdicts (-want +got):\n%s", diff)
			}
		})
	}
}

func mark(age time.Duration) string {
	return fmt.Sprintf("in-use-%d", Now.Time().Add(-age).Unix())
}

func guarded(r *Repository) *Repository {
	r.GuardsListed = true
	return r
}

func withConfig(r *Repository, name, config string) *Repository {
	i, _ := r.Graph().Find(D(name))
	r.Manifests[i] = &image.Manifest{Config: D(config).OrNil()}
	return r
}

func TestRepositoryTags(t *testing.T) {
	keepDays := policy.Keep{YoungerThan: policy.Age{RepositoryTag: "KeepDays", Unit: Day, Default: 30 * Day, HasDefault: true}}
	optIn := policy.Rule{RepositoryTags: map[string]string{"Enabled": "true"}, Keep: []policy.Keep{keepDays}}
	noDefault := policy.Rule{Keep: []policy.Keep{{YoungerThan: policy.Age{RepositoryTag: "KeepDays", Unit: Day}}}}
	for _, tt := range []struct {
		name string
		rule policy.Rule
		tags map[string]string
		err  error
		want string
	}{
		{"opted in, default", optIn, map[string]string{"Enabled": "true"}, nil, "delete not-kept"},
		{"opted in, own number", optIn, map[string]string{"Enabled": "true", "KeepDays": "90"}, nil, "keep younger"},
		{"own number with a unit", optIn, map[string]string{"Enabled": "true", "KeepDays": "9w"}, nil, "keep younger"},
		{"a bad number holds the repository", optIn, map[string]string{"Enabled": "true", "KeepDays": "ninety"}, nil, "held gap,not-kept"},
		{"a negative number holds it", optIn, map[string]string{"Enabled": "true", "KeepDays": "-1"}, nil, "held gap,not-kept"},
		{"an enormous number holds it", optIn, map[string]string{"Enabled": "true", "KeepDays": "99999999999999999999"}, nil, "held gap,not-kept"},
		{"a bad number in a repository that did not opt in", optIn, map[string]string{"KeepDays": "x"}, nil, "keep no-rule"},
		{"another value", optIn, map[string]string{"Enabled": "yes"}, nil, "keep no-rule"},
		{"tags that cannot be read", optIn, nil, errors.New("denied"), "held gap,not-kept"},
		{"no tag and no default", noDefault, nil, nil, "held gap,not-kept"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := New("r").Add("a", Age(60*Day))
			r.Repository.Tags, r.Repository.TagsError = tt.tags, tt.err
			j := run{spec: policy.Spec{Rules: []policy.Rule{tt.rule}}, repo: r}.judge(t)
			if got := verdicts(t, j, "a")["a"]; got != tt.want {
				t.Errorf("verdict = %s, want %s", got, tt.want)
			}
		})
	}
}

func TestOwnReadsAreNoPulls(t *testing.T) {
	build := func(child ...Option) *Repository {
		r := New("r").Add("i", Age(100*Day), Lists("x"), Pulled(time.Hour)).Add("x", append(child, Age(100*Day))...)
		i, _ := r.Graph().Find(D("i"))
		r.OwnPulls[int(i)] = Now - image.Time((80 * Day).Milliseconds())
		return r
	}
	spec := rule(policy.Keep{PulledWithin: 30 * Day})
	if got := verdicts(t, run{spec: spec, repo: build()}.judge(t), "i")["i"]; got != "delete not-kept" {
		t.Errorf("an index that only regsweep read: %s", got)
	}
	if got := verdicts(t, run{spec: spec, repo: build(Pulled(time.Hour))}.judge(t), "i")["i"]; got != "keep pulled" {
		t.Errorf("an index of which somebody pulled an image too: %s", got)
	}
}
