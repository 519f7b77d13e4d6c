package oracle

import (
	"fmt"
	"slices"
)

// head is a root or an orphan with what is decided of it and its family.
type head struct {
	*Image
	orphan bool
	// rule governs it, or is nil.
	rule *Rule
	// keeps are the codes of what keeps it; none means that it may go.
	keeps []string
	// holds are the codes of what holds it although nothing keeps it.
	holds []string
	// done says that it would be archived, and is archived.
	done bool
	// leftover says that an earlier run deleted its root, so that no rule governs
	// it: it goes unless something holds it.
	leftover bool
	// grace is what the grace period does to it; see wait.
	grace string
}

// waits reports whether only the grace period holds it.
func (h *head) waits() bool { return h.grace == "condemn" || h.grace == "wait" }

func (h *head) verdict() string {
	switch {
	case len(h.keeps) > 0 || h.rule == nil && !h.leftover || h.done:
		return "keep"
	case len(h.holds) > 0 || h.waits() || h.grace == "stuck":
		return "held"
	case h.leftover:
		return "delete"
	case h.rule.Archive:
		return "archive"
	}
	return "delete"
}

func (h *head) grounds() []string {
	codes := slices.Clone(h.keeps)
	switch {
	case len(codes) > 0:
	case h.rule == nil && !h.leftover:
		codes = []string{"no-rule"}
	case h.done:
		codes = []string{"not-kept"}
	default:
		codes = append(codes, "not-kept")
		codes = append(codes, h.holds...)
		if h.grace != "" {
			codes = append(codes, "grace")
		}
		if h.orphan && !h.leftover {
			codes = append(codes, "orphan")
		}
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

// Judge returns the verdict on each image, by digest.
func Judge(w World) map[string]Judgement {
	heads := w.judgedHeads()
	verdicts := map[string]Judgement{}
	for i := range w.Repository.Images {
		img := &w.Repository.Images[i]
		verdicts[img.Digest] = Judgement{Verdict: w.verdict(img, heads)}
	}
	over := w.overShare(heads)
	for d, j := range verdicts {
		h := headOf(heads, d)
		if h != nil {
			j.Grounds = h.grounds()
		}
		j.Mark = w.mark(w.image(d), h, j.Verdict)
		if over && j.Verdict != "keep" {
			j.Verdict = "held"
			if h != nil && !h.waits() {
				j.Grounds = append(j.Grounds, "limit")
				slices.Sort(j.Grounds)
			}
		}
		verdicts[d] = j
	}
	return verdicts
}

// judgedHeads are the heads with everything that is decided of them.
func (w *World) judgedHeads() []*head {
	heads := w.heads()
	for _, h := range heads {
		h.keeps = append(w.heldBy(h), w.keptBy(h, heads)...)
	}
	w.minRemaining(heads)
	w.maxImages(heads)
	for _, h := range heads {
		h.holds = w.gaps(h)
		h.done = h.rule != nil && h.rule.Archive && h.Archived
		h.grace = w.wait(h)
	}
	return heads
}

// overShare reports whether more would go than the limit of the repository
// allows.
func (w *World) overShare(heads []*head) bool {
	going := 0
	for i := range w.Repository.Images {
		if goes(w.verdict(&w.Repository.Images[i], heads)) {
			going++
		}
	}
	return going*100 > w.Policy.MaxSharePercent*len(w.Repository.Images)
}

func goes(verdict string) bool { return verdict == "delete" || verdict == "archive" }

func headOf(heads []*head, digest string) *head {
	for _, h := range heads {
		if h.Digest == digest {
			return h
		}
	}
	return nil
}

// verdict is the one that saves the most of those of the heads it lives with.
// What is in a circle, or held by one, is kept: no rule governs its root.
func (w *World) verdict(img *Image, heads []*head) string {
	for _, c := range w.circles() {
		if w.family(c)[img.Digest] {
			return "keep"
		}
	}
	strongest := []string{"keep", "held", "archive", "delete"}
	best := len(strongest) - 1
	for _, h := range heads {
		if w.family(h.Image)[img.Digest] {
			best = min(best, slices.Index(strongest, h.verdict()))
		}
	}
	return strongest[best]
}

// heads finds the roots and orphans, with the rule that governs each.
func (w *World) heads() (heads []*head) {
	for i := range w.Repository.Images {
		img := &w.Repository.Images[i]
		if root, orphan := w.isHead(img); root || orphan {
			h := &head{Image: img, orphan: orphan, leftover: w.isLeftover(img)}
			if !h.leftover {
				h.rule = w.governing(img, orphan)
			}
			heads = append(heads, h)
		}
	}
	return heads
}

// isLeftover reports whether an earlier run has condemned a head with its root:
// the root is gone, and all of the family was condemned then and is as it was,
// but for what lives with something else.
func (w *World) isLeftover(img *Image) bool {
	if !w.announced(img) || w.image(w.Leftovers[img.Digest].Root) != nil {
		return false
	}
	family := w.family(img)
	elsewhere := func(m *Image) bool {
		return slices.ContainsFunc(w.Repository.Images, func(p Image) bool {
			return w.holds(&p, m) && !family[p.Digest] && !w.announced(&p)
		})
	}
	// What lives with an image that lives elsewhere is not about this family.
	for d := range w.closure(img, func(a, b *Image) bool { return w.announced(a) && w.holds(a, b) }) {
		if m := w.image(d); !w.announced(m) && !elsewhere(m) {
			return false
		}
	}
	return true
}

// announced reports whether an earlier run was to delete an image, and it is as
// it was.
func (w *World) announced(img *Image) bool {
	l, ok := w.Leftovers[img.Digest]
	return ok && sameTags(l.Tags, img.Tags) && l.Pushed == img.Pushed
}

// applies reports whether a rule is about this repository. Where that depends
// on what is not known it may be.
func (w *World) applies(r *Rule) bool {
	if !matchRepository(r.Repositories, w.Repository.Name) {
		return false
	}
	for k, v := range r.RepositoryTags {
		if got, ok := w.Repository.Tags[k]; !w.Repository.TagsUnknown && (!ok || got != v) {
			return false
		}
	}
	return true
}

func (w *World) governing(img *Image, orphan bool) *Rule {
	for i := range w.Policy.Rules {
		if r := &w.Policy.Rules[i]; w.applies(r) && r.Orphans == orphan && w.selects(r, w.tags(img)) {
			return r
		}
	}
	return nil
}

// selects reports whether a rule's selectors take a root with these tags.
func (w *World) selects(r *Rule, tags []string) bool {
	if len(r.Tags) == 0 && !r.Untagged {
		return true // no selector
	}
	byTag, all := false, true
	for _, t := range tags {
		matches := matchesAny(r.Tags, t)
		byTag = byTag || matches
		all = all && matches
	}
	return r.Untagged && len(tags) == 0 || byTag && (all || r.AnyTag)
}

// heldBy returns which of uses and protect entries hold a family through any
// of its members.
func (w *World) heldBy(h *head) (codes []string) {
	for d := range w.family(h.Image) {
		if w.used(w.image(d)) {
			codes = append(codes, "in-use")
		}
		if w.protected(w.image(d)) {
			codes = append(codes, "protected")
		}
	}
	return codes
}

func (w *World) used(img *Image) bool {
	return slices.ContainsFunc(w.Uses, func(u Use) bool { return u.finds(img) || w.whole(u) })
}

// finds reports whether a use is of this image.
func (u Use) finds(img *Image) bool {
	if u.Digest == img.Digest || u.ImageID == img.Digest {
		return true // wherever the holder found it
	}
	tag := u.Tag
	if tag == "" && u.Digest == "" && u.OtherDigest == "" {
		tag = "latest"
	}
	return u.Here && (slices.Contains(img.Tags, tag) || u.ImageID != "" && u.ImageID == img.Config)
}

// whole reports whether a use names this repository and cannot be resolved to
// an image of it, but for a tag that may have moved.
func (w *World) whole(u Use) bool {
	if !u.Here || u.OtherDigest == "" && u.ImageID == "" {
		return false
	}
	resolved := slices.ContainsFunc(w.Repository.Images, func(img Image) bool {
		return u.Digest == img.Digest || u.ImageID == img.Digest || u.ImageID == img.Config
	})
	return u.OtherDigest != "" || !resolved
}

func (w *World) protected(img *Image) bool {
	return slices.ContainsFunc(w.Policy.Protect, func(p Protect) bool {
		byTag := len(p.Tags) == 0 || slices.ContainsFunc(w.tags(img), func(t string) bool { return matchesAny(p.Tags, t) })
		return byTag && matchRepository(p.Repositories, w.Repository.Name)
	})
}

// governed are the heads that a rule governs.
func governed(heads []*head, r *Rule) (list []*Image) {
	for _, h := range heads {
		if h.rule == r {
			list = append(list, h.Image)
		}
	}
	return list
}

// keptBy returns the codes of the keeps of the rule that hold for its head.
func (w *World) keptBy(h *head, heads []*head) (codes []string) {
	if h.rule == nil {
		return nil
	}
	for i := range h.rule.Keeps {
		k := &h.rule.Keeps[i]
		if ok, fields := w.fieldsHold(h.Image, governed(heads, h.rule), h.rule, k); ok && k.MaxImages == 0 {
			codes = append(codes, fields...)
		}
	}
	return codes
}

// minRemaining keeps the newest roots of the repository.
func (w *World) minRemaining(heads []*head) {
	var roots []*Image
	for _, h := range heads {
		if !h.orphan {
			roots = append(roots, h.Image)
		}
	}
	roots = w.newestFirst(roots, false)
	slices.SortStableFunc(roots, func(a, b *Image) int { // what may go comes last
		return rank(w.isLeftover(a)) - rank(w.isLeftover(b))
	})
	for _, root := range roots[:min(w.Policy.MinRemaining, len(roots))] {
		if h := headOf(heads, root.Digest); h.verdict() != "keep" {
			h.keeps = []string{"limit"}
		}
	}
}

func rank(last bool) int {
	if last {
		return 1
	}
	return 0
}

// maxImages keeps the newest further roots while so many images remain.
func (w *World) maxImages(heads []*head) {
	// remaining counts what stays, together with one more family.
	remaining := func(more *Image) int {
		stays := w.family(more)
		for i := range w.Repository.Images {
			img := &w.Repository.Images[i]
			if w.verdict(img, heads) == "keep" {
				stays[img.Digest] = true
			}
		}
		return len(stays)
	}
	for i := range w.Policy.Rules {
		r := &w.Policy.Rules[i]
		for n := range r.Keeps {
			k := &r.Keeps[n]
			if k.MaxImages == 0 {
				continue
			}
			for _, root := range w.newestFirst(governed(heads, r), r.Semver) {
				h := headOf(heads, root.Digest)
				if holds, _ := w.fieldsHold(root, governed(heads, r), r, k); !holds || h.verdict() == "keep" {
					continue
				}
				if remaining(root) > k.MaxImages {
					break
				}
				h.keeps = []string{"max-images"}
			}
		}
	}
}

// gaps returns the code of a gap where one could hide a use of a head, or what
// it is.
func (w *World) gaps(h *head) []string {
	gaps := slices.Clone(w.Gaps)
	for i := range w.Policy.Rules {
		r := &w.Policy.Rules[i]
		if !w.applies(r) {
			continue
		}
		if w.Repository.TagsUnknown && len(r.RepositoryTags) > 0 {
			gaps = append(gaps, "tags not known")
		}
		for _, k := range r.Keeps {
			if k.YoungerThan == nil {
				continue
			}
			if _, gap := w.age(k.YoungerThan); gap != "" {
				gaps = append(gaps, gap)
			}
		}
	}
	if h.Pushed == 0 {
		gaps = append(gaps, "pushed at an unknown time")
	}
	for _, u := range w.Repository.Images {
		if !u.Unreadable {
			continue
		}
		for d := range w.family(h.Image) {
			// A registry that guards what indexes list is trusted with tagged
			// images.
			if m := w.image(d); !w.Repository.Guards || m.Unreadable || len(w.tags(m)) == 0 {
				gaps = append(gaps, fmt.Sprintf("%s could list %s", u.Digest, d))
			}
		}
	}
	if len(gaps) > 0 {
		return []string{"gap"}
	}
	return nil
}
