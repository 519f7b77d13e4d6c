package registry

import "fmt"

// RepositoryGoneError says that a repository does not exist, or does no longer.
// It is an error, and not an empty repository: what cannot be read is not known
// to be nothing.
type RepositoryGoneError struct {
	Repository string
	// Err is the registry's own error.
	Err error
}

func (e *RepositoryGoneError) Error() string {
	return fmt.Sprintf("repository %s does not exist: %v", e.Repository, e.Err)
}

// Unwrap returns the registry's own error.
func (e *RepositoryGoneError) Unwrap() error { return e.Err }
