package ecr

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"golang.org/x/sync/errgroup"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/manifests"
)

// maxBatch is the most image ids that BatchGetImage and BatchDeleteImage take.
const maxBatch = 100

// singles are the media types of manifests that cannot list others. Whatever is
// not among them is read before anything is concluded from it.
var singles = []string{
	image.MediaTypeOCIManifest,
	image.MediaTypeDockerManifest,
	"application/vnd.docker.distribution.manifest.v1+json",
	"application/vnd.docker.distribution.manifest.v1+prettyjws",
	"application/vnd.oci.artifact.manifest.v1+json",
}

// mayList reports whether a manifest of this media type could list others.
func mayList(mediaType string) bool {
	switch mediaType {
	case image.MediaTypeOCIManifest, image.MediaTypeDockerManifest:
		return false // nearly all, without looking closer
	}
	bare, _, _ := strings.Cut(mediaType, ";")
	bare = strings.TrimSpace(bare)
	return !slices.ContainsFunc(singles, func(single string) bool { return strings.EqualFold(bare, single) })
}

// fetch reads the manifests of the images at the positions in missing. Those
// that cannot be read or parsed become unreadable, and the listing is stale
// where one is gone; the error is for a call that failed as a whole.
func (r *reading) fetch(ctx context.Context, contents *image.Contents, missing []int) error {
	calls, ctx := errgroup.WithContext(ctx)
	calls.SetLimit(manifestCallsEach)
	for batch := range slices.Chunk(missing, maxBatch) {
		calls.Go(func() error {
			select {
			case r.manifestSlots <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
			defer func() { <-r.manifestSlots }()
			return r.fetchBatch(ctx, contents, batch)
		})
	}
	return calls.Wait()
}

// fetchBatch is fetch for one call.
func (r *reading) fetchBatch(ctx context.Context, contents *image.Contents, batch []int) error {
	in := ecr.BatchGetImageInput{
		RegistryId: &r.id.Account, RepositoryName: &r.repository.Name,
		AcceptedMediaTypes: []string{
			image.MediaTypeOCIIndex, image.MediaTypeDockerManifestList, image.MediaTypeOCIManifest, image.MediaTypeDockerManifest,
		},
	}
	in.ImageIds = make([]types.ImageIdentifier, 0, len(batch))
	for _, i := range batch {
		img := &contents.Images[i]
		in.ImageIds = append(in.ImageIds, types.ImageIdentifier{ImageDigest: aws.String(img.Digest.String())})
		if img.MediaType() != "" && !slices.Contains(in.AcceptedMediaTypes, img.MediaType()) {
			in.AcceptedMediaTypes = append(in.AcceptedMediaTypes, img.MediaType())
		}
	}
	// Images are sorted by digest, and a batch by position.
	position := func(digest image.Digest) (i int, asked bool) {
		n, asked := slices.BinarySearchFunc(batch, digest, func(i int, d image.Digest) int { return contents.Images[i].Digest.Compare(d) })
		if asked {
			i = batch[n]
		}
		return i, asked
	}
	began := image.At(r.env.Now())
	entries := make([]manifests.Entry, 0, len(batch))
	problems := make(map[int]string)
	gone := false
	claimed := func(digest []byte) (i int, asked bool) {
		d, err := image.ParseDigest(string(digest))
		if err != nil {
			return 0, false // what was asked for is then not mentioned
		}
		return position(d)
	}
	err := r.calls.batchGetImage(ctx, &in, manifestTaker{
		begin: func() {
			entries, gone = entries[:0], false
			clear(problems)
		},
		image: func(id, _, content []byte) {
			digest := image.DigestOf(content)
			i, asked := position(digest)
			if !asked {
				if i, asked = claimed(id); asked && problems[i] == "" {
					problems[i] = "the registry returned other content than that of the digest"
				}
				return
			}
			img := &contents.Images[i]
			manifest, err := image.ParseManifest(content, img.MediaType())
			if err != nil {
				problems[i] = err.Error()
				return
			}
			entries = append(entries, manifests.Entry{
				Digest: digest, Manifest: manifest, Origin: r.origin, ReadAt: began, PulledBefore: img.PulledAt,
			})
		},
		failure: func(id, code, reason []byte) {
			if i, asked := claimed(id); asked {
				problems[i] = fmt.Sprintf("%s: %s", code, reason)
				gone = gone || string(code) == string(types.ImageFailureCodeImageNotFound)
			}
		},
	})
	if err != nil {
		return fmt.Errorf("read manifests: %w", err)
	}
	for i := range entries {
		if at, asked := position(entries[i].Digest); asked {
			contents.Manifests[at] = entries[i].Manifest
		}
	}
	r.env.Manifests.Put(entries)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fetched = append(r.fetched, entries)
	r.stale = r.stale || gone
	for _, i := range batch {
		problem, known := problems[i]
		if !known {
			problem = "the registry's answer does not mention it"
		}
		if contents.Manifests[i] == nil {
			contents.Unreadable[i] = problem
		}
	}
	return nil
}

// imageDigest returns the digest of an image id as it was written.
func imageDigest(id *types.ImageIdentifier) string {
	if id == nil {
		return ""
	}
	return aws.ToString(id.ImageDigest)
}
