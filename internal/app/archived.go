package app

import (
	"fmt"
	"slices"

	"github.com/regsweep/regsweep/internal/graph"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/policy"
)

// archivedInUse warns of images that a use of the repository names and that
// cannot be pulled, since they or what they list are in the archive: who uses
// them fails at the next start. host is the registry's.
func archivedInUse(g *graph.Graph, uses *policy.Uses, host string) (warnings []string) {
	away := func(i int32) bool { return g.Images[i].Status != image.Active }
	if !slices.ContainsFunc(g.Images, func(img image.Image) bool { return img.Status != image.Active }) {
		return nil
	}
	walker := g.NewWalker()
	for _, named := range uses.Naming(g).Images {
		first := int32(-1)
		walker.Listed(named.Image, func(i int32) {
			if first < 0 && away(i) {
				first = i
			}
		})
		if first < 0 {
			continue
		}
		img, what := &g.Images[first], "is"
		if first != named.Image {
			what = fmt.Sprintf("lists %s, which is", img.Digest)
		}
		where := "in the archive, where nothing can pull it: regsweep restore %s brings it back"
		if img.Status == image.Activating {
			where = "on its way back from the archive, and nothing can pull it before it is there: regsweep restore %s waits for it"
		}
		use := strongest(named)
		by := use.Holder
		if n := len(named.Uses) - 1; n > 0 {
			by += fmt.Sprintf(" and %d more", n)
		}
		warnings = append(warnings, fmt.Sprintf("%s/%s: %s is in use by %s and %s "+where,
			g.Repository.Registry, g.Repository.Name, use.Reference, by, what, fmt.Sprintf("%s/%s@%s", host, g.Repository.Name, img.Digest)))
	}
	return warnings
}

// strongest returns the first use of an image that is as strong as any.
func strongest(named policy.NamedImage) image.Use {
	return slices.MaxFunc(named.Uses, func(a, b image.Use) int {
		switch {
		case a.State == b.State:
			return 0
		case policy.Stronger(a.State, b.State) == a.State:
			return 1
		}
		return -1
	})
}
