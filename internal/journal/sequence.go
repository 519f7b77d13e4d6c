package journal

import (
	"errors"
	"fmt"
)

// sequence follows the records of a source, by run: what is missing in their
// midst was not left out by a crash.
type sequence map[string]*progress

// progress is what the records of a run said so far.
type progress struct {
	// batches is how many were announced, and open what is to be done by those
	// without a result.
	batches int
	open    map[int]Action
	// done is how many images were deleted and archived.
	done map[Action]int
}

// next takes the next record. The error says which one is missing before it.
func (s sequence) next(rec *Record) error {
	if rec.Begin != nil {
		s[rec.Run] = &progress{open: map[int]Action{}, done: map[Action]int{}}
		return nil
	}
	r := s[rec.Run]
	switch {
	case rec.Before == nil && rec.After == nil && rec.End == nil:
		return nil // of another run, or of a later version
	case r == nil:
		return errors.New(`the "begin" of its run is missing`)
	case rec.Before != nil:
		return r.before(rec.Before)
	case rec.After != nil:
		return r.after(rec.After)
	}
	return r.end(rec.End)
}

func (r *progress) before(b *Batch) error {
	if r.batches++; b.Batch != r.batches {
		return fmt.Errorf(`the "before" of batch %d is missing`, r.batches)
	}
	r.open[b.Batch] = b.Action
	return nil
}

func (r *progress) after(res *Result) error {
	action, ok := r.open[res.Batch]
	if !ok {
		return fmt.Errorf(`the "before" of batch %d is missing`, res.Batch)
	}
	delete(r.open, res.Batch)
	for _, o := range res.Images {
		if o.Outcome == Done {
			r.done[action]++
		}
	}
	return nil
}

// end compares what the run says of itself. It writes a result for each batch
// before it, and may delete more than it comes to count.
func (r *progress) end(e *End) error {
	for n := range r.batches {
		if _, open := r.open[n+1]; open {
			return fmt.Errorf(`the "after" of batch %d is missing`, n+1)
		}
	}
	if e.Deleted > r.done[Delete] || e.Archived > r.done[Archive] {
		return fmt.Errorf("it ends with %d images deleted and %d archived, and the records before it have %d and %d", e.Deleted, e.Archived, r.done[Delete], r.done[Archive])
	}
	return nil
}
