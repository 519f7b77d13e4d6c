package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Run writes the journal of one run. Each record is stored for good when a
// method returns nil. After an error nothing more is written, and the run must
// change nothing more. Its methods may be called by many goroutines at once; on
// nil they do nothing.
type Run struct {
	now  func() time.Time
	id   string
	plan string

	// turn is held by the one that writes, and by who looks. It is no mutex, since a
	// write can take long, and who waits for its turn may be told to wait no more.
	turn chan struct{}
	sink sink
	// line is the memory of the record that is being written.
	line    bytes.Buffer
	batches int
	// open has the batches without a result.
	open map[int]Batch
	// families are those of the repositories that are being swept.
	families map[repository]*families
	// unfinished says that a family was left half done.
	unfinished bool
	// err is the first error.
	err error
}

// maxLine is how long a line may be for its memory to be kept: that of a hundred
// images is hardly ever so long.
const maxLine = 4 << 20

// sink is where records go.
type sink interface {
	// write stores a line, with its newline, for good. It does not keep it. last says that the run has
	// ended and nothing is left of it.
	write(ctx context.Context, line []byte, last bool) error
	close() error
}

type repository struct{ registry, name string }

// WriteError says that the journal cannot be written, so that nothing may be
// changed.
type WriteError struct {
	// Place is the journal.
	Place string
	Err   error
}

func (e *WriteError) Error() string {
	return fmt.Sprintf("the journal cannot be written, and without it nothing is changed: %v; set --journal or REGSWEEP_JOURNAL to a file, a folder, s3://bucket/prefix or - for stdout", e.Err)
}

// Unwrap returns the cause.
func (e *WriteError) Unwrap() error { return e.Err }

// ID returns the name of the run, "" for none.
func (r *Run) ID() string {
	if r == nil {
		return ""
	}
	return r.id
}

// Plan returns the id of the plan, "" for none.
func (r *Run) Plan() string {
	if r == nil {
		return ""
	}
	return r.plan
}

// Before writes down what is about to be done, and returns the number of the
// batch. The call may only be made when the error is nil, which else is a
// *WriteError, or that of a context that has ended. A record that was begun is
// written to its end: one that is broken off would end the journal, and with it
// what the run still has to say.
func (r *Run) Before(ctx context.Context, b Batch) (batch int, err error) {
	if r == nil {
		return 0, nil
	}
	select {
	case r.turn <- struct{}{}:
		defer r.pass()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	r.batches++
	b.Batch = r.batches
	if err := r.write(context.WithoutCancel(ctx), Record{Before: &b}, false); err != nil {
		return 0, err
	}
	if b.Action == Delete {
		r.family(&b).before(b.Images)
	}
	r.open[b.Batch] = Batch{Action: b.Action, Registry: b.Registry, Repository: b.Repository}
	return b.Batch, nil
}

// family returns what is followed of a batch's repository, to the one whose turn it
// is.
func (r *Run) family(b *Batch) *families {
	at := repository{b.Registry, b.Repository}
	if r.families[at] == nil {
		r.families[at] = newFamilies()
	}
	return r.families[at]
}

// After writes down what came of a batch, in the order of its images; an image
// without an outcome is Left. It must be called also where the run is to end.
func (r *Run) After(ctx context.Context, batch int, outcomes []Outcome) error {
	if r == nil {
		return nil
	}
	r.turn <- struct{}{}
	defer r.pass()
	b := r.open[batch]
	delete(r.open, batch)
	if f := r.families[repository{b.Registry, b.Repository}]; f != nil && b.Action == Delete {
		f.after(outcomes)
	}
	return r.write(context.WithoutCancel(ctx), Record{After: &Result{Batch: batch, Images: outcomes}}, false)
}

// Finished says that nothing more is done to a repository.
func (r *Run) Finished(registry, name string) {
	if r == nil {
		return
	}
	r.turn <- struct{}{}
	defer r.pass()
	at := repository{registry, name}
	if f := r.families[at]; f != nil {
		r.unfinished = r.unfinished || len(f.unfinished()) > 0
		delete(r.families, at)
	}
}

// End writes the last record and closes the journal. Settled is set here.
func (r *Run) End(ctx context.Context, e End) error {
	if r == nil {
		return nil
	}
	r.turn <- struct{}{}
	defer r.pass()
	for _, f := range r.families {
		r.unfinished = r.unfinished || len(f.unfinished()) > 0
	}
	e.Settled = !r.unfinished && r.err == nil
	err := r.write(context.WithoutCancel(ctx), Record{End: &e}, e.Settled)
	if closeErr := r.sink.close(); err == nil && closeErr != nil {
		err = &WriteError{r.id, closeErr}
	}
	return err
}

// pass lets the next one have its turn.
func (r *Run) pass() { <-r.turn }

// write stores a record, for the one whose turn it is.
func (r *Run) write(ctx context.Context, rec Record, last bool) error {
	if r.err != nil {
		return r.err
	}
	rec.Run, rec.Time = r.id, r.now().UTC()
	r.line.Reset()
	err := encode(&r.line, rec)
	if err == nil {
		err = r.sink.write(ctx, r.line.Bytes(), last)
	}
	if r.line.Cap() > maxLine {
		r.line = bytes.Buffer{}
	}
	if err != nil {
		r.err = &WriteError{r.id, err}
	}
	return r.err
}

// encode writes a record as a line.
func encode(b *bytes.Buffer, rec Record) error {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	return e.Encode(rec)
}

// Outcomes gives all images of a batch the same outcome.
func Outcomes(images []Image, state State, detail string) []Outcome {
	list := make([]Outcome, len(images))
	for i := range images {
		list[i] = Outcome{Digest: images[i].Digest, Outcome: state, Detail: detail}
	}
	return list
}
