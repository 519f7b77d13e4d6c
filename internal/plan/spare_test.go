package plan_test

import (
	"maps"
	"slices"
	"testing"

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

// spared is what still goes of a judgement when the repository is as in w by now.
func spared(j *plan.Judged, w *oracle.World, gone set) set {
	j.SpareChanged(graph.Build(contents(w)), func(i int32) bool { return gone[j.Graph.Images[i].Digest.String()] })
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
	for _, tt := range changes {
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
