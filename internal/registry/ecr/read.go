package ecr

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/manifests"
)

// Our own reading of a manifest can show as a pull from shortly before we began
// it (clocks differ) until a day after: ECR refreshes the recorded time "at
// least once every 24 hours" (API reference, ImageDetail).
const (
	ownPullBefore = image.Time(time.Minute / time.Millisecond)
	ownPullAfter  = image.Time(24 * time.Hour / time.Millisecond)
)

// fetchGarbage is about how many bytes asking for a manifest and reading it
// leaves behind.
const fetchGarbage = 500

// Read returns the complete contents of a repository. See registry.Reader.
//
// A repository that does not exist, or disappears meanwhile, is a
// registry.RepositoryGoneError.
func (r *Reader) Read(ctx context.Context, repository image.Repository, allManifests bool) (*image.Contents, error) {
	read := &reading{
		Reader: r, repository: repository, allManifests: allManifests,
		origin: manifests.OriginOf(r.id.Host, repository.Name),
	}
	contents, err := read.once(ctx)
	if err == nil && read.stale {
		// An image was deleted or archived after it was listed, so the listing
		// no longer holds. If it happens again, the image is an unreadable one.
		contents, err = read.once(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("read repository %s of %s: %w", repository.Name, r.id.Host, gone(repository.Name, err))
	}
	return contents, nil
}

// reading is the state of one Read.
type reading struct {
	*Reader
	repository   image.Repository
	allManifests bool
	origin       manifests.Origin

	mu sync.Mutex
	// stale says that an image that was listed was gone when it was read.
	stale bool
	// fetched are the manifests that this Read fetched, by call. The cache may have
	// failed to remember them, and a second listing shows our reading them as pulls.
	fetched [][]manifests.Entry
}

// once lists the images and then reads the manifests that are needed; never the
// other way round, since reading a manifest counts as a pull of it
// (aws/containers-roadmap#2390).
func (r *reading) once(ctx context.Context) (*image.Contents, error) {
	images, err := r.listImages(ctx, r.repository.Name)
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	contents := &image.Contents{
		Repository:   r.repository,
		Images:       images,
		Manifests:    make([]*image.Manifest, len(images)),
		Unreadable:   map[int]string{},
		OwnPulls:     map[int]image.Time{},
		GuardsListed: true,
	}
	missing := r.recall(contents)
	if err := r.fetch(ctx, contents, missing); err != nil {
		return nil, err
	}
	if !r.stale { // else they are looked at once more
		r.fetched = nil
	}
	collect(len(missing) * fetchGarbage)
	return contents, nil
}

// recall fills in what is known of manifests already, and returns the positions
// of the images whose manifests must be fetched.
func (r *reading) recall(contents *image.Contents) (missing []int) {
	r.env.Manifests.Refresh()
	fresh := map[image.Digest]manifests.Entry{}
	for _, e := range slices.Concat(r.fetched...) {
		fresh[e.Digest] = e
	}
	for i := range contents.Images {
		img := &contents.Images[i]
		lists := mayList(img.MediaType())
		needed := lists || r.allManifests
		if !needed && !img.PulledAt.Known() {
			continue
		}
		known, ok := fresh[img.Digest]
		if !ok {
			known, ok = r.env.Manifests.Get(img.Digest)
		}
		switch {
		case ok:
			if maybeOwnPull(r.origin, img.PulledAt, &known) {
				contents.OwnPulls[i] = known.PulledBefore
			}
			if needed {
				contents.Manifests[i] = known.Manifest
			}
		case !needed:
		case img.Status == image.Active:
			missing = append(missing, i)
		case lists:
			// It cannot be pulled, and nobody else knows what it lists.
			contents.Unreadable[i] = "it is archived, and was never read before that"
		}
	}
	return missing
}

// maybeOwnPull reports whether a recorded pull may be our reading of the
// manifest in the repository of this origin.
func maybeOwnPull(origin manifests.Origin, pulled image.Time, e *manifests.Entry) bool {
	return pulled.Known() && e.Origin == origin &&
		pulled >= e.ReadAt-ownPullBefore && pulled <= e.ReadAt+ownPullAfter
}
