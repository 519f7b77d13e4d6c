package registry

import (
	"fmt"
	"strings"

	"github.com/regsweep/regsweep/internal/image"
)

// ReferencedError says that an image was not deleted because an index that
// still exists lists it.
type ReferencedError struct {
	Digest  image.Digest
	Parents []image.Digest
}

func (e *ReferencedError) Error() string {
	return fmt.Sprintf("%s is listed by an index that still exists: %s", e.Digest, list(e.Parents))
}

// ImageGoneError says that there is no such image, or no longer.
type ImageGoneError struct {
	Repository string
	Digest     image.Digest
}

func (e *ImageGoneError) Error() string {
	return fmt.Sprintf("%s is not in repository %s", e.Digest, e.Repository)
}

// ArchivedError says that an image cannot be read, and so not tagged, because of
// its storage class.
type ArchivedError struct {
	Digest image.Digest
	// Status is image.Archived, or image.Activating for one on its way back.
	Status image.Status
}

func (e *ArchivedError) Error() string {
	if e.Status == image.Activating {
		return fmt.Sprintf("%s is on its way back from the archive, and cannot be read yet", e.Digest)
	}
	return fmt.Sprintf("%s is in the archive, where it cannot be read", e.Digest)
}

// TagTakenError says that an image does not get a tag because another image has
// it.
type TagTakenError struct {
	// Digest is the image that was to get the tag.
	Digest image.Digest
	Tag    string
	// Other is the image that has it, or zero where the registry does not say.
	Other image.Digest
	// Immutable says that the registry refused: the tag cannot be moved.
	Immutable bool
}

func (e *TagTakenError) Error() string {
	other, immutable := "another image", ""
	if !e.Other.IsZero() {
		other = e.Other.String()
	}
	if e.Immutable {
		immutable = ", and tags of the repository cannot be moved"
	}
	return fmt.Sprintf("%s cannot have the tag %s: %s has it%s", e.Digest, e.Tag, other, immutable)
}

// TagLimitError says that an image has as many tags as the registry allows (ECR:
// 1,000).
type TagLimitError struct {
	Digest image.Digest
	Tag    string
	// Err is the registry's own error, or nil where it was not asked.
	Err error
}

func (e *TagLimitError) Error() string {
	text := fmt.Sprintf("%s cannot have the tag %s: it has as many tags as the registry allows", e.Digest, e.Tag)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the registry's own error.
func (e *TagLimitError) Unwrap() error { return e.Err }

// LastTagError says that a tag was not taken away because the image does not
// have the anchor: it could have been its last one.
type LastTagError struct {
	Digest      image.Digest
	Tag, Anchor string
}

func (e *LastTagError) Error() string {
	return fmt.Sprintf("the tag %s of %s stays: the image has no tag %s that would stay, and goes with its last one", e.Tag, e.Digest, e.Anchor)
}

// PutBackError says that an image went with its last tag, since somebody else
// took the others at that moment, and what became of it.
type PutBackError struct {
	Digest image.Digest
	// Tag is the one that was taken, and Anchor the one under which the image was
	// put back.
	Tag, Anchor string
	// Err is why the image could not be put back, or nil where it is there again.
	Err error
}

func (e *PutBackError) Error() string {
	text := fmt.Sprintf("%s went with the tag %s, since its tag %s was taken at the same time", e.Digest, e.Tag, e.Anchor)
	if e.Err != nil {
		return text + ", and it could not be put back: " + e.Err.Error()
	}
	return text + ": it was put back under " + e.Anchor
}

// Unwrap returns why the image could not be put back.
func (e *PutBackError) Unwrap() error { return e.Err }

// LayersGoneError says that an image cannot be put back because layers of it
// are no longer in the repository.
type LayersGoneError struct {
	Digest image.Digest
	// Layers are those that the registry names, which may be none.
	Layers []image.Digest
	// Err is the registry's own error.
	Err error
}

func (e *LayersGoneError) Error() string {
	return fmt.Sprintf("%s cannot be put back: its layers are gone%s", e.Digest, named(e.Layers))
}

// Unwrap returns the registry's own error.
func (e *LayersGoneError) Unwrap() error { return e.Err }

// ChildrenGoneError says that an index cannot be put back because images that
// it lists are not in the repository. They can be put back before it.
type ChildrenGoneError struct {
	Digest image.Digest
	// Children are those that the registry names, which may be none.
	Children []image.Digest
	// Err is the registry's own error.
	Err error
}

func (e *ChildrenGoneError) Error() string {
	return fmt.Sprintf("%s cannot be put back: images that it lists are not there%s", e.Digest, named(e.Children))
}

// Unwrap returns the registry's own error.
func (e *ChildrenGoneError) Unwrap() error { return e.Err }

// named returns digests for the end of a sentence.
func named(digests []image.Digest) string {
	if len(digests) == 0 {
		return ""
	}
	return ": " + list(digests)
}

func list(digests []image.Digest) string {
	texts := make([]string, len(digests))
	for i, d := range digests {
		texts[i] = d.String()
	}
	return strings.Join(texts, ", ")
}
