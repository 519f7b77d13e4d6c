package registry

import (
	"context"

	"github.com/regsweep/regsweep/internal/image"
)

// LifecycleReader reads the lifecycle policies of a registry, and what belongs to
// them.
type LifecycleReader interface {
	// LifecyclePolicy returns the policy of a repository as it was put, and "" for
	// a repository that has none.
	LifecyclePolicy(ctx context.Context, repository string) (string, error)
	// StorageTimes returns when images were last archived and restored, of those
	// that ever were.
	StorageTimes(ctx context.Context, repository string) (map[image.Digest]StorageTimes, error)
	// PreviewLifecyclePolicy asks the registry itself what a policy would do now,
	// and waits for the answer. It changes no image.
	PreviewLifecyclePolicy(ctx context.Context, repository, policy string) ([]LifecycleAction, error)
}

// LifecycleWriter changes lifecycle policies. A policy acts alone afterwards.
type LifecycleWriter interface {
	// PutLifecyclePolicy gives a repository a policy in the place of any other.
	PutLifecyclePolicy(ctx context.Context, repository, policy string) error
}

// StorageTimes are when an image was last archived and restored; zero is never.
type StorageTimes struct{ ArchivedAt, ActivatedAt image.Time }

// LifecycleAction is what a policy would do with one image, as the registry says.
type LifecycleAction struct {
	Digest image.Digest
	// Archive says that it would be archived; else it would expire.
	Archive bool
	// Priority is that of the rule.
	Priority int
}
