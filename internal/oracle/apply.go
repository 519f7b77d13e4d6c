package oracle

import "slices"

// Planned is what an earlier plan says of an image that it lets go.
type Planned struct {
	Verdict string
	Tags    []string
	Pushed  int64
}

// Confirm returns the verdict on each image when an earlier plan is applied to
// the repository as it is now. Only what both condemn goes: a family stays of
// which a member would go that the plan has not with the same verdict, the same
// tags and the same push time.
func Confirm(w World, planned map[string]Planned) map[string]string {
	heads := w.judgedHeads()
	over := w.overShare(heads)
	now := map[string]string{}
	for i := range w.Repository.Images {
		img := &w.Repository.Images[i]
		now[img.Digest] = w.verdict(img, heads)
		if over && goes(now[img.Digest]) {
			now[img.Digest] = "held"
		}
	}
	for _, h := range heads {
		if !goes(h.verdict()) {
			continue
		}
		for d := range w.family(h.Image) {
			p, there := planned[d]
			img := w.image(d)
			if goes(now[d]) && !(there && p.Verdict == now[d] && p.Pushed == img.Pushed && sameTags(p.Tags, img.Tags)) {
				h.keeps = []string{"changed"}
				break
			}
		}
	}
	for i := range w.Repository.Images {
		img := &w.Repository.Images[i]
		if now[img.Digest] = w.verdict(img, heads); over && goes(now[img.Digest]) {
			now[img.Digest] = "held"
		}
	}
	return now
}

func sameTags(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// Together returns the images that live with one, and itself: all families that
// it is a member of.
func Together(w World, digest string) map[string]bool {
	all := map[string]bool{digest: true}
	for _, h := range slices.Concat(w.heads(), w.circleHeads()) {
		if family := w.family(h.Image); family[digest] {
			for d := range family {
				all[d] = true
			}
		}
	}
	return all
}

// Heads returns the roots and orphans that an image lives with.
func Heads(w World, digest string) map[string]bool {
	all := map[string]bool{}
	for _, h := range w.heads() {
		if w.family(h.Image)[digest] {
			all[h.Digest] = true
		}
	}
	return all
}

// Family returns an image and everything that lives with it.
func Family(w World, digest string) map[string]bool { return w.family(w.image(digest)) }

// Parents returns the images that list one or that it is attached to.
func Parents(w World, digest string) (parents []string) {
	for i := range w.Repository.Images {
		if p := &w.Repository.Images[i]; w.holds(p, w.image(digest)) {
			parents = append(parents, p.Digest)
		}
	}
	return parents
}

// circleHeads are the images of circles, each as the head of what it holds.
func (w *World) circleHeads() (heads []*head) {
	for _, c := range w.circles() {
		heads = append(heads, &head{Image: c})
	}
	return heads
}
