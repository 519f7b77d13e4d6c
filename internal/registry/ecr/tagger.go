package ecr

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/registry"
)

// Tagger gives and takes tags in an ECR registry. It holds nothing that it could
// delete an image by digest with. Its methods may be called by many goroutines
// at once.
type Tagger struct {
	id    registry.Identity
	env   Env
	calls tagCalls
	lookup
}

var _ registry.Tagger = (*Tagger)(nil)

// tagCalls are the calls that a tagger makes, besides looking images up.
type tagCalls struct {
	batchGetImage manifestCall
	putImage      func(context.Context, *ecr.PutImageInput, ...func(*ecr.Options)) (*ecr.PutImageOutput, error)
	// deleteTag is BatchDeleteImage for a tag and nothing else.
	deleteTag func(ctx context.Context, registryID, repository, tag string) (*ecr.BatchDeleteImageOutput, error)
}

func newTagger(id registry.Identity, sdk aws.Config, env Env) *Tagger {
	client := ecr.NewFromConfig(sdk)
	return &Tagger{
		id: id, env: env,
		lookup: lookup{account: id.Account, describeImages: client.DescribeImages, readers: &sync.Pool{}},
		calls: tagCalls{
			batchGetImage: newManifestCall(client.BatchGetImage),
			putImage:      client.PutImage,
			deleteTag: func(ctx context.Context, registryID, repository, tag string) (*ecr.BatchDeleteImageOutput, error) {
				return client.BatchDeleteImage(ctx, &ecr.BatchDeleteImageInput{
					RegistryId: &registryID, RepositoryName: &repository,
					ImageIds: []types.ImageIdentifier{{ImageTag: &tag}},
				})
			},
		},
	}
}

// Tag gives an image one more tag. See registry.Tagger.
func (t *Tagger) Tag(ctx context.Context, repository string, digest image.Digest, tag string) error {
	return t.tag(ctx, repository, digest, tag, false)
}

// MoveTag gives a tag to an image, and takes it from another one. See
// registry.Tagger.
func (t *Tagger) MoveTag(ctx context.Context, repository string, digest image.Digest, tag string) error {
	return t.tag(ctx, repository, digest, tag, true)
}

func (t *Tagger) tag(ctx context.Context, repository string, digest image.Digest, tag string, move bool) error {
	img, there, err := t.find(ctx, repository, digest)
	if err == nil && there && slices.Contains(img.Tags, tag) {
		return nil
	}
	if err == nil {
		err = readable(repository, digest, img, there)
	}
	if err == nil && !move {
		err = t.free(ctx, repository, digest, tag)
	}
	var m registry.Manifest
	if err == nil {
		m, err = t.manifest(ctx, repository, img)
	}
	if err == nil {
		err = t.put(ctx, repository, m, tag)
	}
	var limit *types.LimitExceededException
	if errors.As(err, &limit) {
		err = &registry.TagLimitError{Digest: digest, Tag: tag, Err: err}
	}
	if err != nil {
		return fmt.Errorf("tag image %s of repository %s with %s: %w", digest, repository, tag, gone(repository, err))
	}
	return nil
}

// readable returns why an image that was looked up cannot be read, or nil.
func readable(repository string, digest image.Digest, img image.Image, there bool) error {
	switch {
	case !there:
		return &registry.ImageGoneError{Repository: repository, Digest: digest}
	case img.Status != image.Active:
		return &registry.ArchivedError{Digest: digest, Status: img.Status}
	}
	return nil
}

// free returns an error unless no other image than this one has the tag.
func (t *Tagger) free(ctx context.Context, repository string, digest image.Digest, tag string) error {
	other, taken, err := t.resolve(ctx, repository, tag)
	switch {
	case err != nil:
		return err
	case taken && other.Digest != digest:
		return &registry.TagTakenError{Digest: digest, Tag: tag, Other: other.Digest}
	}
	return nil
}

// Untag takes a tag from an image that has anchor too. See registry.Tagger.
//
// The call names the tag alone. That an id has either a tag or a digest is all
// that the API reference of BatchDeleteImage says, and that a digest deletes the
// image: what both together do is not documented.
func (t *Tagger) Untag(ctx context.Context, repository string, digest image.Digest, tag, anchor string) error {
	if err := t.untag(ctx, repository, digest, tag, anchor); err != nil {
		return fmt.Errorf("take the tag %s from image %s of repository %s: %w", tag, digest, repository, gone(repository, err))
	}
	return nil
}

func (t *Tagger) untag(ctx context.Context, repository string, digest image.Digest, tag, anchor string) error {
	img, has, err := t.anchored(ctx, repository, digest, tag, anchor)
	var m registry.Manifest
	if err == nil && has && img.Status == image.Active {
		// This puts the image back, should it go. In the archive there is none to
		// be had.
		if m, err = t.manifest(ctx, repository, img); err == nil {
			img, has, err = t.anchored(ctx, repository, digest, tag, anchor)
		}
	}
	if err != nil || !has {
		return err
	}
	out, err := t.calls.deleteTag(ctx, t.id.Account, repository, tag)
	if err == nil {
		err = untagged(out, digest, tag)
	}
	return errors.Join(err, t.putBack(context.WithoutCancel(ctx), repository, m, img, tag, anchor))
}

// anchored reports whether an image has the tag. It is an error that it has the
// tag without the anchor.
func (t *Tagger) anchored(ctx context.Context, repository string, digest image.Digest, tag, anchor string) (image.Image, bool, error) {
	img, there, err := t.find(ctx, repository, digest)
	if err != nil || !there || !slices.Contains(img.Tags, tag) {
		return image.Image{}, false, err
	}
	if tag == anchor || !slices.Contains(img.Tags, anchor) {
		return image.Image{}, false, &registry.LastTagError{Digest: digest, Tag: tag, Anchor: anchor}
	}
	return img, true, nil
}

// putBack puts an image back that has just lost a tag if that was its last one
// all the same, since somebody took the anchor between our look and the call.
// Whether it was that or somebody's own deletion cannot be told: an image too
// many can be deleted again.
func (t *Tagger) putBack(ctx context.Context, repository string, m registry.Manifest, img image.Image, tag, anchor string) error {
	_, there, err := t.find(ctx, repository, img.Digest)
	switch {
	case err != nil || there:
		return err
	case m.Content == nil:
		err = &registry.ArchivedError{Digest: img.Digest, Status: img.Status}
	default:
		err = t.put(ctx, repository, m, anchor)
	}
	return &registry.PutBackError{Digest: img.Digest, Tag: tag, Anchor: anchor, Err: err}
}

// untagged reads what became of a tag that was to be taken from an image.
func untagged(out *ecr.BatchDeleteImageOutput, digest image.Digest, tag string) error {
	for i := range out.Failures {
		switch f := &out.Failures[i]; {
		case f.ImageId != nil && aws.ToString(f.ImageId.ImageTag) != tag:
		case f.FailureCode == types.ImageFailureCodeImageNotFound:
			return nil // it was taken since
		default:
			return &ImageError{Digest: digest, Code: string(f.FailureCode), Reason: aws.ToString(f.FailureReason)}
		}
	}
	for i := range out.ImageIds {
		if aws.ToString(out.ImageIds[i].ImageTag) != tag {
			continue
		}
		switch d, err := image.ParseDigest(imageDigest(&out.ImageIds[i])); {
		case err != nil:
		case d == digest:
			return nil
		default:
			return fmt.Errorf("the tag went to another image at that moment, and was taken from %s", d)
		}
	}
	return &UnknownOutcomeError{Digest: digest}
}
