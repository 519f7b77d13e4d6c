package plan_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/regsweep/regsweep/internal/oracle"
	. "github.com/regsweep/regsweep/internal/oracle/oracletest"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/planfile"
	"github.com/regsweep/regsweep/internal/policy"
)

// saved is a repository of a plan as apply reads it back from a file, which does
// not list what is kept.
func saved(t *rapid.T, w *oracle.World) *plan.Repository {
	t.Helper()
	p := plan.Plan{Registries: []plan.Registry{{Name: "prod", Repositories: []plan.Repository{*judgeWorld(t, w).Repository(false)}}}}
	p.Finish(policy.Limits{MaxDeletes: 1000}, plan.Price{})
	var file bytes.Buffer
	if err := planfile.Write(&file, &p); err != nil {
		t.Fatalf("write the plan: %v", err)
	}
	store := planfile.NewStore()
	defer store.Close()
	back, err := planfile.Read(&file, store)
	if err != nil {
		t.Fatalf("read the plan: %v", err)
	}
	images, err := back.Registries[0].Repositories[0].Images()
	if err != nil {
		t.Fatalf("images: %v", err)
	}
	r := plan.NewRepository("r", plan.Totals{}, "", plan.List(images))
	return &r
}

// confirmed judges a world and leaves what is not as it was in the plan.
func confirmed(t *rapid.T, w *oracle.World, p *plan.Repository) *plan.Judged {
	t.Helper()
	j := judgeWorld(t, w)
	if err := j.Confirm(p, policy.Limits{MaxShare: float64(w.Policy.MaxSharePercent) / 100}); err != nil {
		t.Fatalf("confirm: %v", err)
	}
	return j
}

// TestPropertyConfirmAll: where nothing changed, all goes that was planned.
func TestPropertyConfirmAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := wanted{}.worlds().Draw(t, "world")
		p := saved(t, &w.World)
		if diff := cmp.Diff(going(judgeWorld(t, &w.World)), going(confirmed(t, &w.World, p))); diff != "" {
			t.Fatalf("what goes (-planned +confirmed):\n%s", diff)
		}
	})
}

// change changes a world, and returns the image that is affected, or "".
type change struct {
	name string
	do   func(t *rapid.T, w *oracle.World, img *oracle.Image) string
}

// changes are what can happen to a repository meanwhile.
var changes = []change{
	{"a tag is gone", func(t *rapid.T, _ *oracle.World, img *oracle.Image) string {
		if len(img.Tags) == 0 {
			return ""
		}
		n := rapid.IntRange(0, len(img.Tags)-1).Draw(t, "tag")
		img.Tags = slices.Delete(slices.Clone(img.Tags), n, n+1)
		return img.Digest
	}},
	{"a tag is new", func(t *rapid.T, _ *oracle.World, img *oracle.Image) string {
		img.Tags = append(slices.Clone(img.Tags), Pick(t, "new", "pr-new", "regsweep-condemned-1770000000"))
		return img.Digest
	}},
	{"it was pushed again", func(t *rapid.T, _ *oracle.World, img *oracle.Image) string {
		was := img.Pushed
		if img.Pushed = ago(t); img.Pushed == was {
			return ""
		}
		return img.Digest
	}},
	{"a referrer is new", func(t *rapid.T, w *oracle.World, img *oracle.Image) string {
		signature := oracle.Image{Digest: digest("new"), Pushed: ago(t)}
		if Rare(t, 2) {
			signature.Subject = img.Digest
		} else {
			signature.Tags = []string{"sha256-" + img.Digest[len("sha256:"):] + ".sig"}
		}
		w.Repository.Images = append(w.Repository.Images, signature)
		return img.Digest
	}},
	{"an index of it is new", func(t *rapid.T, w *oracle.World, img *oracle.Image) string {
		w.Repository.Images = append(w.Repository.Images, oracle.Image{
			Digest: digest("new"), Pushed: ago(t), Index: true, Lists: []oracle.Entry{{Digest: img.Digest, Platform: true}},
		})
		return img.Digest
	}},
}

// TestPropertyConfirmChanged: what changes between plan and apply stays with
// its family, and nothing goes that was not planned.
func TestPropertyConfirmChanged(t *testing.T) {
	for _, tt := range append(slices.Clone(changes), change{"a use is new", func(t *rapid.T, w *oracle.World, img *oracle.Image) string {
		use := oracle.Use{Digest: img.Digest}
		if len(img.Tags) > 0 && Rare(t, 2) {
			use = oracle.Use{Here: true, Tag: Pick(t, img.Tags...)}
		}
		w.Uses = append(slices.Clone(w.Uses), use)
		return img.Digest
	}}) {
		t.Run(tt.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				w := wanted{noMaxShare: true}.worlds().Draw(t, "world")
				if len(w.Repository.Images) == 0 {
					return
				}
				p := saved(t, &w.World)
				planned := going(judgeWorld(t, &w.World))
				w.Repository.Images = slices.Clone(w.Repository.Images)
				affected := tt.do(t, &w.World, &w.Repository.Images[rapid.IntRange(0, len(w.Repository.Images)-1).Draw(t, "image")])
				gone := going(confirmed(t, &w.World, p))
				for d := range gone {
					if !planned[d] {
						t.Fatalf("%s goes and was not planned, in %#v", d, w)
					}
				}
				if affected == "" {
					return
				}
				for d := range down(edges(&w.World), affected) {
					if gone[d] {
						t.Fatalf("%s goes, and is of the family of %s, which changed, in %#v", d, affected, w)
					}
				}
			})
		})
	}
}

// TestPropertyConfirmChild: what an index lists, or what a referrer is attached
// to, was not there in the plan and is now. All that holds it stays, unless
// something else does keep the newcomer.
func TestPropertyConfirmChild(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := wanted{noMaxShare: true}.worlds().Draw(t, "world")
		there := set{}
		for _, img := range w.Repository.Images {
			there[img.Digest] = true
		}
		var missing []string
		for _, img := range w.Repository.Images {
			for _, e := range img.Lists {
				missing = append(missing, e.Digest)
			}
			missing = append(missing, img.Subject)
		}
		missing = slices.DeleteFunc(missing, func(d string) bool { return d == "" || there[d] })
		if len(missing) == 0 {
			return
		}
		p := saved(t, &w.World)
		child := oracle.Image{Digest: rapid.SampledFrom(missing).Draw(t, "child"), Pushed: ago(t)}
		w.Repository.Images = append(slices.Clone(w.Repository.Images), child)
		if !going(judgeWorld(t, &w.World))[child.Digest] {
			return
		}
		gone := going(confirmed(t, &w.World, p))
		for d := range families(&w.World, edges(&w.World), child.Digest) {
			if gone[d] {
				t.Fatalf("%s goes, and its family has %s, which is new, in %#v", d, child.Digest, w)
			}
		}
	})
}

// TestPropertyConfirmNothing: what is not in the plan does not go.
func TestPropertyConfirmNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := wanted{}.worlds().Draw(t, "world")
		if gone := going(confirmed(t, &w.World, &plan.Repository{})); len(gone) > 0 {
			t.Fatalf("%v go, and were not planned", gone)
		}
	})
}
