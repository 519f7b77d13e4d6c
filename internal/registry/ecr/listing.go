package ecr

import (
	"cmp"
	"context"
	"encoding/binary"
	"hash/maphash"
	"runtime"
	"runtime/metrics"
	"slices"
	"unsafe"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/image"
)

// listImages reads all images of a repository, sorted by digest.
func (r *Reader) listImages(ctx context.Context, repository string) ([]image.Image, error) {
	shared := interner{}
	var pages [][]image.Image
	for page, err := range awsapi.Stream(ctx, func(ctx context.Context, token *string) ([]image.Image, *string, error) {
		return r.describe(ctx, repository, token, shared)
	}) {
		if err != nil {
			return nil, err
		}
		pages = append(pages, page)
	}
	if len(pages) == 1 {
		return sortByDigest(pages[0]), nil
	}
	images := slices.Concat(pages...)
	clear(pages)
	collect(len(images) * int(unsafe.Sizeof(image.Image{})))
	dropMovedTags(images)
	return sortByDigest(images), nil
}

// collect frees so many bytes of garbage at once where they are a large part of
// the heap: of one large repository the pages are as much as all that is kept of
// it. Left to the collector, they remain until as much again has been allocated.
// A collection costs as much as there is on the heap, so that of many large
// repositories at the same time it is left to the collector's own measure.
func collect(garbage int) {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	if metrics.Read(live); garbage >= 1<<20 && live[0].Value.Kind() == metrics.KindUint64 && uint64(garbage) >= live[0].Value.Uint64()/4 {
		runtime.GC()
	}
}

// dropMovedTags takes a tag from all images but the last that was listed with
// it. While the pages of a repository are read, a tag can move from an image of
// an earlier page to one of a later page; it then was on the later one when
// that was read.
func dropMovedTags(images []image.Image) {
	if !someTagTwice(images) {
		return
	}
	seen := map[string]struct{}{}
	for i := len(images) - 1; i >= 0; i-- {
		images[i].Tags = slices.DeleteFunc(images[i].Tags, func(tag string) bool {
			_, later := seen[tag]
			seen[tag] = struct{}{}
			return later
		})
	}
}

// someTagTwice reports whether a tag may have been listed more than once. That
// is rare, and this costs a third of a set of all tags.
func someTagTwice(images []image.Image) bool {
	count := 0
	for i := range images {
		count += len(images[i].Tags)
	}
	seed := maphash.MakeSeed()
	hashes := make([]uint64, 0, count)
	for i := range images {
		for _, tag := range images[i].Tags {
			hashes = append(hashes, maphash.String(seed, tag))
		}
	}
	slices.Sort(hashes)
	for i := 1; i < len(hashes); i++ {
		if hashes[i-1] == hashes[i] {
			return true
		}
	}
	return false
}

// sortByDigest sorts images in place. Of an image that was listed more than
// once it keeps what was said last.
func sortByDigest(images []image.Image) []image.Image {
	increasing := true
	for i := 1; i < len(images) && increasing; i++ {
		increasing = images[i-1].Digest.Compare(images[i].Digest) < 0
	}
	if increasing {
		return images
	}
	order := digestOrder(images)
	permute(images, order)
	kept := images[:0]
	for i := range images {
		if i+1 < len(images) && images[i].Digest == images[i+1].Digest {
			continue
		}
		kept = append(kept, images[i])
	}
	clear(images[len(kept):])
	return kept
}

// digestOrder returns the positions of the images by digest, and those of equal
// digests in the order in which they were listed. Sorting 16 bytes for each
// image, the beginning of its digest among them, is several times as quick as
// sorting images.
func digestOrder(images []image.Image) []int32 {
	type position struct {
		prefix uint64
		at     int32
	}
	positions := make([]position, len(images))
	for i := range images {
		positions[i] = position{binary.BigEndian.Uint64(images[i].Digest[:]), int32(i)}
	}
	slices.SortFunc(positions, func(a, b position) int {
		if a.prefix != b.prefix {
			return cmp.Compare(a.prefix, b.prefix)
		}
		return cmp.Or(images[a.at].Digest.Compare(images[b.at].Digest), cmp.Compare(a.at, b.at))
	})
	order := make([]int32, len(positions))
	for i, p := range positions {
		order[i] = p.at
	}
	return order
}

// permute moves images[order[i]] to position i for every i, in place, following
// the cycles of the permutation. It uses order up.
func permute(images []image.Image, order []int32) {
	for start := range order {
		if order[start] < 0 {
			continue
		}
		first := images[start]
		at := int32(start)
		for {
			from := order[at]
			order[at] = -1
			if from == int32(start) {
				images[at] = first
				break
			}
			images[at] = images[from]
			at = from
		}
	}
}
