package ecr

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/registry"
)

// put pushes a manifest under a tag, or by its digest alone for "". That it is
// there already is success. A quota that is used up is ECR's own
// LimitExceededException.
func (t *Tagger) put(ctx context.Context, repository string, m registry.Manifest, tag string) error {
	if d := image.DigestOf(m.Content); d != m.Digest {
		return fmt.Errorf("the manifest has the digest %s instead of %s", d, m.Digest)
	}
	in := ecr.PutImageInput{
		RegistryId: &t.id.Account, RepositoryName: &repository,
		ImageManifest: aws.String(string(m.Content)),
		ImageDigest:   aws.String(m.Digest.String()), // or ECR could take it for another image
	}
	if m.MediaType != "" {
		in.ImageManifestMediaType = &m.MediaType
	}
	if tag != "" {
		in.ImageTag = &tag
	}
	out, err := t.calls.putImage(ctx, &in)
	if err != nil {
		return t.refused(ctx, repository, m.Digest, tag, err)
	}
	if out.Image == nil || imageDigest(out.Image.ImageId) != m.Digest.String() {
		return errors.New("the registry's answer does not say that the image has the tag")
	}
	return nil
}

// refused returns what an error of PutImage means; nil is that all is as it
// should be.
func (t *Tagger) refused(ctx context.Context, repository string, digest image.Digest, tag string, err error) error {
	var (
		exists   *types.ImageAlreadyExistsException
		taken    *types.ImageTagAlreadyExistsException
		differs  *types.ImageDigestDoesNotMatchException
		layers   *types.LayersNotFoundException
		children *types.ReferencedImagesNotFoundException
	)
	switch {
	case errors.As(err, &exists):
		return nil
	case errors.As(err, &taken):
		// Or an earlier attempt of this call gave the image its tag, and its
		// answer was lost.
		other, there, lookErr := t.resolve(ctx, repository, tag)
		if lookErr == nil && there && other.Digest == digest {
			return nil
		}
		return &registry.TagTakenError{Digest: digest, Tag: tag, Other: other.Digest, Immutable: true}
	case errors.As(err, &differs):
		return fmt.Errorf("the registry computes another digest of the manifest, so nothing was done: %w", err)
	case errors.As(err, &layers):
		return &registry.LayersGoneError{Digest: digest, Layers: digestsIn(layers.ErrorMessage(), digest), Err: err}
	case errors.As(err, &children):
		return &registry.ChildrenGoneError{Digest: digest, Children: digestsIn(children.ErrorMessage(), digest), Err: err}
	}
	return err
}

// Put pushes a manifest again. See registry.Writer.
func (w *Writer) Put(ctx context.Context, repository string, m registry.Manifest, tags []string) error {
	fail := func(err error) error {
		return fmt.Errorf("put image %s back into repository %s: %w", m.Digest, repository, gone(repository, err))
	}
	var left []error
	done := false
	for _, tag := range tags {
		err := w.free(ctx, repository, m.Digest, tag)
		if err == nil {
			err = w.put(ctx, repository, m, tag)
			done = done || err == nil
		}
		var limit *types.LimitExceededException
		if done && errors.As(err, &limit) {
			err = &registry.TagLimitError{Digest: m.Digest, Tag: tag, Err: err}
		}
		var taken *registry.TagTakenError
		switch {
		case errors.As(err, &taken):
			left = append(left, err)
		case err != nil:
			return fail(errors.Join(append(left, err)...))
		}
	}
	if !done {
		if err := w.put(ctx, repository, m, ""); err != nil {
			return fail(errors.Join(append(left, err)...))
		}
	}
	if len(left) > 0 {
		return fail(errors.Join(left...))
	}
	return nil
}
