package journal

import (
	"bytes"
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
	for key := range u.repositories {
		if key.registry == host && !there(key.name) {
			u.seen[key] = map[image.Digest]bool{}
		}
	}
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

// NothingOf returns the names of the runs that may have left something, and of
// which nothing is there any more, oldest first.
func (u *Unfinished) NothingOf() (runs []string) {
	if u == nil {
		return nil
	}
	for _, r := range slices.Backward(u.runs) {
		if len(r.left) > 0 && u.nothingOf(r) {
			runs = append(runs, r.run)
		}
	}
	return runs
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

// nothingOf reports whether all that a run may have left was looked at and is
// not there.
func (u *Unfinished) nothingOf(r openRun) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	for key, digests := range r.left {
		found, seen := u.seen[key]
		if !seen {
			return false
		}
		for _, d := range digests {
			if found[d] {
				return false
			}
		}
	}
	return true
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
