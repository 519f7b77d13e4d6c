package plan

import (
	"slices"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/policy"
)

// Explanation is everything that is known of one image.
type Explanation struct {
	Registry   string `json:"registry"`
	Host       string `json:"host"`
	Repository string `json:"repository"`
	Image      Image  `json:"image"`
	// Status is "active", "archived" or "activating", which is on its way back from
	// the archive.
	Status string `json:"status"`
	// Family is the root's family, root first.
	Family []Member `json:"family"`
	// Keeps tells how each keep of the governing rule judged the root.
	Keeps []policy.Trace `json:"keeps,omitempty"`
	// Gaps are what could hide a use of this repository.
	Gaps []string `json:"gaps,omitempty"`
}

// Member is an image of a family, with what uses it.
type Member struct {
	Image
	Platform string      `json:"platform,omitempty"`
	Uses     []image.Use `json:"uses,omitempty"`
}

// Explain tells everything of image i; registry and host are where it is.
func (j *Judged) Explain(registry, host string, i int32) Explanation {
	x := Explanation{Registry: registry, Host: host, Repository: j.Graph.Repository.Name, Image: j.image(i), Status: j.Graph.Images[i].Status.String()}
	root, ok := j.Graph.Find(x.Image.Root)
	if !ok {
		root = i
	}
	j.Graph.NewWalker().Family(root, func(m int32) {
		x.Family = append(x.Family, Member{Image: j.image(m), Platform: j.platform(root, m), Uses: j.Result.UsesOf(m)})
	})
	slices.SortFunc(x.Family[1:], func(a, b Member) int { return a.Digest.Compare(b.Digest) })
	x.Keeps = j.Result.Trace(root)
	for _, g := range j.Result.Gaps {
		x.Gaps = append(x.Gaps, g.String())
	}
	return x
}

// platform returns the platform under which a root lists an image.
func (j *Judged) platform(root, i int32) string {
	if m := j.Graph.Manifests[root]; m != nil {
		for _, c := range m.Children {
			if c.Digest == j.Graph.Images[i].Digest {
				return c.Platform
			}
		}
	}
	return ""
}
