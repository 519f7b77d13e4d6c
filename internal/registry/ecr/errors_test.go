package ecr

import (
	"errors"
	"unsafe"

	"github.com/regsweep/regsweep/internal/registry"
)

// isGone reports whether an error says that a repository does not exist.
func isGone(err error) bool {
	var gone *registry.RepositoryGoneError
	return errors.As(err, &gone)
}

// sameMemory reports whether two strings begin at one place.
func sameMemory(a, b string) bool { return unsafe.StringData(a) == unsafe.StringData(b) }
