package lifecycle

import (
	"cmp"
	"slices"

	"github.com/regsweep/regsweep/internal/graph"
	"github.com/regsweep/regsweep/internal/image"
)

// ReportSchema names the format of a Report as JSON.
const ReportSchema = "regsweep.lifecycle-preview/v1"

// Report is what lifecycle policies would do with the images of registries.
type Report struct {
	Schema       string             `json:"schema"`
	Repositories []RepositoryReport `json:"repositories"`
	Totals       Totals             `json:"totals"`
	// Warnings are what could not be read, each in a line.
	Warnings []string `json:"warnings,omitempty"`
}

// RepositoryReport is what a policy would do in one repository.
type RepositoryReport struct {
	Registry string `json:"registry"`
	Host     string `json:"host"`
	Name     string `json:"name"`
	// Text is the policy; it is empty where there is none.
	Text string `json:"-"`
	// Rules describe the rules of the policy, in their order.
	Rules []string `json:"rules,omitempty"`
	// Replaces says that the repository has another policy now.
	Replaces bool `json:"replaces,omitempty"`
	// Gaps are what could not be read and could hold a use of an image here.
	Gaps   []string        `json:"gaps,omitempty"`
	Totals Totals          `json:"totals"`
	Images []ReportedImage `json:"images,omitempty"`
	// Error says why nothing is known of the repository, or is "".
	Error string `json:"error,omitempty"`
}

// Totals count images. Each image counts in Images, in one of Expire, Archive and
// Keep by the widest reading, and in any of the others.
type Totals struct {
	Images  int `json:"images"`
	Expire  int `json:"expire"`
	Archive int `json:"archive"`
	Keep    int `json:"keep"`
	// Uncertain are those with which different readings do different things.
	Uncertain int `json:"uncertain"`
	// InUse and Running are those that would go although they are in use, and of
	// these the ones that run.
	InUse   int `json:"inUse"`
	Running int `json:"running"`
	// Differ are those of which ECR's own preview says what no reading does.
	Differ int `json:"differ"`
}

// Add adds the counts of a repository.
func (t *Totals) Add(o Totals) {
	t.Images += o.Images
	t.Expire += o.Expire
	t.Archive += o.Archive
	t.Keep += o.Keep
	t.Uncertain += o.Uncertain
	t.InUse += o.InUse
	t.Running += o.Running
	t.Differ += o.Differ
}

// ReportedImage is what a policy would do with one image.
type ReportedImage struct {
	Digest   image.Digest `json:"digest"`
	Tags     []string     `json:"tags,omitempty"`
	Kind     string       `json:"kind"`
	PushedAt image.Time   `json:"pushedAt,omitzero"`
	// Action is what the widest reading does, and AtLeast what the narrowest does:
	// "expire", "transition" or "keep".
	Action  string `json:"action"`
	AtLeast string `json:"atLeast"`
	// Rule is the priority of the rule, and what it does. With "keep" it is the
	// first rule whose tag requirement the image meets.
	Rule     int    `json:"rule,omitempty"`
	RuleText string `json:"ruleText,omitempty"`
	// Subject is the image that this one is attached to and goes with.
	Subject *image.Digest `json:"subject,omitempty"`
	// Native is what ECR's own preview says, where it was asked; Differs says that
	// no reading does that.
	Native  string `json:"native,omitempty"`
	Differs bool   `json:"differs,omitempty"`
	// Use is the strongest state of use of the image's family, and Holders who
	// uses it.
	Use     image.State `json:"use,omitempty"`
	Holders []string    `json:"holders,omitempty"`
}

// Goes reports whether the image would go, by any reading or by ECR itself.
func (i *ReportedImage) Goes() bool {
	return i.Action != "keep" || i.Native != "" && i.Native != "keep"
}

// name returns the action as reports name it.
func (a Action) name() string { return cmp.Or(string(a), "keep") }

// ReportInput is what a report of a repository follows from.
type ReportInput struct {
	Input
	Policy *Policy
	// Native is what ECR's own preview says, by image, or nil where it was not
	// asked; images that are not in it are kept.
	Native map[image.Digest]Action
	// UsesOf returns the uses that hold one image itself.
	UsesOf func(i int32) []image.Use
	// All lists the images too that stay.
	All bool
}

// Images reports on the images of a repository, and counts them.
func Images(in ReportInput) (images []ReportedImage, totals Totals) {
	least, most := Evaluate(in.Policy, in.Input, Least), Evaluate(in.Policy, in.Input, Most)
	uses := familyUses(in.Graph, in.UsesOf)
	for i := range in.Graph.Images {
		img := reported(in, int32(i), least[i], most[i])
		img.Use, img.Holders = strongest(uses[i])
		totals.count(&img)
		if in.All || img.Goes() || img.Action != img.AtLeast {
			images = append(images, img)
		}
	}
	slices.SortStableFunc(images, func(a, b ReportedImage) int {
		return cmp.Or(cmp.Compare(b.PushedAt, a.PushedAt), a.Digest.Compare(b.Digest))
	})
	return images, totals
}

func reported(in ReportInput, i int32, least, most Fate) ReportedImage {
	src := &in.Graph.Images[i]
	img := ReportedImage{
		Digest: src.Digest, Tags: src.Tags, Kind: in.Graph.Kinds[i].String(), PushedAt: src.PushedAt,
		Action: most.Action.name(), AtLeast: least.Action.name(),
	}
	if most.Rule >= 0 {
		r := &in.Policy.Rules[most.Rule]
		img.Rule, img.RuleText = r.Priority, r.Describe()
	}
	if most.Subject >= 0 {
		img.Subject = &in.Graph.Images[most.Subject].Digest
	}
	if in.Native != nil {
		native := in.Native[src.Digest]
		img.Native = native.name()
		img.Differs = native != least.Action && native != most.Action
	}
	return img
}

func (t *Totals) count(img *ReportedImage) {
	t.Images++
	switch img.Action {
	case string(Expire):
		t.Expire++
	case string(Transition):
		t.Archive++
	default:
		t.Keep++
	}
	if img.Action != img.AtLeast {
		t.Uncertain++
	}
	if img.Differs {
		t.Differ++
	}
	if img.Goes() && img.Use != "" {
		t.InUse++
		if img.Use == image.Running {
			t.Running++
		}
	}
}

// familyUses returns, by image, the uses that hold a family that it is in: what
// regsweep would keep for them.
func familyUses(g *graph.Graph, usesOf func(i int32) []image.Use) map[int][]image.Use {
	own := map[int32][]image.Use{}
	for i := range g.Images {
		if uses := usesOf(int32(i)); len(uses) > 0 {
			own[int32(i)] = uses
		}
	}
	held := map[int][]image.Use{}
	if len(own) == 0 {
		return held
	}
	w := g.NewWalker()
	for _, heads := range [][]int32{g.Roots, g.Orphans, g.Circles} {
		for _, head := range heads {
			var uses []image.Use
			w.Family(head, func(i int32) { uses = append(uses, own[i]...) })
			if len(uses) > 0 {
				w.Family(head, func(i int32) { held[int(i)] = append(held[int(i)], uses...) })
			}
		}
	}
	return held
}

// strongest returns the strongest state of uses, and their holders, those of that
// state first.
func strongest(uses []image.Use) (state image.State, holders []string) {
	for _, s := range []image.State{image.Running, image.Declared, image.Rollback} {
		var these []string
		for _, u := range uses {
			if u.State == s && !slices.Contains(holders, u.Holder) {
				these = append(these, u.Holder)
			}
		}
		if len(these) > 0 && state == "" {
			state = s
		}
		slices.Sort(these)
		holders = append(holders, slices.Compact(these)...)
	}
	return state, holders
}
