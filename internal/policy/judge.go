package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/regsweep/regsweep/internal/image"
)

// judge collects every reason that keeps a root, but for maxImages and limits,
// which depend on what else is kept.
func (e *evaluation) judge(d *Decision, k int) {
	d.Verdict = VerdictKeep
	e.held(d)
	if u := e.unfinished[k]; u != nil {
		if len(d.Reasons) == 0 {
			e.finish(d, u)
		}
		return
	}
	r := e.rule(k)
	if r == nil {
		if len(d.Reasons) == 0 {
			d.Reasons = noRule
			if e.isOrphan(k) {
				d.Reasons = noOrphanRule
			}
		}
		return
	}
	for i := range r.keeps {
		if keep := &r.keeps[i]; keep.MaxImages == 0 {
			if reasons := e.holds(r, i, d.Root, k); d.Reasons == nil {
				d.Reasons = reasons
			} else {
				d.Reasons = append(d.Reasons, reasons...)
			}
		}
	}
	if len(d.Reasons) > 0 {
		return
	}
	d.Verdict = VerdictDelete
	if r.Action == Archive {
		d.Verdict = VerdictArchive
	}
	d.Reasons = r.gone
	if e.isOrphan(k) {
		d.Reasons = r.goneOrphan
	}
}

// The reasons of what no rule governs; they are shared and never changed.
var (
	noRule       = []Reason{{Code: CodeNoRule, text: "no rule governs it"}}
	noOrphanRule = []Reason{{Code: CodeNoRule, text: "no rule with orphans: true governs it"}}
)

// archived keeps what would be archived and is. It comes after maxImages: what
// an earlier run archived must take no more room there than when it was judged
// first, or each run would archive more.
func (e *evaluation) archived() {
	for k := range e.result.Decisions {
		d := &e.result.Decisions[k]
		if d.Verdict == VerdictArchive && e.g.Images[d.Root].Status == image.Archived {
			r := e.rule(k)
			d.Verdict = VerdictKeep
			d.Reasons = []Reason{{Code: CodeNotKept, Path: r.path, text: r.title() + " archives it, and it is archived"}}
		}
	}
}

// held adds the reasons that hold through any member of the family: uses and
// protect entries.
func (e *evaluation) held(d *Decision) {
	res := &e.result.resolved
	if len(res.whole) > 0 {
		d.Reasons = append(d.Reasons, inUse(e.result.uses, res.whole, "which image of the repository it is is not known"))
	}
	if len(res.byImage) == 0 && e.protected == nil {
		return
	}
	var user, protector int32 = -1, -1
	e.walker.Family(d.Root, func(i int32) {
		// Of several members the root itself, else the smallest digest, is named,
		// so that the text does not depend on the order of the visit.
		if len(res.byImage[i]) > 0 && (user < 0 || user != d.Root && i < user) {
			user = i
		}
		if e.protected != nil && e.protected[i] > 0 && (protector < 0 || protector != d.Root && i < protector) {
			protector = i
		}
	})
	if user >= 0 {
		text := ""
		if user != d.Root {
			text = "through " + e.member(user)
		}
		d.Reasons = append(d.Reasons, inUse(e.result.uses, res.byImage[user], text))
	}
	if protector >= 0 {
		p := &e.p.protect[e.protected[protector]-1]
		text := "protected by " + p.path
		if protector != d.Root {
			text += " through " + e.member(protector)
		}
		d.Reasons = append(d.Reasons, Reason{Code: CodeProtected, Path: p.path, text: text})
	}
}

// member describes a member of a family.
func (e *evaluation) member(i int32) string {
	return fmt.Sprintf("its %s %s", e.g.Kinds[i], e.g.Images[i].Digest)
}

// holds returns the reasons of one keep entry, or none where one of its fields
// does not hold. maxImages is not looked at.
func (e *evaluation) holds(r *activeRule, at int, root int32, decision int) []Reason {
	k := &r.keeps[at]
	img := &e.g.Images[root]
	var reasons []Reason
	add := func(reason Reason) {
		reason.Path = k.path
		reasons = append(reasons, reason)
	}
	if k.Newest > 0 {
		p, ok := r.ranks[at][int32(decision)]
		if !ok {
			return nil
		}
		add(Reason{Code: CodeNewest, n: int64(p.n), text: p.group})
	}
	if !k.YoungerThan.IsZero() {
		if !e.within(img.PushedAt, r.ages[at]) {
			return nil
		}
		add(Reason{Code: CodeYounger, at: img.PushedAt, age: r.ages[at]})
	}
	if k.PulledWithin > 0 {
		pulled := e.pulled(root)
		if pulled.Known() && !e.within(pulled, k.PulledWithin+pullSlack) {
			return nil
		}
		add(Reason{Code: CodePulled, at: pulled, age: k.PulledWithin})
	}
	if k.UsedWithin > 0 {
		used := e.used(root)
		if !used.Known() || !e.within(used, k.UsedWithin) {
			return nil
		}
		add(Reason{Code: CodeUsed, at: used, age: k.UsedWithin})
	}
	if k.constraint != nil {
		tag, ok := satisfies(k.constraint, e.tags(root))
		if !ok {
			return nil
		}
		add(Reason{Code: CodeSemver, text: fmt.Sprintf("tag %s satisfies %s", tag, k.Semver)})
	}
	if k.when != nil {
		ok, err := k.when.eval(celVars{e, root})
		if !ok {
			return nil
		}
		text := k.When
		if err != nil {
			text = fmt.Sprintf("%s cannot be decided (%v), which keeps", k.When, err)
		}
		add(Reason{Code: CodeWhen, text: text})
	}
	return reasons
}

// within reports whether t is at most d before now: older than d is strict. It
// counts in milliseconds, since a time.Duration of a time centuries ahead would
// overflow and make it old.
func (e *evaluation) within(t image.Time, d time.Duration) bool {
	return int64(e.in.Now-t) <= d.Milliseconds()
}

// pulled returns the latest pull of a root and of what it lists, or zero where
// none is known. A pull time that may be this tool's own reading of an index
// does not count where the images that it lists can tell: a real pull of an
// index pulls one of them.
func (e *evaluation) pulled(root int32) image.Time {
	var latest image.Time
	e.walker.Listed(root, func(i int32) {
		t := e.g.Images[i].PulledAt
		if before, own := e.g.OwnPulls[int(i)]; own && len(e.g.Children(i)) > 0 {
			t = before
		}
		latest = max(latest, t)
	})
	return latest
}

// used returns the latest mark of use on a root and on what it lists, or zero.
func (e *evaluation) used(root int32) image.Time {
	var latest image.Time
	e.walker.Listed(root, func(i int32) {
		for _, tag := range e.g.Images[i].Tags {
			if t, ok := e.p.marks.usedAt(tag); ok {
				latest = max(latest, t)
			}
		}
	})
	return latest
}

// remaining keeps the newest roots of the repository that always stay.
func (e *evaluation) remaining() {
	n := e.p.limits.MinRemaining
	if n <= 0 {
		return
	}
	// A repository keeps at least what is newest by push, in whichever order its
	// rules rank.
	for _, c := range e.newestRoots(n) {
		if d := &e.result.Decisions[c.decision]; d.Verdict != VerdictKeep {
			d.Verdict = VerdictKeep
			d.Reasons = []Reason{{Code: CodeLimit, Path: "limits.minRemaining",
				text: fmt.Sprintf("one of the %d newest roots, which always stay", n)}}
		}
	}
}

// maxImages keeps the newest further roots while at most so many images remain.
func (e *evaluation) maxImages() {
	var stays []bool
	remain := 0
	// count returns how many images a family adds to those that stay.
	count := func(root int32) (n int) {
		e.walker.Family(root, func(i int32) {
			if !stays[i] {
				n++
			}
		})
		return n
	}
	stay := func(root int32) {
		e.walker.Family(root, func(i int32) {
			if !stays[i] {
				stays[i] = true
				remain++
			}
		})
	}
	for i := range e.rules {
		r := &e.rules[i]
		for at := range r.keeps {
			k := &r.keeps[at]
			if k.MaxImages == 0 {
				continue
			}
			if stays == nil {
				stays = make([]bool, len(e.g.Images))
				for _, d := range e.result.Decisions {
					if d.Verdict == VerdictKeep {
						stay(d.Root)
					}
				}
				for _, i := range e.g.Circles {
					stay(i)
				}
			}
			open := slices.DeleteFunc(slices.Clone(r.governed), func(d int32) bool {
				decision := &e.result.Decisions[d]
				return decision.Verdict == VerdictKeep ||
					!k.onlyMaxImages() && e.holds(r, at, decision.Root, int(d)) == nil
			})
			for _, c := range e.ranked(r, open, len(open)) {
				if remain+count(c.root) > k.MaxImages {
					break
				}
				stay(c.root)
				d := &e.result.Decisions[c.decision]
				d.Verdict = VerdictKeep
				d.Reasons = []Reason{{Code: CodeMaxImages, Path: k.path, n: int64(remain)}}
			}
		}
	}
}

// onlyMaxImages reports whether the entry has no other field.
func (k *keep) onlyMaxImages() bool {
	return k.Keep == Keep{MaxImages: k.MaxImages}
}

// hold turns what would go into held where a gap could hide a use, or where the
// grace period is not over.
func (e *evaluation) hold() {
	for k := range e.result.Decisions {
		d := &e.result.Decisions[k]
		if d.Verdict == VerdictKeep {
			continue
		}
		gaps := e.whole
		if len(e.unread) > 0 && e.couldBeListed(d.Root) {
			gaps = slices.Concat(gaps, e.unread)
		}
		if !e.g.Images[d.Root].PushedAt.Known() {
			gaps = slices.Concat(gaps, []image.Gap{{Detail: "when it was pushed is not known"}})
		}
		if len(gaps) == 0 {
			e.grace(d, k)
			continue
		}
		d.Verdict = VerdictHeld
		var reasons []Reason
		for _, g := range gaps {
			reasons = append(reasons, Reason{Code: CodeGap, text: g.String()})
		}
		d.Reasons = append(reasons, d.Reasons...)
	}
}

// couldBeListed reports whether an index that cannot be read could be of this
// family or list a member of it. Where the registry itself refuses to delete a
// listed image, tagged images are left to that; otherwise any image could be.
func (e *evaluation) couldBeListed(root int32) bool {
	if !e.g.GuardsListed {
		return true
	}
	could := false
	e.walker.Family(root, func(i int32) {
		_, unreadable := e.g.Unreadable[int(i)]
		could = could || unreadable || len(e.tags(i)) == 0
	})
	return could
}
