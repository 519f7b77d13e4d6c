package render

import (
	"fmt"
	"strings"

	"github.com/regsweep/regsweep/internal/graph"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/plan"
)

// followers are, by root, how many images live with it, and the first tags of
// those of them that have tags of their own and are no referrers.
type followers struct {
	count  map[image.Digest]int
	tagged map[image.Digest][]string
}

// named is how many followers of a root are named.
const named = 2

func (f *followers) add(img *plan.Image) {
	f.count[img.Root]++
	if tags := f.tagged[img.Root]; len(img.Tags) > 0 && img.Kind != graph.Referrer.String() && len(tags) <= named {
		f.tagged[img.Root] = append(tags, img.Tags[0])
	}
}

// of is what follows the name of a root.
func (f *followers) of(root image.Digest) string {
	if f.count[root] == 0 {
		return ""
	}
	text := fmt.Sprintf(" +%d", f.count[root])
	tags, more := f.tagged[root], ""
	if len(tags) == 0 {
		return text
	}
	if len(tags) > named {
		tags, more = tags[:named], ", …"
	}
	return text + ": " + clean(strings.Join(tags, ", ")) + more
}
