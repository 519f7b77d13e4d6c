package render

import (
	"strings"
	"testing"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/journal"
)

// TestHistoryCountsTags: beside its first tag an image of a history has so many
// more tags, and not images, as in a table of a plan.
func TestHistoryCountsTags(t *testing.T) {
	digest := image.DigestOf([]byte("a"))
	for want, tags := range map[string][]string{
		"v1  sha256:ca978112ca1b  ":         {"v1"},
		"v1  sha256:ca978112ca1b +1 tag  ":  {"v1", "v2"},
		"v1  sha256:ca978112ca1b +2 tags  ": {"v1", "v2", "v3"},
	} {
		h := &journal.History{Runs: []journal.RunHistory{{Run: "a", Events: []journal.Event{{Action: journal.Delete, Digest: digest, Tags: tags}}}}}
		var b strings.Builder
		if err := History(&b, h, Options{}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), want) {
			t.Errorf("got %q, want %q in it", b.String(), want)
		}
	}
}
