// Package tagging decides which tags mark what is in use: which images of a
// repository get a mark, under which name, and which older marks go. It is pure.
package tagging

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/regsweep/regsweep/internal/graph"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/policy"
)

// Spec says how images in use are marked.
type Spec struct {
	// Tag is the prefix of marks with a time, or the name of the one mark.
	Tag policy.Tag
	// Refresh is how old the newest mark of an image gets before another one is
	// written. It does not matter for a name.
	Refresh time.Duration
	// KeepPerImage is how many marks of an image stay, 1 at least.
	KeepPerImage int
}

// Action is what is to be done to an image in use.
type Action string

// The actions.
const (
	// Write gives the image a tag that no image has.
	Write Action = "tag"
	// Move takes the tag from another image.
	Move Action = "move"
	// Leave leaves the image as it is, since its mark is young enough.
	Leave Action = "keep"
	// Pass leaves the image as it is, since the one tag is another's.
	Pass Action = "pass"
)

// Decide returns what is to be done to each image of a repository that is named,
// sorted by digest. now is the time of new marks. Of an index that lists a named
// image the index is marked, since it is what people deploy, and keeps what it
// lists; of several indexes, all are. deployed has the marks by which something is
// deployed, and who is: none of them goes.
func (s Spec) Decide(g *graph.Graph, named policy.Naming, deployed map[string]string, now image.Time) []Image {
	images := targets(g, named)
	for i := range images {
		images[i].marks = s.marks(images[i].all, deployed)
	}
	if s.Tag.Name != "" {
		s.choose(g, images, deployed)
	} else {
		s.date(g, images, now)
	}
	slices.SortFunc(images, func(a, b Image) int { return a.Digest.Compare(b.Digest) })
	return images
}

// targets are the images that stand for those that are named.
func targets(g *graph.Graph, named policy.Naming) []Image {
	parents := indexesOf(g)
	at := map[int32]int{}
	var images []Image
	for _, n := range named.Images {
		for _, top := range tops(n.Image, parents) {
			k, ok := at[top]
			if !ok {
				k = len(images)
				at[top] = k
				img := &g.Images[top]
				images = append(images, Image{
					Digest: img.Digest, Tags: []string{}, Kind: g.Kinds[top].String(), PushedAt: img.PushedAt,
					State: n.State, status: img.Status, all: img.Tags,
				})
			}
			images[k].State = policy.Stronger(images[k].State, n.State)
			images[k].uses = append(images[k].uses, n.Uses...)
		}
	}
	for i := range images {
		images[i].addUses()
	}
	return images
}

// indexesOf returns the indexes that list each image, by its position.
func indexesOf(g *graph.Graph) map[int32][]int32 {
	parents := map[int32][]int32{}
	for i := range g.Images {
		// An index of referrers is no image that anybody deploys.
		if g.Kinds[i] != graph.Index {
			continue
		}
		for _, child := range g.Children(int32(i)) {
			parents[child] = append(parents[child], int32(i))
		}
	}
	return parents
}

// tops returns the indexes above an image that no other index lists, or the
// image itself.
func tops(i int32, parents map[int32][]int32) (found []int32) {
	seen := map[int32]bool{i: true}
	todo := []int32{i}
	for len(todo) > 0 {
		at := todo[0]
		todo = todo[1:]
		if len(parents[at]) == 0 {
			found = append(found, at)
		}
		for _, p := range parents[at] {
			if !seen[p] {
				seen[p] = true
				todo = append(todo, p)
			}
		}
	}
	return found
}

// mark is a tag that tells a time. Where somebody is deployed by it, as holder
// says, it stays.
type mark struct {
	tag    string
	at     image.Time
	holder string
}

// marks returns the marks among tags, the newest first.
func (s Spec) marks(tags []string, deployed map[string]string) (marks []mark) {
	for _, tag := range tags {
		if at, ok := s.Tag.UsedAt(tag); ok {
			marks = append(marks, mark{tag, at, deployed[tag]})
		}
	}
	slices.SortFunc(marks, func(a, b mark) int { return cmp.Or(cmp.Compare(b.at, a.at), strings.Compare(b.tag, a.tag)) })
	return marks
}

// date gives each image a mark of its own, if its newest is too old.
func (s Spec) date(g *graph.Graph, images []Image, now image.Time) {
	taken := map[string]bool{}
	for i := range g.Images {
		for _, tag := range g.Images[i].Tags {
			taken[tag] = true
		}
	}
	slices.SortFunc(images, func(a, b Image) int { return a.Digest.Compare(b.Digest) })
	for i := range images {
		img := &images[i]
		img.Tags = append(img.Tags, s.Tag.Ordinary(img.all)...)
		img.keep = max(1, s.KeepPerImage)
		switch {
		case len(img.marks) > 0 && int64(now-img.marks[0].at) < s.Refresh.Milliseconds():
			img.Action, img.Tag = Leave, img.marks[0].tag
			img.Detail = fmt.Sprintf("marked %s, and again after %s", ago(now, img.marks[0].at), short(s.Refresh))
		default:
			img.Action, img.Tag = Write, s.free(now, taken)
			taken[img.Tag] = true
			if len(img.marks) > 0 {
				img.Detail = fmt.Sprintf("marked %s the last time", ago(now, img.marks[0].at))
			}
		}
		img.Remove, _ = img.Surplus(img.Action == Write)
		img.tellDeployed()
	}
}

// free returns the mark of the first second from now on that nobody has.
func (s Spec) free(now image.Time, taken map[string]bool) string {
	for {
		tag := s.Tag.Mark(now)
		if !taken[tag] {
			return tag
		}
		now += second
	}
}

const second = image.Time(1000)

// Next returns the mark of the second after that of a mark.
func (s Spec) Next(tag string) string {
	at, _ := s.Tag.UsedAt(tag)
	return s.Tag.Mark(at + second)
}

// choose gives the one tag to the newest image that runs, or else that is
// declared, or else that can be rolled back to. Of equal push times the smaller
// digest is the newer one, as in rules. A tag by which something in use is
// deployed is not moved: it would run another image from then on.
func (s Spec) choose(g *graph.Graph, images []Image, deployed map[string]string) {
	rank := map[image.State]int{image.Running: 0, image.Declared: 1, image.Rollback: 2}
	slices.SortFunc(images, func(a, b Image) int {
		return cmp.Or(cmp.Compare(rank[a.State], rank[b.State]), cmp.Compare(b.PushedAt, a.PushedAt), a.Digest.Compare(b.Digest))
	})
	chosen := slices.IndexFunc(images, func(i Image) bool { return i.status == image.Active })
	for i := range images {
		img := &images[i]
		img.Tags = append(img.Tags, slices.DeleteFunc(slices.Clone(img.all), func(tag string) bool { return tag == s.Tag.Name })...)
		switch {
		case i == chosen:
			img.Action, img.Tag = Write, s.Tag.Name
			img.Detail = chosenFor(img, images)
		case chosen < 0 || i < chosen:
			// It would be the one, if it could be tagged.
			img.Action, img.Tag = Write, s.Tag.Name
		default:
			img.Action = Pass
			img.Detail = passedFor(img, &images[chosen])
		}
	}
	if chosen < 0 {
		return
	}
	for i := range g.Images {
		if !slices.Contains(g.Images[i].Tags, s.Tag.Name) {
			continue
		}
		img := &images[chosen]
		if img.Digest == g.Images[i].Digest {
			img.Action = Leave
			return
		}
		if holder := deployed[s.Tag.Name]; holder != "" {
			img.Action, img.Tag = Move, ""
			img.Error = fmt.Sprintf("%s is deployed by the tag %s, which %s has: moving it would change what that runs", holder, s.Tag.Name, shortDigest(g.Images[i].Digest))
			return
		}
		img.Action, img.From = Move, g.Images[i].Digest
		img.Detail += "; taken from " + shortDigest(img.From)
		if len(g.Images[i].Tags) == 1 {
			img.Detail += ", which has no other tag"
		}
	}
}

func chosenFor(img *Image, images []Image) string {
	if len(images) == 1 {
		return "the only image in use"
	}
	same := 0
	for i := range images {
		if images[i].State == img.State {
			same++
		}
	}
	if same == 1 {
		return "the only one that is " + describe(img.State)
	}
	return fmt.Sprintf("the newest of %d that are %s", same, describe(img.State))
}

func passedFor(img, chosen *Image) string {
	if img.State != chosen.State {
		return fmt.Sprintf("%s, and %s is %s", describe(img.State), chosen.Name(), describe(chosen.State))
	}
	return fmt.Sprintf("pushed before %s", chosen.Name())
}

func describe(s image.State) string {
	if s == image.Rollback {
		return "for rollback"
	}
	return string(s)
}

// ago says how long before now a time was.
func ago(now, at image.Time) string {
	if at > now {
		return "as of later"
	}
	return short(time.Duration(now-at)*time.Millisecond) + " ago"
}

// short is a duration in its largest whole unit.
func short(d time.Duration) string {
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}} {
		if d >= 2*unit.size || d == unit.size {
			return fmt.Sprintf("%d%s", d/unit.size, unit.name)
		}
	}
	return fmt.Sprintf("%ds", d/time.Second)
}
