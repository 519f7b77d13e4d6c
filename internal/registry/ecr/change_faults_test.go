package ecr

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/registry"
)

// TestFaultAtEveryChange lets each call of each change go wrong once, and for
// good, in each way. A change that succeeds has been made; after one that fails
// no image is gone, and the change can be made again.
func TestFaultAtEveryChange(t *testing.T) {
	a, gone := plain("a"), plain("gone")
	digest, goneDigest := image.DigestOf(a.Bytes()), image.DigestOf(gone.Bytes())
	hasTag := func(tag string) func(*embedded.Repository) bool {
		return func(r *embedded.Repository) bool {
			img, ok := r.Image(tag)
			return ok && img.Digest == digest.String()
		}
	}
	changes := []struct {
		name  string
		calls int // of one that nothing disturbs
		make  func(t *testing.T, w *Writer) error
		made  func(*embedded.Repository) bool
	}{
		{"tag", 4, func(t *testing.T, w *Writer) error {
			return w.Tag(t.Context(), "apps/web", digest, "in-use-3")
		}, hasTag("in-use-3")},
		{"move", 3, func(t *testing.T, w *Writer) error {
			return w.MoveTag(t.Context(), "apps/web", digest, "b")
		}, hasTag("b")},
		{"untag", 5, func(t *testing.T, w *Writer) error {
			return w.Untag(t.Context(), "apps/web", digest, "in-use-1", "in-use-2")
		}, func(r *embedded.Repository) bool {
			_, ok := r.Image("in-use-1")
			return !ok
		}},
		{"put", 4, func(t *testing.T, w *Writer) error {
			m := registry.Manifest{Digest: goneDigest, MediaType: gone.MediaType, Content: gone.Bytes()}
			return w.Put(t.Context(), "apps/web", m, []string{"gone", "latest"})
		}, func(r *embedded.Repository) bool {
			img, ok := r.Image(goneDigest.String())
			return ok && slices.Equal(img.Tags, []string{"gone", "latest"})
		}},
		{"activate", 1, func(t *testing.T, w *Writer) error {
			return w.Activate(t.Context(), "apps/web", image.DigestOf(plain("archived").Bytes()))
		}, func(r *embedded.Repository) bool {
			img, ok := r.Image(image.DigestOf(plain("archived").Bytes()).String())
			return ok && img.Status != "ARCHIVED"
		}},
	}
	kinds := map[string]embedded.Fault{"nothing in it": {Kind: embedded.FaultEmptyObject}}
	for name, fault := range faults {
		kinds[name] = fault
	}
	for _, change := range changes {
		for name, fault := range kinds {
			t.Run(change.name+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					for n := range change.calls + 1 {
						for _, lasting := range []bool{false, true} {
							w := newBubble()
							repo := w.own().MustCreateRepository("apps/web", embedded.RepositoryOptions{})
							push(repo, a, "in-use-1", "in-use-2")
							push(repo, plain("b"), "b")
							repo.Archive(push(repo, plain("archived")), w.now())
							repo.AddLayers(gone.Config.Digest, gone.Layers[0].Digest)
							writer := w.writer(t, Config{Account: ownAccount})
							w.ResetStats()
							w.SetFaults(func(call int, _, _ string) embedded.Fault {
								if call == n+1 || lasting && call > n {
									return fault
								}
								return embedded.Fault{}
							})
							err := change.make(t, writer)
							if err == nil && !change.made(repo) {
								t.Errorf("call %d, lasting %v: success, and the change was not made", n+1, lasting)
							}
							if n == change.calls && err != nil {
								t.Errorf("nothing disturbed it: %v", err)
							}
							for _, m := range []embedded.Manifest{a, plain("b"), plain("archived")} {
								if _, there := repo.Image(image.DigestOf(m.Bytes()).String()); !there {
									t.Fatalf("call %d, lasting %v: an image is gone", n+1, lasting)
								}
							}
							w.SetFaults(nil)
							if err := change.make(t, writer); err != nil || !change.made(repo) {
								t.Errorf("call %d, lasting %v: again: %v, made: %v", n+1, lasting, err, change.made(repo))
							}
						}
					}
				})
			})
		}
	}
}
