// Package graph finds what must live and die together in one repository:
// indexes with the images that they list, images with the artifacts that are
// attached to them. It is pure and knows no rule.
package graph

import (
	"cmp"
	"encoding/binary"
	"strings"

	"github.com/regsweep/regsweep/internal/image"
)

// Kind is what an image is to the others.
type Kind uint8

// The kinds of an image, by their names in a plan.
const (
	Plain Kind = iota
	Index
	Referrer
)

func (k Kind) String() string {
	return [...]string{"image", "index", "referrer"}[k]
}

// Graph is one repository's images with the edges between them. Images are
// named by their position in Contents.Images.
type Graph struct {
	*image.Contents
	// Kinds has one entry for each image.
	Kinds []Kind
	// Roots are the images that no index lists and that are attached to nothing
	// that is there, in ascending position. Rules rank and judge them.
	Roots []int32
	// Orphans are referrers whose subjects are all gone and that no index lists,
	// in ascending position.
	Orphans []int32
	// Circles are the images that no root or orphan leads to, since they hold
	// each other, in ascending position. Content cannot do that, but tags can.
	Circles []int32

	// Edges point from an image to what lives with it: an index to its children,
	// a subject to its referrers. The targets of image i are
	// targets[first[i]:first[i+1]]; those before referrersFrom[i] are children.
	first, referrersFrom, targets []int32
}

// edge is one edge while the graph is built.
type edge struct{ from, to int32 }

// Build makes the graph of a repository. The images must be sorted by digest.
func Build(c *image.Contents) *Graph {
	n := len(c.Images)
	g := &Graph{Contents: c, Kinds: make([]Kind, n)}
	listed := make([]bool, n)   // by an index
	attached := make([]bool, n) // to an image that is there
	dangling := make([]bool, n) // claims a subject
	listings := 0
	for _, m := range c.Manifests {
		if m != nil {
			listings += len(m.Children)
		}
	}
	children := make([]edge, 0, min(listings, 2*n))
	var referrers []edge

	for i := range c.Images {
		if g.isIndex(i) {
			g.Kinds[i] = Index
		}
		m := c.Manifests[i]
		if m == nil {
			continue
		}
		for _, child := range m.Children {
			if j, ok := g.Find(child.Digest); ok && j != int32(i) {
				children = append(children, edge{int32(i), j})
				listed[j] = true
			}
		}
	}
	for i := range c.Images {
		g.subjects(i, func(subject image.Digest) {
			g.Kinds[i] = Referrer
			dangling[i] = true
			if j, ok := g.Find(subject); ok {
				referrers = append(referrers, edge{j, int32(i)})
				attached[i] = true
			}
		})
	}
	roots := 0
	for i := range n {
		if !listed[i] && !attached[i] && !dangling[i] {
			roots++
		}
	}
	g.Roots = make([]int32, 0, roots)
	for i := range n {
		switch {
		case listed[i] || attached[i]:
		case dangling[i]:
			g.Orphans = append(g.Orphans, int32(i))
		default:
			g.Roots = append(g.Roots, int32(i))
		}
	}
	g.link(children, referrers)
	g.findCircles()
	return g
}

// findCircles finds what cannot be reached from above.
func (g *Graph) findCircles() {
	reached := make([]bool, len(g.Images))
	var stack []int32
	reach := func(i int32) {
		if !reached[i] {
			reached[i] = true
			stack = append(stack, i)
		}
	}
	for _, heads := range [][]int32{g.Roots, g.Orphans} {
		for _, head := range heads {
			reach(head)
			for len(stack) > 0 {
				i := stack[len(stack)-1]
				stack = stack[:len(stack)-1]
				for _, j := range g.Members(i) {
					reach(j)
				}
			}
		}
	}
	for i := range g.Images {
		if !reached[i] {
			g.Circles = append(g.Circles, int32(i))
		}
	}
}

// link lays the edges out in one array, children before referrers.
func (g *Graph) link(children, referrers []edge) {
	n := len(g.Images)
	g.first = make([]int32, n+1)
	g.referrersFrom = make([]int32, n)
	for _, e := range children {
		g.first[e.from+1]++
		g.referrersFrom[e.from]++
	}
	for _, e := range referrers {
		g.first[e.from+1]++
	}
	for i := range n {
		g.first[i+1] += g.first[i]
		g.referrersFrom[i] += g.first[i]
	}
	g.targets = make([]int32, len(children)+len(referrers))
	next := make([]int32, n)
	place := func(edges []edge) {
		for _, e := range edges {
			g.targets[g.first[e.from]+next[e.from]] = e.to
			next[e.from]++
		}
	}
	place(children)
	place(referrers)
}

// subjects calls yield with every image that image i says it is attached to,
// by whichever scheme; never with its own digest.
func (g *Graph) subjects(i int, yield func(image.Digest)) {
	img := &g.Images[i]
	claim := func(d image.Digest) {
		if !d.IsZero() && d != img.Digest {
			yield(d)
		}
	}
	claim(img.Subject())
	if m := g.Manifests[i]; m != nil && m.Subject != nil && *m.Subject != img.Subject() {
		claim(*m.Subject)
	}
	for _, tag := range img.Tags {
		subject, suffix, ok := ArtifactTag(tag)
		if !ok {
			continue
		}
		// The bare form names the index of the referrers tag schema. The same
		// form on anything else is somebody's content tag: a plain image, or an
		// index of platforms.
		if suffix == "" && (!g.isIndex(i) || listsPlatforms(g.Manifests[i])) {
			continue
		}
		claim(subject)
	}
}

// isIndex reports whether image i is an index. Where the registry does not tell
// its type, its manifest does; one that cannot be read may be one.
func (g *Graph) isIndex(i int) bool {
	if g.Images[i].IsIndex() {
		return true
	}
	if m := g.Manifests[i]; m != nil {
		return len(m.Children) > 0 || image.IsIndexType(m.MediaType)
	}
	_, unread := g.Unreadable[i]
	return unread && g.Images[i].MediaType() == ""
}

// listsPlatforms reports whether an index is one of a multi-platform image.
func listsPlatforms(m *image.Manifest) bool {
	if m == nil {
		return false
	}
	for _, c := range m.Children {
		if c.Platform != "" {
			return true
		}
	}
	return false
}

// ArtifactTag reads a tag that attaches an image to another one: the OCI
// referrers tag schema "sha256-<hex>" (suffix "") and cosign's
// "sha256-<hex>.sig", ".att" and ".sbom".
func ArtifactTag(tag string) (subject image.Digest, suffix string, ok bool) {
	const prefix, hexLen = "sha256-", 64
	if len(tag) < len(prefix)+hexLen || !strings.HasPrefix(tag, prefix) {
		return image.Digest{}, "", false
	}
	switch suffix = tag[len(prefix)+hexLen:]; suffix {
	case "", ".sig", ".att", ".sbom":
	default:
		return image.Digest{}, "", false
	}
	subject, err := image.ParseDigest("sha256:" + tag[len(prefix):len(prefix)+hexLen])
	return subject, suffix, err == nil
}

// Find returns the position of the image with this digest.
func (g *Graph) Find(d image.Digest) (int32, bool) {
	// The first bytes tell nearly all digests apart, and are compared quickly.
	prefix := binary.BigEndian.Uint64(d[:])
	lo, hi := 0, len(g.Images)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		at := &g.Images[mid].Digest
		c := cmp.Compare(binary.BigEndian.Uint64(at[:]), prefix)
		if c == 0 {
			c = at.Compare(d)
		}
		switch {
		case c == 0:
			return int32(mid), true
		case c < 0:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return 0, false
}

// Children returns the images that image i lists and that are there.
func (g *Graph) Children(i int32) []int32 { return g.targets[g.first[i]:g.referrersFrom[i]] }

// Members returns everything that lives with image i directly: its children and
// its referrers.
func (g *Graph) Members(i int32) []int32 { return g.targets[g.first[i]:g.first[i+1]] }

// Walker visits families. It is not safe for concurrent use; it exists so that
// a visit allocates nothing.
type Walker struct {
	g     *Graph
	seen  []int32
	round int32
	stack []int32
}

// NewWalker returns a walker over g.
func (g *Graph) NewWalker() *Walker { return &Walker{g: g, seen: make([]int32, len(g.Images))} }

// Family calls visit with root and then with everything that lives with it,
// directly or through others, each once.
func (w *Walker) Family(root int32, visit func(i int32)) {
	w.walk(root, w.g.Members, visit)
}

// Listed calls visit with root and everything that it lists, directly or
// through nested indexes, each once: its family without referrers.
func (w *Walker) Listed(root int32, visit func(i int32)) {
	w.walk(root, w.g.Children, visit)
}

func (w *Walker) walk(root int32, next func(int32) []int32, visit func(int32)) {
	w.round++
	w.stack = append(w.stack[:0], root)
	w.seen[root] = w.round
	for len(w.stack) > 0 {
		i := w.stack[len(w.stack)-1]
		w.stack = w.stack[:len(w.stack)-1]
		visit(i)
		for _, j := range next(i) {
			if w.seen[j] != w.round {
				w.seen[j] = w.round
				w.stack = append(w.stack, j)
			}
		}
	}
}
