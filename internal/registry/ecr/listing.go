package ecr

import (
	"cmp"
	"context"
	"slices"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/image"
)

// listImages reads all images of a repository, sorted by digest.
func (r *Reader) listImages(ctx context.Context, repository string) ([]image.Image, error) {
	shared := interner{}
	var images []image.Image
	pages := 0
	for page, err := range awsapi.Stream(ctx, func(ctx context.Context, token *string) ([]image.Image, *string, error) {
		return r.describe(ctx, repository, token, shared)
	}) {
		if err != nil {
			return nil, err
		}
		images = append(images, page...)
		pages++
	}
	if pages > 1 {
		dropMovedTags(images)
	}
	return sortByDigest(images), nil
}

// dropMovedTags takes a tag from all images but the last that was listed with
// it. While the pages of a repository are read, a tag can move from an image of
// an earlier page to one of a later page; it then was on the later one when
// that was read.
func dropMovedTags(images []image.Image) {
	count := 0
	for i := range images {
		count += len(images[i].Tags)
	}
	seen := make(map[string]struct{}, count)
	for i := range slices.Backward(images) {
		images[i].Tags = slices.DeleteFunc(images[i].Tags, func(tag string) bool {
			_, later := seen[tag]
			seen[tag] = struct{}{}
			return later
		})
	}
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
	// Positions are sorted instead of images, which are forty times larger, and
	// so that equal digests stay in the order in which they were listed.
	order := make([]int32, len(images))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		if c := images[a].Digest.Compare(images[b].Digest); c != 0 {
			return c
		}
		return cmp.Compare(a, b)
	})
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
