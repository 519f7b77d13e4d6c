package policy

import (
	"fmt"
	"slices"

	"github.com/regsweep/regsweep/internal/graph"
	"github.com/regsweep/regsweep/internal/image"
)

// Uses is everything that is in use, ready to be looked up for one repository
// after the other. It does not change once it is made, so that repositories can
// be judged concurrently.
type Uses struct {
	all      []image.Use
	byDigest map[image.Digest][]int32
	byRepo   map[repoKey]*repoUses
}

type repoKey struct{ registry, repository string }

// repoUses are the uses that name one repository.
type repoUses struct {
	byTag map[string][]int32
	// byID are uses of an image id, which only a manifest can be matched with.
	byID map[image.Digest][]int32
	// whole are uses that name the repository and nothing comparable.
	whole []int32
	// pinned are the uses by digest, to tell of images that are gone.
	pinned []int32
}

// NewUses indexes uses. holders returns the names of the configured registries
// that a reference points to; there can be several for one account and region.
// A use whose reference cannot be parsed is an error: the collector reports
// those and leaves them out. The order of uses does not matter.
func NewUses(uses []image.Use, holders func(image.Reference) []string) (*Uses, error) {
	// A snapshot is sorted already; a copy of millions of uses would be felt.
	if !slices.IsSortedFunc(uses, image.Use.Compare) {
		uses = slices.SortedFunc(slices.Values(uses), image.Use.Compare)
	}
	u := &Uses{all: uses, byDigest: map[image.Digest][]int32{}, byRepo: map[repoKey]*repoUses{}}
	for i := range uses {
		ref, err := image.ParseReference(uses[i].Reference)
		if err != nil {
			return nil, fmt.Errorf("use by %s: %w", uses[i].Holder, err)
		}
		id := ref.ImageID
		if uses[i].ImageID != "" {
			if id, err = image.ParseDigest(uses[i].ImageID); err != nil {
				return nil, fmt.Errorf("use by %s: image id: %w", uses[i].Holder, err)
			}
		}
		u.add(int32(i), ref, id, holders(ref))
	}
	return u, nil
}

func (u *Uses) add(i int32, ref image.Reference, id image.Digest, registries []string) {
	// An image id is a config digest; but what is called one may be the digest
	// of a manifest, and protecting that too costs nothing.
	for _, d := range []image.Digest{ref.Digest, id} {
		if !d.IsZero() {
			u.byDigest[d] = append(u.byDigest[d], i)
		}
	}
	for _, registry := range registries {
		key := repoKey{registry, ref.Repository}
		r := u.byRepo[key]
		if r == nil {
			r = &repoUses{byTag: map[string][]int32{}, byID: map[image.Digest][]int32{}}
			u.byRepo[key] = r
		}
		if tag := ref.TagOrLatest(); tag != "" {
			r.byTag[tag] = append(r.byTag[tag], i)
		}
		if !ref.Digest.IsZero() {
			r.pinned = append(r.pinned, i)
		}
		if !id.IsZero() {
			r.byID[id] = append(r.byID[id], i)
		}
		if ref.OtherDigest != "" {
			r.whole = append(r.whole, i)
		}
	}
}

// NeedManifests reports whether the manifests of all images of a repository are
// needed to resolve its uses: image ids are found in manifests only.
func (u *Uses) NeedManifests(registry, repository string) bool {
	r := u.byRepo[repoKey{registry, repository}]
	return r != nil && len(r.byID) > 0
}

// Unplaced returns the uses that name a repository of a configured registry
// which exists says is not there, by registry and repository.
func (u *Uses) Unplaced(exists func(registry, repository string) bool) []image.Use {
	var at []int32
	for key, r := range u.byRepo {
		if exists(key.registry, key.repository) {
			continue
		}
		at = append(at, r.whole...)
		at = append(at, r.pinned...)
		for _, uses := range r.byTag {
			at = append(at, uses...)
		}
		for _, uses := range r.byID {
			at = append(at, uses...)
		}
	}
	list := []image.Use{}
	for _, use := range sortedUnique(at) {
		list = append(list, u.all[use])
	}
	return list
}

// Holding tells which images of a repository are in use.
func (u *Uses) Holding(g *graph.Graph) func(i int32) bool {
	r := u.resolve(g)
	return func(i int32) bool { return len(r.whole) > 0 || len(r.byImage[i]) > 0 }
}

// resolved are the uses of one repository.
type resolved struct {
	// byImage holds positions in Uses.all by position of the image.
	byImage map[int32][]int32
	// whole are uses that keep the whole repository.
	whole []int32
	// missing are uses that name an image of the repository that is not there.
	missing []int32
}

// The ways in which a use finds its image.
const (
	viaDigest = 1 << iota
	viaTag
	viaID
)

// Of returns the uses that hold each image of a repository itself, those that
// keep the whole repository with every image.
func (u *Uses) Of(g *graph.Graph) func(i int32) []image.Use {
	r := u.resolve(g)
	return func(i int32) (list []image.Use) {
		for _, at := range [][]int32{r.byImage[i], r.whole} {
			for _, use := range at {
				list = append(list, u.all[use])
			}
		}
		return list
	}
}

// resolve finds the images of a repository that are in use.
func (u *Uses) resolve(g *graph.Graph) resolved {
	r := resolved{byImage: map[int32][]int32{}}
	named := u.byRepo[repoKey{g.Repository.Registry, g.Repository.Name}]
	if named == nil {
		named = &repoUses{}
	}
	found := map[int32]int{}
	protect := func(i, via int, uses []int32) {
		for _, use := range uses {
			found[use] |= via
			r.byImage[int32(i)] = append(r.byImage[int32(i)], use)
		}
	}
	for i := range g.Images {
		img := &g.Images[i]
		protect(i, viaDigest, u.byDigest[img.Digest])
		if len(named.byTag) > 0 {
			for _, t := range img.Tags {
				protect(i, viaTag, named.byTag[t])
			}
		}
		if m := g.Manifests[i]; len(named.byID) > 0 && m != nil && m.Config != nil {
			protect(i, viaID, named.byID[*m.Config])
		}
	}

	lost := func(to *[]int32, uses []int32, ways int) {
		for _, use := range uses {
			if found[use]&ways == 0 {
				*to = append(*to, use)
			}
		}
	}
	r.whole = append(r.whole, named.whole...)
	for _, uses := range named.byID {
		// The tag that was asked for may have moved since: an image id that
		// matches nothing can be any image of the repository.
		lost(&r.whole, uses, viaID|viaDigest)
	}
	for _, uses := range named.byTag {
		lost(&r.missing, uses, viaTag|viaDigest)
	}
	lost(&r.missing, named.pinned, viaDigest)

	r.whole = sortedUnique(r.whole)
	r.missing = sortedUnique(r.missing)
	for i, uses := range r.byImage {
		r.byImage[i] = sortedUnique(uses)
	}
	return r
}

// sortedUnique makes the result independent of map order.
func sortedUnique(list []int32) []int32 {
	slices.Sort(list)
	return slices.Compact(list)
}
