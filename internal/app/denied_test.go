package app

import (
	"context"
	"testing"

	. "github.com/regsweep/regsweep/internal/graph/graphtest"
	"github.com/regsweep/regsweep/internal/image"
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
