package app

import (
	"context"
	"slices"
	"testing"

	. "github.com/regsweep/regsweep/internal/graph/graphtest"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/policy"
	"github.com/regsweep/regsweep/internal/registry"
	"github.com/regsweep/regsweep/internal/tagging"
)

// barred is a registry.Tagger that may do nothing.
type barred struct {
	registry.Tagger // nil: a run calls nothing else
	calls           int
}

func (b *barred) Tag(context.Context, string, image.Digest, string) error {
	b.calls++
	return forbidden("ecr:PutImage")
}

// TestTagUntilDenied: of a repository in which tags may not be given, one call is
// made, and all images count as failed for the same reason.
func TestTagUntilDenied(t *testing.T) {
	tagger := &barred{}
	r := &tagRun{app: &App{}, repo: image.Repository{Name: "r"}, tagger: tagger}
	reasons := map[string]int{}
	for _, name := range []string{"a", "b", "c"} {
		img := tagging.Image{Digest: D(name), Action: tagging.Write, Tag: "in-use-1781000000"}
		if err := r.image(t.Context(), &img); err != nil {
			t.Fatal(err)
		}
		reasons[img.Error]++
	}
	if tagger.calls != 1 || len(reasons) != 1 || reasons[""] != 0 {
		t.Errorf("%d calls, failures %v", tagger.calls, reasons)
	}
}

// keeping is a registry.Tagger that does all that it is asked for.
type keeping struct{ registry.Tagger }

func (keeping) Tag(context.Context, string, image.Digest, string) error { return nil }

func (keeping) Untag(context.Context, string, image.Digest, string, string) error { return nil }

// TestRemovedTagsAreInOrder: the report has them as a run without changes shows
// them, the newest first, although the oldest goes first.
func TestRemovedTagsAreInOrder(t *testing.T) {
	repo := New("r").Add("a", Tags("v1", "in-use-1781000000", "in-use-1781000007", "in-use-1781000003"))
	uses, err := policy.NewUses([]image.Use{{State: image.Running, Reference: "registry.example.com/r:v1"}}, func(image.Reference) []string { return []string{"prod"} })
	if err != nil {
		t.Fatal(err)
	}
	spec := tagging.Spec{KeepPerImage: 1}
	images := spec.Decide(repo.Graph(), uses.Naming(repo.Graph()), nil, Now)
	planned := slices.Clone(images[0].Remove)
	r := &tagRun{app: &App{}, spec: spec, repo: image.Repository{Name: "r"}, tagger: keeping{}}
	if err := r.image(t.Context(), &images[0]); err != nil {
		t.Fatal(err)
	}
	want := []string{"in-use-1781000007", "in-use-1781000003", "in-use-1781000000"}
	if !slices.Equal(planned, want) || !slices.Equal(images[0].Remove, want) {
		t.Errorf("planned %v, removed %v; want %v", planned, images[0].Remove, want)
	}
}
