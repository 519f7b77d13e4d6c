package ecr

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/regsweep/regsweep/internal/image"
)

// describe reads one page of images, of every storage status: by default ECR
// leaves out what is archived or being restored. It returns the token of the
// next page.
func (r *Reader) describe(ctx context.Context, repository string, token *string, shared interner) ([]image.Image, *string, error) {
	out, err := r.calls.describeImages(ctx, &ecr.DescribeImagesInput{
		RegistryId: &r.id.Account, RepositoryName: &repository,
		Filter:     &types.DescribeImagesFilter{ImageStatus: types.ImageStatusFilterAny},
		MaxResults: aws.Int32(pageSize), NextToken: token,
	})
	if err != nil {
		return nil, nil, err
	}
	if out.ImageDetails == nil {
		return nil, nil, errors.New("the answer has no list of images")
	}
	images := make([]image.Image, len(out.ImageDetails))
	for i := range out.ImageDetails {
		if images[i], err = convert(&out.ImageDetails[i], shared); err != nil {
			return nil, nil, err
		}
	}
	return images, out.NextToken, nil
}

// convert reads what ECR says of one image. Nothing of the result refers to
// the SDK's answer, whose strings are all parts of a whole page.
func convert(d *types.ImageDetail, shared interner) (image.Image, error) {
	digest, err := image.ParseDigest(aws.ToString(d.ImageDigest))
	if err != nil {
		return image.Image{}, fmt.Errorf("read the digest of an image: %w", err)
	}
	i := image.Image{
		Digest:       digest,
		PushedAt:     moment(d.ImagePushedAt),
		PulledAt:     moment(d.LastRecordedPullTime),
		Size:         aws.ToInt64(d.ImageSizeInBytes),
		MediaType:    shared.intern(aws.ToString(d.ImageManifestMediaType)),
		ArtifactType: shared.intern(aws.ToString(d.ArtifactMediaType)),
	}
	if subject := aws.ToString(d.SubjectManifestDigest); subject != "" {
		if i.Subject, err = image.ParseDigest(subject); err != nil {
			return image.Image{}, fmt.Errorf("read the subject of image %s: %w", digest, err)
		}
	}
	switch d.ImageStatus {
	case "", types.ImageStatusActive:
		i.Status = image.Active
	case types.ImageStatusArchived:
		i.Status = image.Archived
	case types.ImageStatusActivating:
		i.Status = image.Activating
	default:
		return image.Image{}, fmt.Errorf("image %s has the status %q, which this version of regsweep does not know", digest, d.ImageStatus)
	}
	if len(d.ImageTags) > 0 {
		i.Tags = make([]string, len(d.ImageTags))
		for n, tag := range d.ImageTags {
			i.Tags[n] = strings.Clone(tag)
		}
		slices.Sort(i.Tags)
		i.Tags = slices.Compact(i.Tags)
	}
	return i, nil
}

// moment converts a time of the API; none is the unknown time.
func moment(t *time.Time) image.Time {
	if t == nil {
		return 0
	}
	return image.At(*t)
}

// interner gives equal strings of one repository the same memory. It serves one
// goroutine.
type interner map[string]string

func (in interner) intern(s string) string {
	if s == "" {
		return ""
	}
	known, ok := in[s]
	if !ok {
		known = strings.Clone(s)
		in[known] = known
	}
	return known
}
