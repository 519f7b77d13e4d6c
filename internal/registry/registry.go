// Package registry says what regsweep needs of a registry. Planning gets a
// Reader, which has nothing that it could delete with; only apply gets a Writer.
package registry

import (
	"context"
	"fmt"
	"strings"

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
	// name. want is called once for every repository that there is. withTags asks for the resource tags too; where those cannot be read
	// the repository says so in TagsError and the call succeeds.
	Repositories(ctx context.Context, want func(name string) bool, withTags bool) ([]image.Repository, error)
	// Read returns the complete contents of a repository, or an error and
	// nothing. The manifest of every index is read; allManifests asks for those
	// of the other images too. A manifest that cannot be read or parsed is in
	// Contents.Unreadable and is no error.
	Read(ctx context.Context, repository image.Repository, allManifests bool) (*image.Contents, error)
}

// Writer changes a registry.
type Writer interface {
	// MaxBatch is how many images one call of Delete takes.
	MaxBatch() int
	// Delete deletes images by digest, at most MaxBatch of them, in one call.
	// The result has one entry for each digest, in their order: nil where the
	// image is gone (deleted now or not found), else why it is still there. The
	// error is for a call that failed as a whole: then nothing is known of any.
	Delete(ctx context.Context, repository string, digests []image.Digest) ([]error, error)
	// Archive moves one image to the archive storage class. An image that is
	// there already is no error.
	Archive(ctx context.Context, repository string, digest image.Digest) error
}

// ReferencedError says that an image was not deleted because an index that
// still exists lists it.
type ReferencedError struct {
	Digest  image.Digest
	Parents []image.Digest
}

func (e *ReferencedError) Error() string {
	parents := make([]string, len(e.Parents))
	for i, p := range e.Parents {
		parents[i] = p.String()
	}
	return fmt.Sprintf("%s is listed by an index that still exists: %s", e.Digest, strings.Join(parents, ", "))
}
