package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/journal"
	"github.com/regsweep/regsweep/internal/registry"
)

// putBack puts a deleted image back, from the manifests in the journal: what an
// index lists before the index, what is attached to an image after it. What is
// there by now is given its tags back.
func (r *restore) putBack(ctx context.Context, root *journal.Deleted) error {
	records, err := r.family(ctx, root)
	if err != nil {
		return err
	}
	p := &putting{restore: r, records: records, done: map[image.Digest]error{}}
	if err := p.back(ctx, root.Digest, root.Tags); err != nil {
		return p.staying(err)
	}
	// What is attached goes with it. That some of it cannot be had is no reason
	// to take the image away again.
	for _, m := range root.Family {
		if err := p.back(ctx, m.Digest, m.Tags); err != nil {
			if fatal(ctx, err) {
				return p.staying(err)
			}
			r.out.Missing = append(r.out.Missing, err.Error())
		}
	}
	return nil
}

// deleted finds the image in the journal: the latest of its name.
func (r *restore) deleted(ctx context.Context) (*journal.Deleted, error) {
	if r.app.Journal == nil {
		return nil, &NoRecordError{Name: r.name}
	}
	var latest *journal.Deleted
	var all []image.Digest
	for d, err := range r.app.Journal.Deleted(ctx, r.reader.Identity().Host, r.out.Repository) {
		if r.passOver(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look for %s in the journal: %w", r.name, err)
		}
		if !r.wanted.means(d.Digest, d.Tags) {
			continue
		}
		if r.wanted.prefix == "" {
			return &d, nil
		}
		if all = append(all, d.Digest); len(all) == 1 { // another may begin like it
			latest = &d
		}
	}
	if latest != nil {
		return latest, r.several(all)
	}
	return nil, &NoRecordError{r.name, r.app.Journal.String()}
}

// passOver notes a journal that cannot be read, and reports whether an error is
// no more than that.
func (r *restore) passOver(err error) bool {
	unread, ok := errors.AsType[*journal.UnreadError](err)
	if ok && !slices.Contains(r.out.Unread, unread.Error()) {
		r.out.Unread = append(r.out.Unread, unread.Error())
	}
	return ok
}

// family returns what the journal has of an image and of what must be put back
// with it: what goes with it, and what any of them lists. The latest record of an
// image counts. Where it has no manifest, as of one that was deleted from the
// archive, that of an older record does: the digest says what it is.
func (r *restore) family(ctx context.Context, root *journal.Deleted) (map[image.Digest]journal.Image, error) {
	records := map[image.Digest]journal.Image{}
	wanted := map[image.Digest]bool{}
	note := func(img journal.Image) {
		records[img.Digest] = img
		for _, m := range img.Family {
			wanted[m.Digest] = true
		}
		if m, err := image.ParseManifest(img.Manifest, img.MediaType); err == nil {
			for _, c := range m.Children {
				wanted[c.Digest] = true
			}
		}
	}
	note(root.Image)
	wanted[root.Digest] = true
	for {
		for d := range wanted {
			if _, there := r.now.Find(d); there || whole(records[d]) {
				delete(wanted, d)
			}
		}
		if len(wanted) == 0 {
			return records, nil
		}
		// What an index in the journal lists is found by a look of its own: images
		// are deleted after what lists them, and the latest come first.
		found := false
		for d, err := range r.app.Journal.Deleted(ctx, r.reader.Identity().Host, r.out.Repository) {
			if r.passOver(err) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("look for the family of %s in the journal: %w", r.name, err)
			}
			record, known := records[d.Digest]
			if wanted[d.Digest] && !whole(record) && (!known || whole(d.Image)) {
				if !known {
					record = d.Image
				}
				record.Manifest, record.MediaType = d.Manifest, d.MediaType
				found = true
				if note(record); whole(record) {
					delete(wanted, d.Digest)
				}
			}
			if len(wanted) == 0 {
				break
			}
		}
		if !found {
			return records, nil // put says what is missing
		}
	}
}

// whole reports whether a record has the manifest of its image.
func whole(img journal.Image) bool {
	return len(img.Manifest) > 0 && image.DigestOf(img.Manifest) == img.Digest
}

// putting puts the images of a family back, each once.
type putting struct {
	*restore
	records map[image.Digest]journal.Image
	done    map[image.Digest]error
}

// staying adds to an error what was put before it, which is not taken away again:
// a restore deletes nothing.
func (p *putting) staying(err error) error {
	var put []string
	for _, back := range p.out.Put {
		put = append(put, back.Digest.String())
	}
	if len(put) == 0 {
		return err
	}
	return fmt.Errorf("%w; what was put back before that stays: %s", err, strings.Join(put, ", "))
}

// back puts an image of the family back, or the tags that it had where it is there.
func (p *putting) back(ctx context.Context, d image.Digest, tags []string) error {
	if i, there := p.now.Find(d); there {
		return p.tag(ctx, &p.now.Images[i], tags)
	}
	return p.put(ctx, d)
}

// tag gives an image the tags that it does not have and no other image has.
func (p *putting) tag(ctx context.Context, img *image.Image, tags []string) (err error) {
	tagged := PutBack{Digest: img.Digest, Tags: []string{}}
	for _, tag := range p.app.Policy.Ordinary(tags) {
		if slices.Contains(img.Tags, tag) {
			continue
		}
		err = p.writer.Tag(ctx, p.out.Repository, img.Digest, tag)
		if _, taken := errors.AsType[*registry.TagTakenError](err); taken {
			tagged.Left, err = append(tagged.Left, tag), nil
		} else if err == nil {
			tagged.Tags = append(tagged.Tags, tag)
		} else {
			break
		}
	}
	if len(tagged.Tags)+len(tagged.Left) > 0 {
		p.out.Tagged = append(p.out.Tagged, tagged)
	}
	return err
}

func (p *putting) put(ctx context.Context, d image.Digest) error {
	if _, there := p.now.Find(d); there {
		return nil
	}
	if err, done := p.done[d]; done {
		return err
	}
	p.done[d] = nil // against circles, which content cannot have
	err := p.one(ctx, d)
	p.done[d] = err
	return err
}

// has reports whether the journal has an image.
func (p *putting) has(d image.Digest) bool {
	_, ok := p.records[d]
	return ok
}

func (p *putting) one(ctx context.Context, d image.Digest) error {
	record, ok := p.records[d]
	if !ok {
		return fmt.Errorf("%s is not in the journal", d)
	}
	if len(record.Manifest) == 0 {
		if strings.Contains(record.NoManifest, d.String()) {
			return fmt.Errorf("the journal has no manifest: %s", record.NoManifest)
		}
		return fmt.Errorf("the journal has no manifest of %s: %s", d, record.NoManifest)
	}
	if image.DigestOf(record.Manifest) != d {
		return fmt.Errorf("%s: %w", d, errDamaged)
	}
	m, err := image.ParseManifest(record.Manifest, record.MediaType)
	if err != nil {
		return fmt.Errorf("the manifest of %s in the journal: %w", d, err)
	}
	for _, c := range m.Children {
		if err := p.put(ctx, c.Digest); err != nil {
			return fmt.Errorf("%s cannot come back without what it lists: %w", d, err)
		}
	}
	if m.Subject != nil && p.has(*m.Subject) {
		if err := p.put(ctx, *m.Subject); err != nil {
			return fmt.Errorf("%s cannot come back without what it is attached to: %w", d, err)
		}
	}
	tags := p.app.Policy.Ordinary(record.Tags)
	err = p.writer.Put(ctx, p.out.Repository, registry.Manifest{Digest: d, MediaType: record.MediaType, Content: record.Manifest}, tags)
	left, only := leftTags(err)
	if !only {
		var gone *registry.LayersGoneError
		if errors.As(err, &gone) {
			// The error around it names the image again.
			return fmt.Errorf("%w; ECR has collected what only deleted images used, and what nobody has cannot be put back: build or pull the image from elsewhere", gone)
		}
		return err
	}
	had := []string{}
	for _, tag := range tags {
		if !slices.Contains(left, tag) {
			had = append(had, tag)
		}
	}
	p.out.Put = append(p.out.Put, PutBack{Digest: d, Tags: had, Left: left})
	return nil
}
