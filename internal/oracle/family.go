package oracle

import (
	"regexp"
	"slices"
)

// artifactTag is the referrers tag of OCI, or one of cosign's.
var artifactTag = regexp.MustCompile(`\Asha256-([0-9a-f]{64})(\.sig|\.att|\.sbom)?\z`)

func (w *World) image(digest string) *Image {
	for i := range w.Repository.Images {
		if w.Repository.Images[i].Digest == digest {
			return &w.Repository.Images[i]
		}
	}
	return nil
}

// subjects are the images that an image says it is attached to, there or not.
func (w *World) subjects(img *Image) (digests []string) {
	if img.Subject != "" {
		digests = append(digests, img.Subject)
	}
	// The bare tag is that of an index of artifacts; an index of platforms may
	// have any tag. Of an index that cannot be read it is not known, and taken
	// for what keeps it with its subject.
	artifacts := img.Index && !slices.ContainsFunc(img.Lists, func(e Entry) bool { return e.Platform })
	for _, tag := range img.Tags {
		if m := artifactTag.FindStringSubmatch(tag); m != nil && (m[2] != "" || artifacts) {
			digests = append(digests, "sha256:"+m[1])
		}
	}
	return slices.DeleteFunc(digests, func(d string) bool { return d == img.Digest })
}

// lists reports whether index a lists b.
func (w *World) lists(a, b *Image) bool {
	return a != b && !a.Unreadable && slices.ContainsFunc(a.Lists, func(e Entry) bool { return e.Digest == b.Digest })
}

// holds reports whether b lives with a: a lists it, or it is attached to a.
func (w *World) holds(a, b *Image) bool {
	return w.lists(a, b) || slices.Contains(w.subjects(b), a.Digest)
}

// isHead reports whether an image is a root, or an orphan.
func (w *World) isHead(img *Image) (root, orphan bool) {
	for i := range w.Repository.Images {
		if w.holds(&w.Repository.Images[i], img) {
			return false, false
		}
	}
	orphan = len(w.subjects(img)) > 0
	return !orphan, orphan
}

// closure is an image with all that follow from it, by digest.
func (w *World) closure(of *Image, follows func(a, b *Image) bool) map[string]bool {
	all := map[string]bool{}
	var add func(a *Image)
	add = func(a *Image) {
		if all[a.Digest] {
			return
		}
		all[a.Digest] = true
		for i := range w.Repository.Images {
			if b := &w.Repository.Images[i]; follows(a, b) {
				add(b)
			}
		}
	}
	add(of)
	return all
}

// family is everything that lives with an image, and itself.
func (w *World) family(of *Image) map[string]bool { return w.closure(of, w.holds) }

// listed is an image and everything that it lists, directly or not.
func (w *World) listed(of *Image) map[string]bool { return w.closure(of, w.lists) }

// circles are the images that no root or orphan reaches: they hold each other.
func (w *World) circles() (list []*Image) {
	reached := map[string]bool{}
	for i := range w.Repository.Images {
		img := &w.Repository.Images[i]
		if root, orphan := w.isHead(img); root || orphan {
			for d := range w.family(img) {
				reached[d] = true
			}
		}
	}
	for i := range w.Repository.Images {
		if img := &w.Repository.Images[i]; !reached[img.Digest] {
			list = append(list, img)
		}
	}
	return list
}
