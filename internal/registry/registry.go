// Package registry says what regsweep needs of a registry. Planning gets a
// Reader, which has nothing that it could delete with; only apply gets a Writer.
package registry

import (
	"context"

	"github.com/regsweep/regsweep/internal/image"
)

// Identity is what references to a registry look like.
type Identity struct {
	// Name is the registry's name in the configuration.
	Name string
	// Host is the registry's own host name.
	Host string
	// Account and Region are set for ECR, whose registries have several hosts.
	Account, Region string
	// Aliases are further hosts that mirror or rename the registry, lower-case.
	Aliases []string
}

// Reader reads a registry.
type Reader interface {
	// Identity does not change after the registry was opened.
	Identity() Identity
	// Repositories lists the repositories whose name want accepts, sorted by
	// name. want is called for every repository that there is. withTags asks for
	// the resource tags too; where those cannot be read the repository says so in
	// TagsError and the call succeeds.
	Repositories(ctx context.Context, want func(name string) bool, withTags bool) ([]image.Repository, error)
	// Read returns the complete contents of a repository, or an error and
	// nothing. The manifest of every index is read; allManifests asks for those
	// of the other images too. A manifest that cannot be read or parsed is in
	// Contents.Unreadable and is no error.
	Read(ctx context.Context, repository image.Repository, allManifests bool) (*image.Contents, error)
	// Find returns what the registry says of one image now, whatever its storage
	// class, and false where there is no such image. It reads no manifest.
	Find(ctx context.Context, repository string, digest image.Digest) (image.Image, bool, error)
	// Resolve is Find for the image that has a tag.
	Resolve(ctx context.Context, repository, tag string) (image.Image, bool, error)
}

// Tagger adds and removes tags. It cannot delete an image. Every method returns
// an *ImageGoneError where the image is not there, unless it says otherwise.
type Tagger interface {
	// Tag gives an image one more tag. The bytes, the digest and the media type
	// of its manifest stay what they are. A tag that the image has already is no
	// error. Errors are a *TagTakenError where another image has the tag, which
	// is left to it; a *TagLimitError; and an *ArchivedError.
	//
	// Registries move a tag without a question. So Tag looks right before whether
	// the tag is free; one that is given to another image between that look and
	// the call is moved all the same. An image that is deleted in that moment is
	// put back, as if it had just been pushed.
	Tag(ctx context.Context, repository string, digest image.Digest, tag string) error
	// MoveTag is Tag for a tag that is to be on one image of the repository: it
	// takes the tag from the image that has it, which stays, and may be untagged
	// then. It returns a *TagTakenError only where the tag is immutable.
	MoveTag(ctx context.Context, repository string, digest image.Digest, tag string) error
	// Untag takes a tag from an image. anchor is another tag of the image, one
	// that only regsweep writes: it stays, so that the tag is never the last one,
	// with which registries delete the image. Both are looked at right before, and
	// without the anchor the answer is a *LastTagError and nothing is done. A tag
	// that the image does not have, or that went to another image, is no error,
	// and neither is an image that is gone.
	//
	// Who takes an anchor away at the same time can still make the tag the last
	// one. So of several tags the anchor must be one that every run keeps, such as
	// the newest. Untag looks afterwards too, and puts an image that was deleted
	// so back under its anchor: then the answer is a *PutBackError.
	Untag(ctx context.Context, repository string, digest image.Digest, tag, anchor string) error
}

// Writer changes a registry.
type Writer interface {
	Tagger
	// MaxBatch is how many images one call of Delete or Manifests takes.
	MaxBatch() int
	// Delete deletes images by digest, at most MaxBatch of them, in one call.
	// The result has one entry for each digest, in their order: nil where the
	// image is gone (deleted now or not found), else why it is still there. The
	// error is for a call that failed as a whole: then nothing is known of any.
	Delete(ctx context.Context, repository string, digests []image.Digest) ([]error, error)
	// Archive moves one image to the archive storage class. An image that is
	// there already is no error.
	Archive(ctx context.Context, repository string, digest image.Digest) error
	// Activate asks for an archived image back in the standard storage class,
	// which takes a while: Reader.Find tells when it is image.Active. One that is
	// not archived, or on its way already, is no error.
	Activate(ctx context.Context, repository string, digest image.Digest) error
	// Manifests returns the manifests of images exactly as they were pushed, at
	// most MaxBatch, one entry for each in their order, in one call. images are
	// as a Reader has told them. The error is for a call that failed as a whole.
	Manifests(ctx context.Context, repository string, images []image.Image) ([]Fetched, error)
	// Put pushes a manifest again, under the tags or, with none, by its digest
	// alone. What is there already is no error. A tag that another image has by
	// now is left to it, as by Tag: the image is put without it, and the error
	// holds a *TagTakenError for each. It is a *LayersGoneError or a
	// *ChildrenGoneError where what the manifest refers to is no longer in the
	// repository; then nothing is put.
	Put(ctx context.Context, repository string, m Manifest, tags []string) error
}

// Manifest is a manifest as it is pushed.
type Manifest struct {
	Digest image.Digest
	// MediaType is what the registry says of it, which the bytes need not.
	MediaType string
	// Content is the bytes whose digest is Digest.
	Content []byte
}

// Fetched is a manifest, or why it cannot be had.
type Fetched struct {
	Manifest
	// Err is an *ImageGoneError, an *ArchivedError, or what else the registry
	// says; then there is no Content.
	Err error
}
