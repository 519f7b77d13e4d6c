package plan

import (
	"fmt"

	"github.com/regsweep/regsweep/internal/graph"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/policy"
)

// Judged is one repository with a verdict on every image.
type Judged struct {
	Graph  *graph.Graph
	Result *policy.Result
	// Verdicts has one entry for each image.
	Verdicts []policy.Verdict

	// decision has, by image, the position of the decision that it follows plus
	// one, and 0 for an image that a circle keeps.
	decision []int32
	// over says why the repository is held as a whole, or is "".
	over string
	// condemn and unmark are the images that are to be marked for the grace
	// period, and those whose marks go, in ascending position.
	condemn, unmark []int32
	// atFirst are the verdicts before Spare or SpareChanged changed any; nil as long
	// as none did.
	atFirst []policy.Verdict
	// doneBefore is how many images of a plan are gone already, or archived.
	doneBefore int

	// texts are the latest reasons that were put in words: many decisions share
	// theirs.
	texts [8]struct {
		of    *policy.Reason
		words []Reason
	}
	// oldest is the place in texts that is used next.
	oldest int
}

// Judge closes the decisions on roots over their families: an image that lives
// with several roots gets the strongest of their verdicts. Of equal verdicts
// the root of the smallest digest counts, so that the order of input does not.
func Judge(g *graph.Graph, r *policy.Result, limits policy.Limits) *Judged {
	j := &Judged{
		Graph: g, Result: r,
		Verdicts: make([]policy.Verdict, len(g.Images)),
		decision: make([]int32, len(g.Images)),
	}
	j.close()
	j.limit(limits.MaxShare)
	j.findMarks()
	return j
}

func (j *Judged) close() {
	for i := range j.Verdicts {
		j.Verdicts[i] = policy.VerdictKeep
		j.decision[i] = 0
	}
	w := j.Graph.NewWalker()
	for k := range j.Result.Decisions {
		d := &j.Result.Decisions[k]
		w.Family(d.Root, func(i int32) {
			if j.decision[i] == 0 || d.Verdict > j.Verdicts[i] {
				j.Verdicts[i] = d.Verdict
				j.decision[i] = int32(k + 1)
			}
		})
	}
	// No rule governs what images hold that name each other in a circle, since
	// no root of it is known: it is kept, whichever other roots it lives with.
	for _, c := range j.Graph.Circles {
		w.Family(c, func(i int32) {
			j.Verdicts[i] = policy.VerdictKeep
			j.decision[i] = 0
		})
	}
}

// Followers returns the images that do not stay because an index that lists them
// does not, and that have tags which the rule of that index does not select: who
// wrote the rule may not think of them. It returns how many there are, and the
// first of them with the name of the rule.
func (j *Judged) Followers() (n int, first *image.Image, rule string) {
	for i, v := range j.Verdicts {
		k := int(j.decision[i]) - 1
		if v == policy.VerdictKeep || k < 0 || j.Result.Decisions[k].Root == int32(i) || j.Graph.Kinds[i] == graph.Referrer || j.Result.Selects(k, int32(i)) {
			continue
		}
		if n++; n == 1 {
			first, rule = &j.Graph.Images[i], j.Result.RuleOf(k)
		}
	}
	return n, first, rule
}

// goes reports whether a verdict takes an image away.
func goes(v policy.Verdict) bool { return v == policy.VerdictDelete || v == policy.VerdictArchive }

// limit holds the repository where more than the allowed share would go.
func (j *Judged) limit(share float64) {
	n := 0
	for _, v := range j.Verdicts {
		if goes(v) {
			n++
		}
	}
	// A share such as 29 % is not exact as a float: 29 of 100 are not more.
	const rounding = 1e-6
	if n == 0 || float64(n) <= share*float64(len(j.Verdicts))+rounding {
		return
	}
	j.over = fmt.Sprintf("%d of %d images would go, which is more than limits.maxShare allows (%.4g%%); raise it to let them go",
		n, len(j.Verdicts), share*100)
	j.hold()
}

// hold holds all that would go.
func (j *Judged) hold() {
	for i, v := range j.Verdicts {
		if goes(v) {
			j.Verdicts[i] = policy.VerdictHeld
		}
	}
}

// listed visits the verdicts on images; all lists kept images too.
func (j *Judged) listed(all bool) Visitable {
	return func(visit func(*Image) error) error {
		var img Image // one for all of them
		for i, v := range j.Verdicts {
			if all || v != policy.VerdictKeep || j.mark(int32(i)) != "" {
				img = j.image(int32(i))
				if err := visit(&img); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

// Repository returns the repository's part of a plan; all lists kept images too.
// Its images are made when they are visited, until they are moved elsewhere.
func (j *Judged) Repository(all bool) *Repository {
	g := j.Graph
	r := &Repository{Name: g.Repository.Name, images: j.listed(all)}
	r.Totals.Images = len(g.Images)
	for i := range g.Images {
		r.Totals.count(j.Verdicts[i], 1)
		if j.heldByGrace(int32(i)) {
			r.Totals.Grace++
		}
		if !g.Images[i].IsIndex() {
			r.Totals.Bytes += g.Images[i].Size
		}
	}
	r.Totals.Condemn, r.Totals.Unmark = len(j.condemn), len(j.unmark)
	r.Totals.BytesFreed, r.Totals.BytesFreedAtMost = j.Freed(func(i int) bool { return j.Verdicts[i] == policy.VerdictDelete })
	return r
}

// image returns the verdict on image i with its reasons.
func (j *Judged) image(i int32) Image {
	img := &j.Graph.Images[i]
	out := Image{
		Digest: img.Digest, Tags: img.Tags, Kind: j.Graph.Kinds[i].String(), Root: img.Digest,
		PushedAt: img.PushedAt, PulledAt: img.PulledAt, Size: img.Size, Verdict: j.Verdicts[i],
		CondemnedAt: j.Result.Marks(i).CondemnedAt(), Mark: j.mark(i),
	}
	if out.Tags == nil {
		out.Tags = []string{}
	}
	if j.over != "" && j.Verdicts[i] == policy.VerdictHeld && !j.heldByGrace(i) {
		out.Reasons = append(out.Reasons, Reason{Code: policy.CodeLimit, Detail: j.over, Path: "limits.maxShare"})
	}
	if j.decision[i] == 0 {
		out.Reasons = append(out.Reasons, Reason{Code: policy.CodeFamily, Detail: "images that name each other in a circle hold it, so that no root decides"})
		return out
	}
	d := &j.Result.Decisions[j.decision[i]-1]
	out.Rule = j.Result.RuleOf(int(j.decision[i] - 1))
	if d.Root == i {
		if out.Reasons == nil {
			out.Reasons = j.reasons(d)
		} else {
			out.Reasons = append(out.Reasons, j.reasons(d)...)
		}
		return out
	}
	root := &j.Graph.Images[d.Root]
	out.Root = root.Digest
	if r, ok := j.Result.InUse(i); ok {
		out.Reasons = append(out.Reasons, reason(r))
	}
	out.Reasons = append(out.Reasons, Reason{Code: policy.CodeFamily, Detail: follows(root, goes(d.Verdict))})
	return out
}

// follows says in words that an image does as its root. There is one for nearly
// every image of a family, so nothing but the text is allocated.
func follows(root *image.Image, goes bool) string {
	var buffer [256]byte
	text := append(buffer[:0], "it stays with its root ("...)
	if goes {
		text = append(buffer[:0], "it goes with its root ("...)
	}
	if len(root.Tags) > 0 {
		text = append(append(text, root.Tags[0]...), ", "...)
	}
	text = root.Digest.AppendTo(text)
	return string(append(text, ')'))
}

// reasons returns the reasons of a decision in words. Images share them, so they
// must not be changed.
func (j *Judged) reasons(d *policy.Decision) []Reason {
	if len(d.Reasons) == 0 {
		return nil
	}
	for i := range j.texts {
		if j.texts[i].of == &d.Reasons[0] && len(j.texts[i].words) == len(d.Reasons) {
			return j.texts[i].words
		}
	}
	words := make([]Reason, len(d.Reasons))
	for i, r := range d.Reasons {
		words[i] = reason(r)
	}
	text := &j.texts[j.oldest]
	j.oldest = (j.oldest + 1) % len(j.texts)
	text.of, text.words = &d.Reasons[0], words
	return words
}

// Freed returns the bytes that deleting images frees: certainly, and at most.
// Layers are stored once in a repository, so only the manifests of all its
// images tell what is freed; an index has no layers of its own.
func (j *Judged) Freed(deleted func(i int) bool) (certainly, atMost int64) {
	known := true
	for i := range j.Graph.Images {
		img := &j.Graph.Images[i]
		if img.IsIndex() {
			continue
		}
		if deleted(i) {
			atMost += img.Size
		}
		known = known && j.Graph.Manifests[i] != nil
	}
	if atMost == 0 || !known {
		return 0, atMost
	}
	stays := map[image.Digest]bool{}
	for i, m := range j.Graph.Manifests {
		if m != nil && !deleted(i) {
			for _, b := range m.Blobs {
				stays[b.Digest] = true
			}
		}
	}
	for i, m := range j.Graph.Manifests {
		if m == nil || !deleted(i) {
			continue
		}
		for _, b := range m.Blobs {
			if !stays[b.Digest] {
				stays[b.Digest] = true // count it once
				certainly += b.Size
			}
		}
	}
	return certainly, certainly
}

// Image returns the verdict on image i with its reasons, which must not be
// changed.
func (j *Judged) Image(i int32) Image { return j.image(i) }

// Families calls visit with each root and orphan that is to be deleted, and with
// what is to be deleted with it.
func (j *Judged) Families(visit func(root int32, members []int32)) {
	w := j.Graph.NewWalker()
	for k := range j.Result.Decisions {
		d := &j.Result.Decisions[k]
		if d.Verdict != policy.VerdictDelete || j.Verdicts[d.Root] != policy.VerdictDelete {
			continue
		}
		var members []int32
		w.Family(d.Root, func(i int32) {
			if i != d.Root && j.Verdicts[i] == policy.VerdictDelete {
				members = append(members, i)
			}
		})
		visit(d.Root, members)
	}
}
