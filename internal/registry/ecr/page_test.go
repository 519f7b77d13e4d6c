package ecr

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/schemas"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/regsweep/regsweep/internal/image"
)

// ourPage reads an answer through a window of so many bytes.
func ourPage(body []byte, window int) (page, error) {
	reader := newPageReader(window)
	return reader.read(bytes.NewReader(body), interner{})
}

// sdkPage reads an answer as the SDK does, and makes records of it the plain
// way: it is what pageReader is compared with.
func sdkPage(body []byte) (page, error) {
	var out ecr.DescribeImagesOutput
	response := &smithyhttp.Response{Response: &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(body))}}
	operation := smithy.NewOperationSchema(schemas.DescribeImages, schemas.DescribeImagesRequest, schemas.DescribeImagesResponse)
	protocol := ecr.New(ecr.Options{Region: region}).Options().Protocol
	if err := protocol.DeserializeResponse(context.Background(), operation, ecr.TypeRegistry, response, &out); err != nil {
		return page{}, err
	}
	if out.ImageDetails == nil {
		return page{}, errors.New("no list")
	}
	p := page{images: []image.Image{}, next: aws.ToString(out.NextToken)}
	for i := range out.ImageDetails {
		img, err := convert(&out.ImageDetails[i])
		if err != nil {
			return page{}, err
		}
		p.images = append(p.images, img)
	}
	return p, nil
}

// convert makes a record of what the SDK read of an image.
func convert(d *types.ImageDetail) (i image.Image, err error) {
	i = image.Image{
		Size:     aws.ToInt64(d.ImageSizeInBytes),
		Tags:     slices.Clone(d.ImageTags),
		PushedAt: image.At(aws.ToTime(d.ImagePushedAt)), PulledAt: image.At(aws.ToTime(d.LastRecordedPullTime)),
	}
	if i.Digest, err = image.ParseDigest(aws.ToString(d.ImageDigest)); err != nil {
		return i, err
	}
	var subject image.Digest
	if text := aws.ToString(d.SubjectManifestDigest); text != "" {
		if subject, err = image.ParseDigest(text); err != nil {
			return i, err
		}
	}
	i.Type = image.NewType(aws.ToString(d.ImageManifestMediaType), aws.ToString(d.ArtifactMediaType), subject)
	status := slices.Index([]types.ImageStatus{types.ImageStatusActive, types.ImageStatusArchived, types.ImageStatusActivating}, d.ImageStatus)
	if status < 0 && d.ImageStatus != "" {
		return i, fmt.Errorf("status %s", d.ImageStatus)
	}
	i.Status = image.Status(max(status, 0))
	slices.Sort(i.Tags)
	if i.Tags = slices.Compact(i.Tags); len(i.Tags) == 0 {
		i.Tags = nil
	}
	return i, nil
}

// fullPage returns a page as ECR writes one.
func fullPage(images int) []byte {
	var b strings.Builder
	b.WriteString(`{"imageDetails":[`)
	for i := range images {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"artifactMediaType":"application/vnd.oci.image.config.v1+json","imageDigest":%q,"imageManifestMediaType":%q,`+
			`"imagePushedAt":%d.%03d,"imageSizeInBytes":%d,"imageStatus":"ACTIVE","imageTags":["main-2026.03.%d-%07x"],`+
			`"lastRecordedPullTime":%d.%03d,"registryId":%q,"repositoryName":"apps/web"}`,
			image.DigestOf(fmt.Append(nil, i)), image.MediaTypeOCIManifest, 1_770_000_000+i*61, i%1000, 50_000_000+i*7919,
			i%31+1, i*7919, 1_772_000_000+i*59, i*7%1000, ownAccount)
	}
	b.WriteString(`],"nextToken":"` + strings.Repeat("dG9rZW4", 40) + `"}`)
	return []byte(b.String())
}
