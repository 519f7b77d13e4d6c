package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/regsweep/regsweep/internal/graph"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/journal"
	"github.com/regsweep/regsweep/internal/policy"
	"github.com/regsweep/regsweep/internal/registry"
)

// Restoring is how an image is brought back.
type Restoring struct {
	// Open opens the registry for changing.
	Open OpenWriter
	// Timeout is how long to wait for an image from the archive.
	Timeout time.Duration
	// Wait waits for a duration, or returns the context's error.
	Wait func(ctx context.Context, d time.Duration) error
}

// RestoredSchema names the format of what a restore says.
const RestoredSchema = "regsweep.restore/v1"

// Restored says what was done to bring an image back.
type Restored struct {
	Schema     string       `json:"schema"`
	Registry   string       `json:"registry"`
	Repository string       `json:"repository"`
	Digest     image.Digest `json:"digest"`
	// Result says what was done.
	Result RestoreResult `json:"result,omitempty"`
	// Activated are images that came back from the archive: the image and its
	// family.
	Activated []image.Digest `json:"activated,omitempty"`
	// Put are images that were deleted and whose manifests were put back.
	Put []PutBack `json:"put,omitempty"`
	// Tagged are images that were deleted, are there again by other hands, and
	// were given the tags back that they had.
	Tagged []PutBack `json:"tagged,omitempty"`
	// Missing says of members of the family why they could not be put back.
	Missing []string `json:"missing,omitempty"`
	// Unread says of journals that were passed over why, and what to do.
	Unread []string `json:"unread,omitempty"`
	// By is the plan that had deleted the image, and Run its run.
	By  string `json:"by,omitempty"`
	Run string `json:"run,omitempty"`
}

// RestoreResult is what was done to bring an image back.
type RestoreResult string

// The results. Unarchived came from the archive, PutAgain from the journal (the
// image or its tags), and AlreadyThere means that nothing was done. A restore that
// failed has none.
const (
	Unarchived   RestoreResult = "restored from the archive"
	PutAgain     RestoreResult = "restored from the journal"
	AlreadyThere RestoreResult = "already there"
)

// PutBack is an image that was put back, or whose tags were.
type PutBack struct {
	Digest image.Digest `json:"digest"`
	Tags   []string     `json:"tags"`
	// Left are tags that it does not have again, since other images have them.
	Left []string `json:"left,omitempty"`
}

// NameError says that a name does not tell in which repository an image is.
type NameError struct{ Name string }

func (e *NameError) Error() string {
	return fmt.Sprintf("%s: name the repository too, as repository:tag or repository@sha256:…", e.Name)
}

// NoRecordError says that an image is gone, and that no journal has it.
type NoRecordError struct{ Name, Place string }

func (e *NoRecordError) Error() string {
	if e.Place == "" {
		return e.Name + ": there is no such image, and no journal to look in: set --journal or REGSWEEP_JOURNAL"
	}
	return fmt.Sprintf("%s: there is no such image, and no journal in %s says that it was deleted", e.Name, e.Place)
}

// Restore brings an image back: from the archive, with its family, or, where it
// was deleted, from the manifests in the journal. Of a digest its first digits do,
// where they mean one image: several are an *AmbiguousError.
func (a *App) Restore(ctx context.Context, name string, o Restoring) (*Restored, error) {
	if err := formed(name); err != nil {
		return nil, err
	}
	for _, reader := range a.Readers {
		id := reader.Identity()
		wanted, ok := meaning(name, id)
		if !ok {
			continue
		}
		if wanted.everywhere {
			return nil, &NameError{name}
		}
		repositories, err := reader.Repositories(ctx, func(repo string) bool { return repo == wanted.repository }, false)
		if err != nil {
			return nil, fmt.Errorf("registry %s: %w", id.Name, err)
		}
		if len(repositories) == 0 {
			continue
		}
		r := &restore{
			app: a, name: name, wanted: wanted, reader: reader, how: o,
			out: &Restored{Schema: RestoredSchema, Registry: id.Name, Repository: wanted.repository},
		}
		return r.out, r.run(ctx, repositories[0])
	}
	return nil, &NotFoundError{Name: name, Repository: true}
}

// restore brings one image back.
type restore struct {
	app    *App
	name   string
	wanted wanted
	reader registry.Reader
	writer registry.Writer
	how    Restoring
	out    *Restored
	// now is the repository as it is.
	now *graph.Graph
}

func (r *restore) run(ctx context.Context, repo image.Repository) error {
	contents, err := r.reader.Read(ctx, repo, false)
	if err != nil {
		return fmt.Errorf("repository %s: %w", repo.Name, err)
	}
	r.now = graph.Build(contents)
	i, there, err := r.find()
	if err != nil {
		return err
	}
	// What the journal has of an image that has another name by now, or is gone.
	var past *journal.Deleted
	if there {
		r.out.Digest = r.now.Images[i].Digest
	} else {
		if past, err = r.deleted(ctx); err != nil {
			return err
		}
		r.out.Digest, r.out.By, r.out.Run = past.Digest, past.Plan, past.Run
		i, there = r.now.Find(past.Digest)
	}
	var archived []int32
	if there {
		r.now.NewWalker().Family(i, func(m int32) {
			if r.now.Images[m].Status != image.Active {
				archived = append(archived, m)
			}
		})
		if len(archived) == 0 && past == nil {
			r.out.Result = AlreadyThere
			return nil
		}
	}
	if r.writer, err = r.how.Open(ctx, r.out.Registry); err != nil {
		return fmt.Errorf("registry %s: %w", r.out.Registry, err)
	}
	result := AlreadyThere
	if len(archived) > 0 {
		if err := r.activate(ctx, archived); err != nil {
			return err
		}
		result = Unarchived
	}
	if past != nil {
		if err := r.putBack(ctx, past); err != nil {
			return err
		}
		tagged := slices.ContainsFunc(r.out.Tagged, func(p PutBack) bool { return len(p.Tags) > 0 })
		if result == AlreadyThere && (tagged || len(r.out.Put) > 0) {
			result = PutAgain
		}
	}
	r.out.Result = result
	return nil
}

// The waits between two looks at an image that is on its way back, which takes
// up to 20 minutes ("Archiving an image in Amazon ECR" in the user guide).
const (
	firstLook = 5 * time.Second
	lastLook  = 30 * time.Second
)

// TimeoutError says that images did not come back from the archive in time.
type TimeoutError struct {
	Images int
	After  time.Duration
}

func (e *TimeoutError) Error() string {
	images := "1 image is"
	if e.Images != 1 {
		images = fmt.Sprintf("%d images are", e.Images)
	}
	return fmt.Sprintf("%s not back from the archive after %s, and still coming: run regsweep restore again to wait, or with a longer --timeout", images, policy.FormatDuration(e.After))
}

// activate asks for archived images, and waits until they are back.
func (r *restore) activate(ctx context.Context, images []int32) error {
	repository := r.out.Repository
	var waiting []image.Digest
	for _, i := range images {
		img := &r.now.Images[i]
		if img.Status == image.Archived {
			if err := r.writer.Activate(ctx, repository, img.Digest); err != nil {
				return err
			}
		}
		waiting = append(waiting, img.Digest)
	}
	began, wait := r.app.Now(), firstLook
	for {
		r.app.Progress.phase(fmt.Sprintf("waiting for %d images from the archive", len(waiting)))
		var still []image.Digest
		for _, d := range waiting {
			img, there, err := r.reader.Find(ctx, repository, d)
			switch {
			case err != nil:
				return err
			case !there:
				return &registry.ImageGoneError{Repository: repository, Digest: d}
			case img.Status == image.Archived: // somebody archived it again
				return &registry.ArchivedError{Digest: d, Status: img.Status}
			case img.Status == image.Active:
				r.out.Activated = append(r.out.Activated, d)
			default:
				still = append(still, d)
			}
		}
		if waiting = still; len(waiting) == 0 {
			return nil
		}
		left := r.how.Timeout - r.app.Now().Sub(began)
		if left <= 0 {
			return &TimeoutError{len(waiting), r.how.Timeout}
		}
		if err := r.how.Wait(ctx, min(wait, left)); err != nil {
			return err
		}
		wait = min(2*wait, lastLook)
	}
}

// find returns the position of the image in the repository as it is.
func (r *restore) find() (at int32, there bool, err error) {
	var all []image.Digest
	for i := range r.now.Images {
		if img := &r.now.Images[i]; r.wanted.means(img.Digest, img.Tags) {
			at, all = int32(i), append(all, img.Digest)
		}
	}
	return at, len(all) > 0, r.several(all)
}

// several returns an *AmbiguousError where a name means several images.
func (r *restore) several(all []image.Digest) error {
	slices.SortFunc(all, image.Digest.Compare)
	all = slices.Compact(all)
	if len(all) < 2 {
		return nil
	}
	e := &AmbiguousError{Name: r.name}
	for _, d := range all {
		e.Images = append(e.Images, r.out.Repository+"@"+d.String())
	}
	return e
}

// leftTags returns the tags that an error of Writer.Put says were left to other
// images, and whether it says nothing else.
func leftTags(err error) (tags []string, only bool) {
	switch e := err.(type) { //nolint:errorlint // the tree of errors is walked here
	case nil:
		return nil, true
	case *registry.TagTakenError:
		return []string{e.Tag}, true
	case interface{ Unwrap() []error }:
		for _, part := range e.Unwrap() {
			t, ok := leftTags(part)
			if !ok {
				return nil, false
			}
			tags = append(tags, t...)
		}
		return tags, true
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			return leftTags(inner)
		}
	}
	return nil, false
}

var errDamaged = errors.New("the manifest in the journal does not have the digest of the image")
