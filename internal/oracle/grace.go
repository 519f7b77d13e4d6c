package oracle

import "slices"

// markTimes are the times in the marks of one kind on an image.
func markTimes(prefix string, img *Image) (times []int64) {
	for _, tag := range img.Tags {
		if ms, ok := markTime(prefix, tag); ok {
			times = append(times, ms)
		}
	}
	return times
}

// condemnedSince is when an image was condemned last, if it was not kept then or
// since. Nobody can have condemned it before it was there.
func condemnedSince(img *Image) (ms int64, condemned bool) {
	for _, at := range markTimes("regsweep-condemned-", img) {
		later := slices.ContainsFunc(markTimes("regsweep-kept-", img), func(kept int64) bool { return kept >= at })
		if !later && at >= img.Pushed && at >= ms {
			ms, condemned = at, true
		}
	}
	return ms, condemned
}

// wait says what the grace period does to a head that would be deleted: it is
// to be condemned, waits, is over, or cannot be since nobody can write on what
// is archived; "" without one.
func (w *World) wait(h *head) string {
	if w.Policy.Grace == 0 || h.leftover || h.verdict() != "delete" {
		return ""
	}
	since, condemned := condemnedSince(h.Image)
	switch {
	case h.Archived:
		return "stuck"
	case !condemned:
		return "condemn"
	case w.Now > since+w.Policy.Grace:
		return "over"
	}
	return "wait"
}

// mark is what an apply does about the marks on an image of this verdict.
func (w *World) mark(img *Image, h *head, verdict string) string {
	if w.Policy.Grace == 0 || img.Archived {
		return ""
	}
	if h != nil && h.grace == "condemn" {
		return "condemn"
	}
	if verdict != "keep" {
		return ""
	}
	// A tag that somebody runs an image by is not taken away.
	named := func(tag string) bool {
		return slices.ContainsFunc(w.Uses, func(u Use) bool { return u.Here && u.Tag == tag })
	}
	if _, condemned := condemnedSince(img); condemned {
		return "unmark"
	}
	for _, tag := range img.Tags {
		if _, ok := markTime("regsweep-condemned-", tag); ok && !named(tag) {
			return "unmark"
		}
	}
	return ""
}

// HeldBack reports whether something else than the grace period holds an image.
func HeldBack(w World) bool {
	heads := w.judgedHeads()
	going := slices.ContainsFunc(w.Repository.Images, func(img Image) bool { return goes(w.verdict(&img, heads)) })
	return going && w.overShare(heads) ||
		slices.ContainsFunc(heads, func(h *head) bool { return h.verdict() == "held" && !h.waits() })
}

// Condemned reports whether an image has a mark that counts.
func Condemned(img Image) bool {
	_, condemned := condemnedSince(&img)
	return condemned
}

// IsMark reports whether a tag is one of the grace period.
func IsMark(tag string) bool {
	_, condemned := markTime("regsweep-condemned-", tag)
	_, kept := markTime("regsweep-kept-", tag)
	return condemned || kept
}
