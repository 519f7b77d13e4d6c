package plan_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/regsweep/regsweep/internal/graph"
	. "github.com/regsweep/regsweep/internal/graph/graphtest"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/oracle"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/policy"
)

// halfway takes some of what goes out of a world, as an apply does: what holds
// an image before the image. It returns what is gone.
func halfway(t *rapid.T, w *oracle.World, going set) set {
	t.Helper()
	gone, e := set{}, edges(w)
	for range rapid.IntRange(0, len(going)).Draw(t, "gone") {
		var next []string
		for _, d := range slices.Sorted(maps.Keys(going)) {
			held := slices.ContainsFunc(slices.Collect(maps.Keys(e)), func(from string) bool {
				return going[from] && !gone[from] && slices.Contains(e[from], d)
			})
			if !gone[d] && !held {
				next = append(next, d)
			}
		}
		if len(next) == 0 { // what is left are images that hold each other
			break
		}
		gone[rapid.SampledFrom(next).Draw(t, "next")] = true
	}
	w.Repository.Images = slices.DeleteFunc(slices.Clone(w.Repository.Images), func(i oracle.Image) bool { return gone[i.Digest] })
	return gone
}

// duringApply are the changes that an apply finds. A plan does not say what was
// attached to what, so that between plan and apply an image that is kept anyway
// can become a referrer, and the rules judge its subject with it.
var duringApply = append(slices.Clone(changes), change{"another image becomes a referrer", func(t *rapid.T, w *oracle.World, img *oracle.Image) string {
	all := w.Repository.Images
	other := &all[rapid.IntRange(0, len(all)-1).Draw(t, "other")]
	tag := "sha256-" + img.Digest[len("sha256:"):] + ".sig"
	if other.Digest == img.Digest || slices.Contains(other.Tags, tag) || slices.Contains(edges(w)[img.Digest], other.Digest) {
		return "" // the image holds it already, or it is the image
	}
	for n := range all {
		all[n].Tags = slices.DeleteFunc(slices.Clone(all[n].Tags), func(had string) bool { return had == tag })
	}
	other.Tags = append(other.Tags, tag)
	return img.Digest
}})

// spareChanged lets a judgement know that the repository is as in w by now.
func spareChanged(j *plan.Judged, w *oracle.World, gone set) {
	j.SpareChanged(graph.Build(contents(w)), func(i int32) bool { return gone[j.Graph.Images[i].Digest.String()] })
}

// spared is what still goes of a judgement when the repository is as in w by now.
func spared(j *plan.Judged, w *oracle.World, gone set) set {
	spareChanged(j, w, gone)
	return going(j)
}

// TestPropertySpareUnchanged: an apply that looks again at what it left half
// done, and finds nothing else changed, goes on as before.
func TestPropertySpareUnchanged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := wanted{}.worlds().Draw(t, "world")
		j := judgeWorld(t, &w.World)
		before := going(j)
		gone := halfway(t, &w.World, before)
		if diff := cmp.Diff(before, spared(j, &w.World, gone)); diff != "" {
			t.Fatalf("what goes, after %v did (-before +after):\n%s\nin %#v", gone, diff, w)
		}
	})
}

// TestPropertySpareChanged: what changes during an apply stays with what it
// holds, as far as it is there, and nothing goes that did not before.
func TestPropertySpareChanged(t *testing.T) {
	for _, tt := range duringApply {
		t.Run(tt.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				w := wanted{}.worlds().Draw(t, "world")
				j := judgeWorld(t, &w.World)
				before := going(j)
				gone := halfway(t, &w.World, before)
				if len(w.Repository.Images) == 0 {
					return
				}
				affected := tt.do(t, &w.World, &w.Repository.Images[rapid.IntRange(0, len(w.Repository.Images)-1).Draw(t, "image")])
				after := spared(j, &w.World, gone)
				for d := range after {
					if !before[d] {
						t.Fatalf("%s goes and did not before, in %#v", d, w)
					}
				}
				if affected == "" {
					return
				}
				for d := range down(edges(&w.World), affected) {
					if after[d] && !gone[d] {
						t.Fatalf("%s goes, and is of the family of %s, which changed, in %#v", d, affected, w)
					}
				}
			})
		})
	}
}

// TestPropertySpareOrder: whether a use or a change is found first makes no
// difference to what goes.
func TestPropertySpareOrder(t *testing.T) {
	for _, tt := range duringApply {
		t.Run(tt.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				w := wanted{}.worlds().Draw(t, "world")
				one, other := judgeWorld(t, &w.World), judgeWorld(t, &w.World)
				gone := halfway(t, &w.World, going(one))
				if len(w.Repository.Images) == 0 {
					return
				}
				uses, err := policy.NewUses([]image.Use{imageUse(drawUse(t), 0)}, holders)
				if err != nil {
					t.Fatal(err)
				}
				tt.do(t, &w.World, &w.Repository.Images[rapid.IntRange(0, len(w.Repository.Images)-1).Draw(t, "image")])
				one.Spare(uses)
				spareChanged(one, &w.World, gone)
				spareChanged(other, &w.World, gone)
				other.Spare(uses)
				if diff := cmp.Diff(going(one), going(other)); diff != "" {
					t.Fatalf("what goes (-use first +change first):\n%s\nin %#v", diff, w)
				}
			})
		})
	}
}

// TestSpareChangedAfterUse: an image that came into use with one of its roots was to
// go at first, so that a change of it is one of its other roots too.
func TestSpareChangedAfterUse(t *testing.T) {
	const old = 50 * Day
	repo := func(shared ...Option) *Repository {
		return New("r").Add("web", Age(old), Tags("v1"), Lists("shared")).
			Add("api", Age(old), Tags("v2"), Lists("shared")).
			Add("shared", append(shared, Age(old))...).Add("other", Age(old))
	}
	j := run{repo: repo(), spec: rule(older(30 * Day))}.judge(t)
	uses, err := policy.NewUses([]image.Use{used(":v1")}, holders)
	if err != nil {
		t.Fatal(err)
	}
	j.Spare(uses)
	j.SpareChanged(repo(Tags("new")).Graph(), func(int32) bool { return false })
	if diff := cmp.Diff(set{D("other").String(): true}, going(j)); diff != "" {
		t.Errorf("what goes (-want +got):\n%s", diff)
	}
}

// TestSpareChangedSharedImage: an image that another root keeps is no change of
// the root that goes.
func TestSpareChangedSharedImage(t *testing.T) {
	const old = 50 * Day
	repo := New("r").Add("release", Tags("v1"), Lists("shared")).
		Add("preview", Tags("pr-1"), Age(old), Lists("shared", "own")).
		Add("shared", Age(old)).Add("own", Age(old))
	j := run{repo: repo, spec: rule(older(30 * Day))}.judge(t)
	j.SpareChanged(repo.Graph(), func(int32) bool { return false })
	want := set{D("preview").String(): true, D("own").String(): true}
	if diff := cmp.Diff(want, going(j)); diff != "" {
		t.Errorf("what goes (-want +got):\n%s", diff)
	}
	for i, v := range j.Verdicts {
		if j.Graph.Images[i].Digest == D("shared") && v != policy.VerdictKeep {
			t.Errorf("the shared image is %v", v)
		}
	}
}

// TestSpareUsedSharedImage: an image that comes into use keeps every index that
// lists it, also where another root kept the image anyway.
func TestSpareUsedSharedImage(t *testing.T) {
	const old = 50 * Day
	repo := New("r").Add("release", Tags("v1"), Lists("shared")).
		Add("preview", Tags("pr-1"), Age(old), Lists("shared", "own")).
		Add("shared", Age(old)).Add("own", Age(old)).Add("other", Age(old))
	j := run{repo: repo, spec: rule(older(30 * Day))}.judge(t)
	uses, err := policy.NewUses([]image.Use{{
		Source: "ecs", State: image.Running, Holder: "ecs/shop/web", Reference: host + "/r@" + D("shared").String(),
	}}, holders)
	if err != nil {
		t.Fatal(err)
	}
	j.Spare(uses)
	if diff := cmp.Diff(set{D("other").String(): true}, going(j)); diff != "" {
		t.Errorf("what goes (-want +got):\n%s", diff)
	}
}

// TestSpareChangedPushedAgain: an image that somebody deleted and pushed again is
// another one than the rules have judged, and what it holds is held.
func TestSpareChangedPushedAgain(t *testing.T) {
	const old = 50 * Day
	index := func(age time.Duration) *Repository {
		return New("r").Add("index", Age(age), Lists("x")).Add("x", Age(old)).Add("sbom", Age(old), Subject("x")).Add("sig", Age(old), Subject("index"))
	}
	for _, tt := range []struct {
		name     string
		was, now *Repository
		gone     string
		want     []string
	}{
		{"not asked for yet", New("r").Add("a", Age(old), Tags("v1")).Add("b", Age(old)), New("r").Add("a", Age(0), Tags("v1")).Add("b", Age(old)), "", []string{"b"}},
		{"deleted by this run, and what it holds is not yet", index(old), index(0), "index", []string{"index"}},
		{"deleted by this run, and a late listing has it still", index(old), index(old), "index", []string{"index", "x", "sbom", "sig"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := run{repo: tt.was, spec: rule(older(30 * Day))}.judge(t)
			j.SpareChanged(tt.now.Graph(), func(i int32) bool { return j.Graph.Images[i].Digest == D(tt.gone) })
			want := set{}
			for _, name := range tt.want {
				want[D(name).String()] = true
			}
			// What is gone is no longer asked for, whatever its verdict.
			got := going(j)
			if tt.gone != "" {
				got[D(tt.gone).String()] = true
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("what goes (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSpareChangedUnreadable: an index that came, and that cannot be read, could
// list any image. One that could not be read before holds what it held then.
func TestSpareChangedUnreadable(t *testing.T) {
	const old = 50 * Day
	repo := func() *Repository { return New("r").Add("a", Age(old), Tags("v1")).Add("b", Age(old)) }
	unread := func() *Repository { return guarded(repo().Add("index", Lists("b")).Unread("index")) }
	for _, tt := range []struct {
		name     string
		was, now *Repository
		want     set
	}{
		{"it is new", repo(), unread(), set{}},
		{"it could be read before", repo().Add("index", Lists("b")), unread(), set{}},
		{"it could not be read before", unread(), unread(), set{D("a").String(): true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := run{repo: tt.was, spec: rule(older(30 * Day))}.judge(t)
			j.SpareChanged(tt.now.Graph(), func(int32) bool { return false })
			if diff := cmp.Diff(tt.want, going(j)); diff != "" {
				t.Errorf("what goes (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSpareOverLimit: a repository that the limit holds stays held, for the same
// reason, whatever is spared in it.
func TestSpareOverLimit(t *testing.T) {
	repo := New("r").Add("a", Tags("v1")).Add("b")
	j := run{repo: repo, spec: policy.Spec{Rules: []policy.Rule{{}}, Limits: policy.Limits{MaxShare: 0.1}}}.judge(t)
	before := j.Image(0)
	uses, err := policy.NewUses([]image.Use{used(":v1")}, holders)
	if err != nil {
		t.Fatal(err)
	}
	j.Spare(uses)
	if diff := cmp.Diff(before, j.Image(0)); diff != "" {
		t.Errorf("what is not in use (-before +after):\n%s", diff)
	}
	if got := going(j); len(got) > 0 {
		t.Errorf("%v go", got)
	}
}
