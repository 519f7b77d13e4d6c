package app

import (
	"context"
	"sync"
	"time"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/registry"
)

// timed is a registry.Reader that notes what was read of it, and when last.
type timed struct {
	registry.Reader
	now   func() time.Time
	began time.Time

	mu                   sync.Mutex
	read, failed, images int
	last                 time.Time
}

func newTimed(r registry.Reader, now func() time.Time) *timed {
	began := now()
	return &timed{Reader: r, now: now, began: began, last: began}
}

// Read implements registry.Reader.
func (t *timed) Read(ctx context.Context, repository image.Repository, allManifests bool) (*image.Contents, error) {
	contents, err := t.Reader.Read(ctx, repository, allManifests)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = t.now()
	if err != nil {
		t.failed++
		return nil, err
	}
	t.read++
	t.images += len(contents.Images)
	return contents, nil
}

// readOf tells the log what was read of a registry that has so many repositories.
// What is read again for its manifests counts again.
func (a *App) readOf(t *timed, repositories int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a.Log.Debug("registry read", "registry", t.Identity().Name, "host", t.Identity().Host, "repositories", repositories,
		"read", t.read, "failed", t.failed, "images", t.images, "took", t.last.Sub(t.began).Round(time.Millisecond))
}
