package tagging

import (
	"cmp"
	"slices"
	"strings"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/policy"
)

// Schema names the JSON form of a Report.
const Schema = "regsweep.tag/v1"

// Report says what was done, or with DryRun what would be done, to mark what is
// in use.
type Report struct {
	Schema    string     `json:"schema"`
	CreatedAt image.Time `json:"createdAt"`
	// DryRun says that nothing was changed.
	DryRun bool `json:"dryRun"`
	// Sources are the usage sources that were read.
	Sources    []plan.Source `json:"sources"`
	Registries []Registry    `json:"registries"`
	Warnings   []string      `json:"warnings,omitempty"`
	Totals     Totals        `json:"totals"`
}

// Registry is what was done in one registry.
type Registry struct {
	Name         string       `json:"name"`
	Host         string       `json:"host"`
	Repositories []Repository `json:"repositories"`
}

// Repository is what was done in one repository that is in use.
type Repository struct {
	Name   string  `json:"name"`
	Images []Image `json:"images"`
	// Error says why nothing could be done, or "".
	Error string `json:"error,omitempty"`
	// Unresolved says why it is not known which image to mark: references in use
	// that can be of any image, and indexes that could not be read.
	Unresolved []string `json:"unresolved,omitempty"`
	// Retry says that what failed may succeed when it is tried again.
	Retry bool `json:"-"`
}

// Image is one image in use, or the index that stands for it.
type Image struct {
	Digest image.Digest `json:"digest"`
	// Tags are those that regsweep did not write.
	Tags []string `json:"tags"`
	// Kind is "image", "index" or "referrer".
	Kind     string     `json:"kind"`
	PushedAt image.Time `json:"pushedAt"`
	// State is the strongest of the uses, Uses how many there are, and Holders the
	// first of those who hold it.
	State   image.State `json:"state"`
	Uses    int         `json:"uses"`
	Holders []string    `json:"holders"`
	Action  Action      `json:"action"`
	// Tag is the mark that is written, moved or left, or "".
	Tag string `json:"tag,omitempty"`
	// From is the image that a mark is taken from.
	From image.Digest `json:"from,omitzero"`
	// Remove are the marks that go, the newest first.
	Remove []string `json:"remove,omitempty"`
	// Detail says why.
	Detail string `json:"detail,omitempty"`
	// Error says what could not be done.
	Error string `json:"error,omitempty"`

	// all are the tags that it has, and marks those of them that tell a time, the
	// newest first, of which keep stay; with 0, all.
	all    []string
	marks  []mark
	keep   int
	status image.Status
	uses   []image.Use
}

// Totals count images and marks.
type Totals struct {
	// Images are those in use.
	Images int `json:"images"`
	// Tagged got a mark, Moved took it from another image, and Kept have one that
	// is young enough.
	Tagged int `json:"tagged"`
	Moved  int `json:"moved"`
	Kept   int `json:"kept"`
	// Passed are in use, and another one of their repository has or gets the tag.
	Passed int `json:"passed"`
	// Removed counts marks.
	Removed int `json:"removed"`
	// Failed counts images and repositories.
	Failed int `json:"failed"`
}

// maxHolders is how many holders of an image are named.
const maxHolders = 3

// addUses names who holds the image.
func (i *Image) addUses() {
	slices.SortFunc(i.uses, func(a, b image.Use) int {
		return cmp.Or(cmp.Compare(a.Holder, b.Holder), cmp.Compare(a.Reference, b.Reference), cmp.Compare(a.State, b.State),
			cmp.Compare(a.Source, b.Source), cmp.Compare(a.ImageID, b.ImageID))
	})
	i.uses = slices.Compact(i.uses) // several platforms of an index have the same use
	i.Uses = len(i.uses)
	i.Holders = []string{}
	// Those of the strongest state first: they are why.
	for _, own := range []bool{true, false} {
		for _, use := range i.uses {
			if (use.State == i.State) == own && len(i.Holders) < maxHolders && !slices.Contains(i.Holders, use.Holder) {
				i.Holders = append(i.Holders, use.Holder)
			}
		}
	}
	i.uses = nil
}

// Active reports whether the image can be pulled, and so tagged.
func (i *Image) Active() bool { return i.status == image.Active }

// Status is the storage state of the image.
func (i *Image) Status() image.Status { return i.status }

// Name is what people call the image by.
func (i *Image) Name() string {
	if len(i.Tags) > 0 {
		return i.Tags[0]
	}
	return shortDigest(i.Digest)
}

func shortDigest(d image.Digest) string { return d.String()[:len("sha256:")+12] }

// Surplus returns the marks that go, the newest first, and the newest that
// stays, as the anchor without which none may go. written says that the mark of
// the image was written just now.
func (i *Image) Surplus(written bool) (remove []string, anchor string) {
	if i.keep == 0 {
		return nil, ""
	}
	stay := i.keep
	if written {
		stay--
	}
	if remove = i.older(stay); len(remove) == 0 {
		return nil, ""
	}
	if written {
		return remove, i.Tag
	}
	return remove, i.marks[0].tag
}

// Room returns the marks that can go before another one is written, where the
// image has as many tags as it may have: those that have a newer one.
func (i *Image) Room() (remove []string, anchor string) {
	if i.keep == 0 {
		return nil, ""
	}
	if remove = i.older(max(1, i.keep-1)); len(remove) == 0 {
		return nil, ""
	}
	return remove, i.marks[0].tag
}

// older returns the marks after the first so many, but for those by which
// something is deployed.
func (i *Image) older(stay int) (tags []string) {
	for _, m := range i.marks[min(stay, len(i.marks)):] {
		if m.holder == "" {
			tags = append(tags, m.tag)
		}
	}
	return tags
}

// tellDeployed says which marks are no marks to those who are deployed by them.
func (i *Image) tellDeployed() {
	for _, m := range i.marks {
		if m.holder != "" {
			i.Detail = strings.TrimPrefix(i.Detail+"; "+m.tag+" stays: "+m.holder+" is deployed by it", "; ")
		}
	}
}

// KeepMarks leaves the image all marks that it has.
func (i *Image) KeepMarks() { i.keep, i.Remove = 0, nil }

// Stay leaves the tag to the image that has it.
func (i *Image) Stay(why string) {
	i.Detail = "the tag stays with " + shortDigest(i.From) + ": " + why
	i.Action, i.Tag, i.From = Pass, "", image.Digest{}
}

// Full reports whether the image has as many tags as it may have, and none that
// can go before another one is written.
func (i *Image) Full() bool {
	remove, _ := i.Room()
	return len(i.all) >= policy.MaxTags && (i.Action == Move || len(remove) == 0)
}

// Forget takes a mark that is gone from those that the image has.
func (i *Image) Forget(tag string) {
	i.marks = slices.DeleteFunc(i.marks, func(m mark) bool { return m.tag == tag })
}

// Finish counts what is in the report and sorts it.
func (r *Report) Finish() {
	r.Totals = Totals{}
	t := &r.Totals
	for _, reg := range r.Registries {
		slices.SortFunc(reg.Repositories, func(a, b Repository) int { return cmp.Compare(a.Name, b.Name) })
		for _, repo := range reg.Repositories {
			if repo.Error != "" || len(repo.Unresolved) > 0 {
				t.Failed++
			}
			for _, img := range repo.Images {
				t.add(&img)
			}
		}
	}
	slices.Sort(r.Warnings)
}

func (t *Totals) add(img *Image) {
	t.Images++
	t.Removed += len(img.Remove)
	if img.Error != "" {
		t.Failed++
	}
	switch {
	case img.Action == Leave:
		t.Kept++
	case img.Action == Pass:
		t.Passed++
	case img.Tag == "": // it failed
	case img.Action == Move:
		t.Moved++
	default:
		t.Tagged++
	}
}
