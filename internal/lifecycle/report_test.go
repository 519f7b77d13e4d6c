package lifecycle_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	. "github.com/regsweep/regsweep/internal/graph/graphtest"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/lifecycle"
)

func TestImages(t *testing.T) {
	r := New("apps/web").
		Add("index", Tags("v2"), Lists("child"), days(50)).Add("child", days(51)).
		Add("young", Tags("v3"), days(1)).Add("sbom", Subject("young"), days(60)).
		Add("old", Tags("v1"), days(70)).
		Add("orphan", Subject("gone"), days(80)).
		Add("cold", Tags("a1"), days(90), With(func(i *image.Image) { i.Status = image.Archived }))
	g := r.Graph()
	use := func(state image.State, holder string) image.Use { return image.Use{State: state, Holder: holder} }
	uses := map[image.Digest][]image.Use{
		D("child"):  {use(image.Rollback, "ecs/a"), use(image.Running, "k8s/b"), use(image.Running, "ecs/c"), use(image.Declared, "k8s/b")},
		D("young"):  {use(image.Declared, "lambda/f")},
		D("orphan"): {use(image.Rollback, "ecs/old")},
	}
	in := lifecycle.ReportInput{
		Input:  lifecycle.Input{Graph: g, Now: Now},
		Policy: parse(t, rules("any push>30d")),
		UsesOf: func(i int32) []image.Use { return uses[g.Images[i].Digest] },
		Native: map[image.Digest]lifecycle.Action{D("index"): lifecycle.Expire, D("young"): lifecycle.Expire, D("orphan"): lifecycle.Transition, D("child"): lifecycle.Expire},
	}
	images, totals := lifecycle.Images(in)
	type row struct {
		Action, AtLeast, Native string
		Differs                 bool
		Use                     image.State
		First                   string
	}
	got := map[string]row{}
	names := map[image.Digest]string{}
	for _, name := range []string{"index", "child", "young", "sbom", "old", "orphan", "cold"} {
		names[D(name)] = name
	}
	for _, img := range images {
		first := ""
		if len(img.Holders) > 0 {
			first = img.Holders[0]
		}
		got[names[img.Digest]] = row{img.Action, img.AtLeast, img.Native, img.Differs, img.Use, first}
	}
	want := map[string]row{
		"index":  {"expire", "expire", "expire", false, image.Running, "ecs/c"},
		"child":  {"expire", "keep", "expire", false, image.Running, "ecs/c"},
		"young":  {"keep", "keep", "expire", true, image.Declared, "lambda/f"},
		"sbom":   {"expire", "keep", "keep", false, image.Declared, "lambda/f"},
		"old":    {"expire", "expire", "keep", true, "", ""},
		"orphan": {"expire", "expire", "transition", true, image.Rollback, "ecs/old"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
	wantTotals := lifecycle.Totals{Images: 7, Expire: 5, Keep: 2, Uncertain: 2, InUse: 5, Running: 2, Differ: 3}
	if diff := cmp.Diff(wantTotals, totals); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
	sum := totals
	sum.Add(totals)
	if sum.Images != 14 || sum.Differ != 6 || sum.Running != 4 {
		t.Errorf("sum %+v", sum)
	}
	in.All = true
	if images, _ = lifecycle.Images(in); len(images) != 7 || images[0].Digest != D("young") || images[6].Digest != D("cold") {
		t.Errorf("all: %d images, newest first: %+v", len(images), images)
	}
}
