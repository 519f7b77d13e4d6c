package ecr

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/manifests"
	"github.com/regsweep/regsweep/internal/registry"
)

// Manifests returns manifests as they were pushed. See registry.Writer.
func (w *Writer) Manifests(ctx context.Context, repository string, images []image.Image) ([]registry.Fetched, error) {
	fetched := make([]registry.Fetched, len(images))
	active := make([]image.Image, 0, len(images))
	for i, img := range images {
		if fetched[i].Err = readable(repository, img.Digest, img, true); fetched[i].Err == nil {
			active = append(active, img)
		}
	}
	if len(active) == 0 {
		return fetched, nil
	}
	read, err := w.fetch(ctx, repository, active)
	if err != nil {
		return nil, fmt.Errorf("read manifests of repository %s: %w", repository, gone(repository, err))
	}
	for i, img := range images {
		if fetched[i].Err == nil {
			fetched[i] = read[img.Digest]
		}
	}
	return fetched, nil
}

// manifest reads the manifest of one image.
func (t *Tagger) manifest(ctx context.Context, repository string, img image.Image) (registry.Manifest, error) {
	read, err := t.fetch(ctx, repository, []image.Image{img})
	if err != nil {
		return registry.Manifest{}, err
	}
	return read[img.Digest].Manifest, read[img.Digest].Err
}

// fetch reads the manifests of images as they were looked up, by digest:
// by tag ECR may convert them. Every image has an entry in the result.
//
// ECR counts it as a pull of each (aws/containers-roadmap#2390), so it is
// remembered when that was and what the pull time was before.
func (t *Tagger) fetch(ctx context.Context, repository string, images []image.Image) (map[image.Digest]registry.Fetched, error) {
	in := ecr.BatchGetImageInput{
		RegistryId: &t.id.Account, RepositoryName: &repository,
		AcceptedMediaTypes: append([]string{image.MediaTypeOCIIndex, image.MediaTypeDockerManifestList}, singles...),
	}
	in.ImageIds = make([]types.ImageIdentifier, 0, len(images))
	asked := make(map[image.Digest]*image.Image, len(images))
	fetched := make(map[image.Digest]registry.Fetched, len(images))
	for i := range images {
		img := &images[i]
		asked[img.Digest] = img
		in.ImageIds = append(in.ImageIds, types.ImageIdentifier{ImageDigest: aws.String(img.Digest.String())})
		if img.MediaType() != "" && !slices.Contains(in.AcceptedMediaTypes, img.MediaType()) {
			in.AcceptedMediaTypes = append(in.AcceptedMediaTypes, img.MediaType())
		}
	}
	began, origin := image.At(t.env.Now()), manifests.OriginOf(t.id.Host, repository)
	var entries []manifests.Entry
	err := t.calls.batchGetImage(ctx, &in, manifestTaker{
		begin: func() {
			entries = make([]manifests.Entry, 0, len(images))
			for _, img := range images {
				fetched[img.Digest] = registry.Fetched{Manifest: registry.Manifest{Digest: img.Digest}, Err: &UnreadError{Digest: img.Digest}}
			}
		},
		image: func(_, mediaType, content []byte) {
			// Other content than that of a digest is that of none.
			img, ok := asked[image.DigestOf(content)]
			if !ok {
				return
			}
			m := registry.Manifest{Digest: img.Digest, MediaType: img.MediaType(), Content: bytes.Clone(content)}
			if len(mediaType) > 0 && string(mediaType) != m.MediaType {
				m.MediaType = string(mediaType)
			}
			fetched[m.Digest] = registry.Fetched{Manifest: m}
			if parsed, err := image.ParseManifest(m.Content, m.MediaType); err == nil {
				entries = append(entries, manifests.Entry{
					Digest: m.Digest, Manifest: parsed, Origin: origin,
					ReadAt: began, PulledBefore: t.pulledBefore(origin, img),
				})
			}
		},
		failure: func(id, code, reason []byte) {
			d, err := image.ParseDigest(string(id))
			if _, ok := asked[d]; err != nil || !ok || fetched[d].Err == nil {
				return // what was asked for is then not mentioned, or there
			}
			var why error = &ImageError{Digest: d, Code: string(code), Reason: string(reason)}
			if string(code) == string(types.ImageFailureCodeImageNotFound) {
				why = &registry.ImageGoneError{Repository: repository, Digest: d} // since it was looked up
			}
			fetched[d] = registry.Fetched{Manifest: registry.Manifest{Digest: d}, Err: why}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("read manifests: %w", err)
	}
	t.env.Manifests.Put(entries)
	return fetched, nil
}

// pulledBefore returns the pull time of an image without what may be our own
// reading of it.
func (t *Tagger) pulledBefore(origin manifests.Origin, img *image.Image) image.Time {
	known, ok := t.env.Manifests.Get(img.Digest)
	if ok && maybeOwnPull(origin, img.PulledAt, &known) {
		return known.PulledBefore
	}
	return img.PulledAt
}

// UnreadError says that ECR's answer does not have the manifest of an image that
// it was asked for, or has other content under its digest.
type UnreadError struct {
	Digest image.Digest
}

func (e *UnreadError) Error() string {
	return fmt.Sprintf("%s: the registry's answer does not have its manifest", e.Digest)
}
