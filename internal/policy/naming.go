package policy

import (
	"slices"
	"strconv"

	"github.com/regsweep/regsweep/internal/graph"
	"github.com/regsweep/regsweep/internal/image"
)

// Mark returns the tag that marks an image as in use at a time, which is cut to
// seconds.
func (t Tag) Mark(at image.Time) string {
	return newMarks(t).prefix + strconv.FormatInt(int64(at)/1000, 10)
}

// UsedAt reads a tag that Mark wrote, and returns the time that it tells.
func (t Tag) UsedAt(tag string) (image.Time, bool) { return newMarks(t).usedAt(tag) }

// Ordinary returns the tags that regsweep did not write. It may be tags itself.
func (t Tag) Ordinary(tags []string) []string { return newMarks(t).ordinary(tags) }

// Naming is what references point to in one repository. It is less than what
// they protect: a digest protects in every repository, and is named only in that
// of its reference.
type Naming struct {
	// Images are those that a reference names, in ascending position.
	Images []NamedImage
	// Missing are uses that name an image which is not there.
	Missing []image.Use
	// Guessed are uses that tell an image id that no manifest has, or a digest that
	// cannot be compared, so that only what has their tag now was found.
	Guessed []image.Use
	// Unresolved are such uses without a tag that is there: each can be of any
	// image of the repository.
	Unresolved []image.Use
}

// NamedImage is an image that references name.
type NamedImage struct {
	Image int32
	// State is the strongest of the uses. A tag tells what somebody asked for;
	// where the use also tells what was pulled, only that is running, and what has
	// the tag now is declared.
	State image.State
	// Uses are in the order of a snapshot.
	Uses []image.Use
}

// Names reports whether any use names the repository.
func (u *Uses) Names(registry, repository string) bool {
	return u.byRepo[repoKey{registry, repository}] != nil
}

// NamesAny reports whether any use names a repository of the registry.
func (u *Uses) NamesAny(registry string) bool {
	for key := range u.byRepo {
		if key.registry == registry {
			return true
		}
	}
	return false
}

// Naming returns which images of a repository the uses name. An image id is
// found only where the manifests were read (NeedManifests).
func (u *Uses) Naming(g *graph.Graph) Naming {
	var n Naming
	named := u.byRepo[repoKey{g.Repository.Registry, g.Repository.Name}]
	if named == nil {
		return n
	}
	// Exact uses name an image by what cannot move.
	exact, found := map[int32]bool{}, map[int32]int{}
	for _, use := range named.pinned {
		exact[use] = true
	}
	for _, uses := range named.byID {
		for _, use := range uses {
			exact[use] = true
		}
	}
	for i := range g.Images {
		if found, ok := u.naming(g, named, int32(i), exact, found); ok {
			n.Images = append(n.Images, found)
		}
	}
	vague := slices.Clone(named.whole)
	for _, uses := range named.byID {
		vague = append(vague, uses...)
	}
	for _, use := range vague {
		switch {
		case found[use]&viaDigest != 0:
		case found[use]&viaTag != 0:
			n.Guessed = append(n.Guessed, u.all[use])
		default:
			n.Unresolved = append(n.Unresolved, u.all[use])
			found[use] |= viaTag // it is told once
		}
	}
	n.Missing = u.lost(named.pinned, found, viaDigest)
	for _, uses := range named.byTag {
		n.Missing = append(n.Missing, u.lost(uses, found, viaDigest|viaTag)...)
	}
	for _, list := range []*[]image.Use{&n.Guessed, &n.Unresolved, &n.Missing} {
		slices.SortFunc(*list, image.Use.Compare)
		*list = slices.Compact(*list)
	}
	return n
}

// naming returns the uses that name one image, and notes in found how.
func (u *Uses) naming(g *graph.Graph, named *repoUses, i int32, exact map[int32]bool, found map[int32]int) (NamedImage, bool) {
	img := &g.Images[i]
	states := map[int32]image.State{}
	add := func(use int32, via int, state image.State) {
		found[use] |= via
		if _, ok := states[use]; !ok {
			states[use] = state
		}
	}
	for _, use := range u.byDigest[img.Digest] {
		if exact[use] {
			add(use, viaDigest, u.all[use].State)
		}
	}
	if m := g.Manifests[i]; m != nil && m.Config != nil {
		for _, use := range named.byID[*m.Config] {
			add(use, viaDigest, u.all[use].State)
		}
	}
	for _, tag := range img.Tags {
		for _, use := range named.byTag[tag] {
			state := u.all[use].State
			if exact[use] && state == image.Running {
				state = image.Declared
			}
			add(use, viaTag, state)
		}
	}
	if len(states) == 0 {
		return NamedImage{}, false
	}
	n := NamedImage{Image: i, State: image.Rollback}
	for use, state := range states {
		n.State = Stronger(n.State, state)
		n.Uses = append(n.Uses, u.all[use])
	}
	slices.SortFunc(n.Uses, image.Use.Compare)
	return n, true
}

// lost returns those of the uses that were found in no way of ways.
func (u *Uses) lost(uses []int32, found map[int32]int, ways int) (list []image.Use) {
	for _, use := range uses {
		if found[use]&ways == 0 {
			list = append(list, u.all[use])
		}
	}
	return list
}

// Stronger returns the stronger of two states.
func Stronger(a, b image.State) image.State {
	for _, state := range []image.State{image.Running, image.Declared} {
		if a == state || b == state {
			return state
		}
	}
	return image.Rollback
}
