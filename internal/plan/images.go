package plan

import (
	"fmt"
	"slices"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/policy"
)

// Images are the images of one repository, wherever they are. There can be so
// many that they are visited one after the other and not held in memory.
type Images interface {
	// Each calls visit with each image, sorted by digest, and returns the first
	// error, which ends it. The image is the visitor's until it returns; what is
	// to be kept is copied.
	Each(visit func(*Image) error) error
}

// List is Images in memory.
type List []Image

// Each implements Images.
func (l List) Each(visit func(*Image) error) error {
	var img Image // one for all of them
	for i := range l {
		img = l[i]
		if err := visit(&img); err != nil {
			return err
		}
	}
	return nil
}

// Len returns how many they are.
func (l List) Len() int { return len(l) }

// Visitable is Images of whatever can call a visitor with them.
type Visitable func(visit func(*Image) error) error

// Each implements Images.
func (v Visitable) Each(visit func(*Image) error) error { return v(visit) }

// NewRepository returns the part of a plan about one repository as it was
// stored; gap is empty where it could be read.
func NewRepository(name string, totals Totals, gap string, images Images) Repository {
	return Repository{Name: name, Totals: totals, Gap: gap, images: images}
}

// Each calls visit with the listed images as they are in the plan; see Images.
// Kept images are listed only on demand.
func (r *Repository) Each(visit func(*Image) error) error {
	switch {
	case r.images == nil:
		return nil
	case r.over == nil:
		return r.images.Each(visit)
	}
	return r.images.Each(func(img *Image) error {
		switch {
		case goes(img.Verdict):
			img.Verdict = policy.VerdictHeld
			img.Reasons = slices.Insert(slices.Clone(img.Reasons), 0, *r.over)
		case overMaxDeletes(img): // in a shard, with the shard's figure
			img.Reasons = slices.Clone(img.Reasons)
			img.Reasons[0] = *r.over
		}
		return visit(img)
	})
}

// Images returns what Each visits as a list.
func (r *Repository) Images() (list []Image, err error) {
	err = r.Each(func(img *Image) error {
		list = append(list, *img)
		return nil
	})
	return list, err
}

// Listed returns how many images Each visits.
func (r *Repository) Listed() (n int, err error) {
	if counted, ok := r.images.(interface{ Len() int }); ok {
		return counted.Len(), nil
	}
	err = r.Each(func(*Image) error {
		n++
		return nil
	})
	return n, err
}

// Unchanged returns the images as they were stored, where nothing was changed
// since; a writer of their form can then copy them.
func (r *Repository) Unchanged() (images Images, ok bool) { return r.images, r.over == nil }

// Move keeps the images elsewhere from now on.
func (r *Repository) Move(store func(Images) (Images, error)) error {
	if r.images == nil {
		return nil
	}
	moved, err := store(r.images)
	if err == nil {
		r.images = moved
	}
	return err
}

// Tally compares the totals of a repository with the list of its images. A plan
// of which somebody changed one and not the other is not to be believed.
type Tally struct {
	listed    Totals
	last      image.Digest
	unordered bool
}

// Add counts an image of the list.
func (t *Tally) Add(img *Image) {
	t.listed.count(img.Verdict, 1)
	t.listed.mark(img.Mark)
	t.unordered = t.unordered || img.Digest.Compare(t.last) <= 0
	t.last = img.Digest
}

// Check reports whether the totals say of the images that go or are held what
// the images say that were added, and whether each of these is listed once.
// images are these images; they are looked at again only where they are not
// sorted.
func (t *Tally) Check(totals Totals, images Images) error {
	if t.unordered {
		if err := checkTwice(images); err != nil {
			return err
		}
	}
	if l := t.listed; l.Delete != totals.Delete || l.Archive != totals.Archive || l.Held != totals.Held {
		return fmt.Errorf("its totals (%d to delete, %d to archive, %d held) are not those of its images (%d, %d, %d)",
			totals.Delete, totals.Archive, totals.Held, l.Delete, l.Archive, l.Held)
	}
	if l := t.listed; l.Condemn != totals.Condemn || l.Unmark != totals.Unmark || totals.Grace < 0 || totals.Grace > l.Held {
		return fmt.Errorf("its totals (%d to mark, %d to unmark, %d of %d held by the grace period) are not those of its images (%d and %d)",
			totals.Condemn, totals.Unmark, totals.Grace, totals.Held, l.Condemn, l.Unmark)
	}
	return nil
}

func checkTwice(images Images) error {
	seen := map[image.Digest]bool{}
	return images.Each(func(img *Image) error {
		if seen[img.Digest] {
			return fmt.Errorf("image %s is listed twice", img.Digest)
		}
		seen[img.Digest] = true
		return nil
	})
}
