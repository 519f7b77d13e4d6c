package journal

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/regsweep/regsweep/internal/image"
)

// settleAfter is how old the last record of a run must be before another run
// says that it is settled: one that still goes on is not.
const settleAfter = 24 * time.Hour

// Look notes that a repository was read, and which of what interrupted runs may
// have left of it is there.
func (u *Unfinished) Look(host, name string, there func(image.Digest) bool) {
	if u == nil {
		return
	}
	key := repository{host, name}
	found := map[image.Digest]bool{}
	for d := range u.repositories[key] {
		if there(d) {
			found[d] = true
		}
	}
	for d := range u.unknown[key] {
		if there(d) {
			found[d] = true
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.seen[key] = found
}

// Listed notes that the repositories of a registry were listed, and which of them
// are there: of one that is not, nothing is.
func (u *Unfinished) Listed(host string, there func(name string) bool) {
	if u == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	gone := func(key repository) {
		if key.registry == host && !there(key.name) {
			u.seen[key] = map[image.Digest]bool{}
		}
	}
	for key := range u.repositories {
		gone(key)
	}
	for key := range u.unknown {
		gone(key)
	}
}

// Follows reports whether something in a repository is followed, so that Gone is
// to be told.
func (u *Unfinished) Follows(host, name string) bool {
	if u == nil {
		return false
	}
	key := repository{host, name}
	return len(u.repositories[key]) > 0 || len(u.unknown[key]) > 0
}

// Gone notes that an image of a repository that was looked at was deleted since.
func (u *Unfinished) Gone(host, name string, d image.Digest) {
	if u == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.seen[repository{host, name}], d)
}

// NothingOf returns the names of the runs of which nothing is left half done,
// oldest first: what they may have left of families was looked at and is not
// there, and the images of which they wrote no outcome were looked at.
func (u *Unfinished) NothingOf() (runs []string) {
	if u == nil {
		return nil
	}
	for _, r := range slices.Backward(u.runs) {
		if u.nothingOf(r) {
			runs = append(runs, r.run)
		}
	}
	return runs
}

// Answers returns of each run, oldest first, what is still there of the images of
// which it wrote no outcome, where all of these were looked at.
func (u *Unfinished) Answers() (answers []Answer) {
	if u == nil {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, r := range slices.Backward(u.runs) {
		if len(r.unknown) == 0 || !u.looked(r.unknown) {
			continue
		}
		a := Answer{Run: r.run}
		for key, digests := range r.unknown {
			for _, d := range digests {
				if u.seen[key][d] {
					a.There = append(a.There, There{key.registry, key.name, d})
				}
			}
		}
		slices.SortFunc(a.There, func(a, b There) int {
			return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Repository, b.Repository), a.Digest.Compare(b.Digest))
		})
		answers = append(answers, a)
	}
	return answers
}

// looked reports whether all repositories of these images were looked at.
func (u *Unfinished) looked(images map[repository][]image.Digest) bool {
	for key := range images {
		if _, seen := u.seen[key]; !seen {
			return false
		}
	}
	return true
}

// Settle writes into the journals of the runs of which nothing is left, as Look
// has seen, that it is so. Later runs read the end of these journals only. by is
// the name of the run that says so.
func (p *Place) Settle(ctx context.Context, u *Unfinished, by string, now time.Time) error {
	if u == nil {
		return nil
	}
	var errs []error
	for _, r := range u.runs {
		if now.Sub(r.last) > settleAfter && u.nothingOf(r) {
			errs = append(errs, r.settle(ctx, by, now))
		}
	}
	return errors.Join(errs...)
}

// nothingOf reports whether all that a run may have left was looked at and is not
// there, and it is known what became of all that it asked for.
func (u *Unfinished) nothingOf(r openRun) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	for key, digests := range r.left {
		if slices.ContainsFunc(digests, func(d image.Digest) bool { return u.seen[key][d] }) {
			return false
		}
	}
	return u.looked(r.left) && u.looked(r.unknown)
}

func (r openRun) settle(ctx context.Context, by string, now time.Time) error {
	var line bytes.Buffer
	if err := encode(&line, Record{Run: r.run, Time: now.UTC(), Settled: &Settled{By: by}}); err != nil {
		return err
	}
	if r.source.place.isS3() {
		return r.source.place.folder.Object(r.run+settled).Write(ctx, func(w io.Writer) error {
			_, err := w.Write(line.Bytes())
			return err
		})
	}
	s, err := openFile(r.source.String(), 0)
	if err != nil {
		return err
	}
	return errors.Join(s.write(ctx, line.Bytes(), true), s.close())
}
