package ecr

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/regsweep/regsweep/internal/image"
)

// describe reads one page of images, of every storage status: by default ECR
// leaves out what is archived or being restored. It returns the token of the
// next page.
func (r *Reader) describe(ctx context.Context, repository string, token *string, shared interner) ([]image.Image, *string, error) {
	var answer page
	_, err := r.calls.describeImages(ctx, &ecr.DescribeImagesInput{
		RegistryId: &r.id.Account, RepositoryName: &repository,
		Filter:     &types.DescribeImagesFilter{ImageStatus: types.ImageStatusFilterAny},
		MaxResults: aws.Int32(pageSize), NextToken: token,
	}, readPage(&r.pageReaders, shared, &answer))
	if err != nil {
		return nil, nil, err
	}
	if answer.images == nil {
		return nil, nil, errors.New("the answer has no list of images")
	}
	return answer.images, &answer.next, nil
}

// page is an answer of DescribeImages. Its images are not nil.
type page struct {
	images []image.Image
	// next is the token of the next page, or "".
	next string
}

// readPage is an option of a call of DescribeImages, which puts its answer into
// a page. readers holds the *pageReader that no call uses.
func readPage(readers *sync.Pool, shared interner, into *page) func(*ecr.Options) {
	return readAnswer(func(body io.Reader) error {
		reader, ok := readers.Get().(*pageReader)
		if !ok {
			reader = newPageReader(pageWindow)
		}
		defer readers.Put(reader)
		answer, err := reader.read(body, shared)
		if err == nil {
			*into = answer
		}
		return err
	})
}

// interner gives equal types of one repository the same memory. It serves one
// goroutine.
type interner map[[2]string]*image.Type

// intern returns the type of this media type and artifact type without a
// subject.
func (in interner) intern(mediaType, artifactType []byte) *image.Type {
	known, ok := in[[2]string{string(mediaType), string(artifactType)}]
	if !ok {
		known = image.NewType(string(mediaType), string(artifactType), image.Digest{})
		in[[2]string{string(mediaType), string(artifactType)}] = known
	}
	return known
}
