package kubernetes

import (
	"strings"

	"github.com/regsweep/regsweep/internal/usage"
)

var _ usage.Namespaced = (*source)(nil)

// Namespace implements usage.Namespaced: a holder is namespace/Kind/name, or
// Kind/name for what is in none.
func (s *source) Namespace(holder string) string {
	if parts := strings.SplitN(holder, "/", 3); len(parts) == 3 {
		return parts[0]
	}
	return ""
}
