package ecr

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

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
	}, func(o *ecr.Options) {
		o.Protocol = &pageProtocol{ClientProtocol: o.Protocol, readers: &r.pageReaders, shared: shared, page: &answer}
	})
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

// pageProtocol is the protocol of one call of DescribeImages. It does what the
// SDK's own does, but reads an answer with status 200 by itself, into a page,
// and leaves the SDK's output empty. All else remains the SDK's and awsapi's:
// how requests are made, errors, retries, limits.
type pageProtocol struct {
	smithyhttp.ClientProtocol
	readers *sync.Pool
	shared  interner
	page    *page
}

// DeserializeResponse reads an answer. An error is a broken answer, after which
// the call can be repeated, unless it is an unusableError.
func (p *pageProtocol) DeserializeResponse(
	ctx context.Context, schema *smithy.OperationSchema, registry *smithy.TypeRegistry, response *smithyhttp.Response, out smithy.Deserializable,
) error {
	if response.StatusCode != http.StatusOK {
		return p.ClientProtocol.DeserializeResponse(ctx, schema, registry, response, out)
	}
	reader, ok := p.readers.Get().(*pageReader)
	if !ok {
		reader = newPageReader(pageWindow)
	}
	defer p.readers.Put(reader)
	answer, err := reader.read(response.Body, p.shared)
	var unusable *unusableError
	switch {
	case errors.As(err, &unusable):
		return err
	case err != nil:
		return &smithy.DeserializationError{Err: err}
	}
	*p.page = answer
	return nil
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
