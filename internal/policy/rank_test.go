package policy

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/regsweep/regsweep/internal/graph"
	"github.com/regsweep/regsweep/internal/image"
)

// The newest n are the first n of all, in every order, whichever of the
// decisions are ranked and in whichever sequence.
func TestRankedIsTheBeginningOfAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		contents := &image.Contents{}
		for i := range rapid.IntRange(0, 60).Draw(t, "images") {
			img := image.Image{Digest: image.Digest{1, byte(i)}, PushedAt: image.Time(rapid.IntRange(0, 6).Draw(t, "pushed"))}
			if rapid.Bool().Draw(t, "tagged") {
				img.Tags = []string{fmt.Sprintf("%d.%d.0", rapid.IntRange(0, 3).Draw(t, "major"), i)}
			}
			contents.Images = append(contents.Images, img)
		}
		contents.Manifests = make([]*image.Manifest, len(contents.Images))
		e := &evaluation{p: &Policy{marks: newMarks(Tag{})}, g: graph.Build(contents), result: &Result{}}
		if rapid.Bool().Draw(t, "an index cannot be read") {
			e.unread = []image.Gap{{}}
		}
		var decisions []int32
		for k, root := range e.g.Roots {
			e.result.Decisions = append(e.result.Decisions, Decision{Root: root})
			if rapid.Bool().Draw(t, "governed") {
				decisions = append(decisions, int32(k))
			}
		}
		r := &activeRule{rule: &rule{Rule: Rule{Order: rapid.SampledFrom([]string{"", "semver"}).Draw(t, "order")}}}
		all := e.ranked(r, decisions, len(decisions))
		positions := func(list []candidate) []int32 {
			of := make([]int32, 0, len(list))
			for _, c := range list {
				of = append(of, c.decision)
			}
			return of
		}
		sorted := positions(all)
		slices.Sort(sorted)
		if !slices.Equal(decisions, sorted) {
			t.Fatalf("all of %v are %v", decisions, positions(all))
		}
		n := rapid.IntRange(0, 70).Draw(t, "n")
		if diff := cmp.Diff(positions(all)[:min(n, len(all))], positions(e.ranked(r, decisions, n))); diff != "" {
			t.Errorf("the newest %d (-want +got):\n%s", n, diff)
		}
	})
}
