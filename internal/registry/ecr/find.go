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
)

// lookup asks ECR for single images.
type lookup struct {
	account        string
	describeImages func(context.Context, *ecr.DescribeImagesInput, ...func(*ecr.Options)) (*ecr.DescribeImagesOutput, error)
	readers        *sync.Pool
}

// find returns what ECR says of an image now, of whatever storage class, and
// false where it says that there is none.
func (l lookup) find(ctx context.Context, repository string, digest image.Digest) (image.Image, bool, error) {
	img, ok, err := l.one(ctx, repository, types.ImageIdentifier{ImageDigest: aws.String(digest.String())})
	if err == nil && ok && img.Digest != digest {
		ok, err = false, fmt.Errorf("the registry answered with image %s", img.Digest)
	}
	if err != nil {
		return image.Image{}, false, fmt.Errorf("look up image %s of repository %s: %w", digest, repository, gone(repository, err))
	}
	return img, ok, nil
}

// resolve is find for the image that has a tag.
func (l lookup) resolve(ctx context.Context, repository, tag string) (image.Image, bool, error) {
	img, ok, err := l.one(ctx, repository, types.ImageIdentifier{ImageTag: &tag})
	if err == nil && ok && !slices.Contains(img.Tags, tag) {
		ok, err = false, fmt.Errorf("the registry answered with image %s, which does not have the tag", img.Digest)
	}
	if err != nil {
		return image.Image{}, false, fmt.Errorf("look up tag %s of repository %s: %w", tag, repository, gone(repository, err))
	}
	return img, ok, nil
}

// one describes one image. That it does not exist is an exception of ECR: an
// empty answer says nothing.
func (l lookup) one(ctx context.Context, repository string, id types.ImageIdentifier) (image.Image, bool, error) {
	images, err := l.describe(ctx, repository, []types.ImageIdentifier{id})
	if e := (*types.ImageNotFoundException)(nil); errors.As(err, &e) {
		return image.Image{}, false, nil
	}
	if err != nil {
		return image.Image{}, false, err
	}
	if len(images) != 1 {
		return image.Image{}, false, fmt.Errorf("the answer has %d images instead of one", len(images))
	}
	return images[0], true, nil
}

// describe describes at most maxBatch images. One that does not exist fails the
// whole call.
func (l lookup) describe(ctx context.Context, repository string, ids []types.ImageIdentifier) ([]image.Image, error) {
	var answer page
	_, err := l.describeImages(ctx, &ecr.DescribeImagesInput{
		RegistryId: &l.account, RepositoryName: &repository, ImageIds: ids,
		Filter: &types.DescribeImagesFilter{ImageStatus: types.ImageStatusFilterAny},
	}, readPage(l.readers, interner{}, &answer))
	return answer.images, err
}

// Find returns what ECR says of an image now. See registry.Reader.
func (r *Reader) Find(ctx context.Context, repository string, digest image.Digest) (image.Image, bool, error) {
	return r.lookup().find(ctx, repository, digest)
}

// Resolve returns the image that has a tag. See registry.Reader.
func (r *Reader) Resolve(ctx context.Context, repository, tag string) (image.Image, bool, error) {
	return r.lookup().resolve(ctx, repository, tag)
}

func (r *Reader) lookup() lookup {
	return lookup{account: r.id.Account, describeImages: r.calls.describeImages, readers: &r.pageReaders}
}
