package ecr

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/registry"
)

// ImageError says why ECR did not do something to one image.
type ImageError struct {
	Digest image.Digest
	// Code is ECR's ImageFailureCode, such as "KmsError".
	Code string
	// Reason is ECR's explanation, and may be empty.
	Reason string
}

func (e *ImageError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("%s: %s", e.Digest, e.Code)
	}
	return fmt.Sprintf("%s: %s: %s", e.Digest, e.Code, e.Reason)
}

// OutcomeUnknown reports that ECR says what became of the image.
func (e *ImageError) OutcomeUnknown() bool { return false }

// UnknownOutcomeError says that ECR's answer does not tell what became of an
// image that it was asked to delete or to archive.
type UnknownOutcomeError struct {
	Digest image.Digest
}

func (e *UnknownOutcomeError) Error() string {
	return fmt.Sprintf("%s: the registry's answer does not say what became of the image", e.Digest)
}

// OutcomeUnknown reports that the image may be gone.
func (e *UnknownOutcomeError) OutcomeUnknown() bool { return true }

// Writer changes an ECR registry. Its methods may be called by many goroutines
// at once.
type Writer struct {
	*Tagger
	writes writeCalls
}

var _ registry.Writer = (*Writer)(nil)

// writeCalls are the calls that a writer makes besides those of a tagger.
type writeCalls struct {
	batchDeleteImage        func(context.Context, *ecr.BatchDeleteImageInput, ...func(*ecr.Options)) (*ecr.BatchDeleteImageOutput, error)
	updateImageStorageClass func(context.Context, *ecr.UpdateImageStorageClassInput, ...func(*ecr.Options)) (*ecr.UpdateImageStorageClassOutput, error)
}

func newWriter(id registry.Identity, sdk aws.Config, env Env) *Writer {
	client := ecr.NewFromConfig(sdk)
	return &Writer{Tagger: newTagger(id, sdk, env), writes: writeCalls{
		batchDeleteImage:        client.BatchDeleteImage,
		updateImageStorageClass: client.UpdateImageStorageClass,
	}}
}

// MaxBatch is how many images one call of Delete or Manifests takes.
func (w *Writer) MaxBatch() int { return maxBatch }

// Delete deletes images. See registry.Writer. They are named by digest alone:
// a deletion by tag takes the tag away, and with the last one the image.
//
// The entries of the result are *registry.ReferencedError, *ImageError and
// *UnknownOutcomeError.
func (w *Writer) Delete(ctx context.Context, repository string, digests []image.Digest) ([]error, error) {
	if len(digests) == 0 {
		return nil, nil
	}
	in := ecr.BatchDeleteImageInput{RegistryId: &w.id.Account, RepositoryName: &repository}
	for _, d := range digests {
		in.ImageIds = append(in.ImageIds, types.ImageIdentifier{ImageDigest: aws.String(d.String())})
	}
	out, err := w.writes.batchDeleteImage(ctx, &in)
	if err != nil {
		return nil, fmt.Errorf("delete images of repository %s: %w", repository, gone(repository, err))
	}
	outcomes := make(map[image.Digest]error, len(digests))
	for i := range out.ImageIds {
		if d, err := image.ParseDigest(imageDigest(&out.ImageIds[i])); err == nil {
			outcomes[d] = nil
		}
	}
	// An image that were in both lists would count as still there.
	for i := range out.Failures {
		if d, err := image.ParseDigest(imageDigest(out.Failures[i].ImageId)); err == nil {
			outcomes[d] = failureOf(d, &out.Failures[i])
		}
	}
	results := make([]error, len(digests))
	for i, d := range digests {
		outcome, known := outcomes[d]
		if !known {
			outcome = &UnknownOutcomeError{Digest: d}
		}
		results[i] = outcome
	}
	return results, nil
}

// failureOf reads why an image was not deleted; nil means that it is not there.
func failureOf(d image.Digest, f *types.ImageFailure) error {
	switch f.FailureCode {
	case types.ImageFailureCodeImageNotFound:
		return nil
	case types.ImageFailureCodeImageReferencedByManifestList:
		return &registry.ReferencedError{Digest: d, Parents: digestsIn(aws.ToString(f.FailureReason), d)}
	}
	return &ImageError{Digest: d, Code: string(f.FailureCode), Reason: aws.ToString(f.FailureReason)}
}

var digestPattern = regexp.MustCompile(`sha256:[0-9a-f]{64}\b`)

// digestsIn returns the digests that a text names, other than the image's own.
// They inform; nothing depends on them.
func digestsIn(text string, own image.Digest) (digests []image.Digest) {
	for _, s := range digestPattern.FindAllString(text, -1) {
		if d, err := image.ParseDigest(s); err == nil && d != own {
			digests = append(digests, d)
		}
	}
	return digests
}

// Archive moves one image to the archive storage class. See registry.Writer.
func (w *Writer) Archive(ctx context.Context, repository string, digest image.Digest) error {
	err := w.store(ctx, repository, digest, types.TargetStorageClassArchive, image.Archived)
	if err != nil {
		return fmt.Errorf("archive image %s of repository %s: %w", digest, repository, gone(repository, err))
	}
	return nil
}

// Activate asks for an archived image back. See registry.Writer.
func (w *Writer) Activate(ctx context.Context, repository string, digest image.Digest) error {
	err := w.store(ctx, repository, digest, types.TargetStorageClassStandard, image.Active, image.Activating)
	if err != nil {
		return fmt.Errorf("activate image %s of repository %s: %w", digest, repository, gone(repository, err))
	}
	return nil
}

// store asks for another storage class. Whether ECR refuses an image that has it
// already is not documented. So a refusal, and an answer that does not tell, is
// judged by what the image is now.
func (w *Writer) store(ctx context.Context, repository string, digest image.Digest, class types.TargetStorageClass, done ...image.Status) error {
	out, err := w.writes.updateImageStorageClass(ctx, &ecr.UpdateImageStorageClassInput{
		RegistryId: &w.id.Account, RepositoryName: &repository,
		ImageId:            &types.ImageIdentifier{ImageDigest: aws.String(digest.String())},
		TargetStorageClass: class,
	})
	var refused *types.ImageStorageClassUpdateNotSupportedException
	var missing *types.ImageNotFoundException
	switch {
	case errors.As(err, &missing):
		return &registry.ImageGoneError{Repository: repository, Digest: digest}
	case err != nil && !errors.As(err, &refused):
		return err
	case err == nil:
		status, unknown := statusOf([]byte(out.ImageStatus))
		if out.ImageStatus != "" && unknown == nil && slices.Contains(done, status) {
			return nil
		}
		err = &UnknownOutcomeError{Digest: digest}
	}
	if img, there, lookErr := w.find(ctx, repository, digest); lookErr == nil && there && slices.Contains(done, img.Status) {
		return nil
	}
	return err
}

// gone gives the error of a repository that does not exist its type.
func gone(repository string, err error) error {
	if e := (*types.RepositoryNotFoundException)(nil); errors.As(err, &e) {
		return &registry.RepositoryGoneError{Repository: repository, Err: err}
	}
	return err
}
