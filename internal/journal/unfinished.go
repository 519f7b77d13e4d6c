package journal

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/policy"
)

// Unfinished is what interrupted runs may have left half done: members of
// families whose roots they deleted. Its methods may be called by many goroutines
// at once, and on nil.
type Unfinished struct {
	repositories map[repository]map[image.Digest]policy.Unfinished
	// Looked is how many sources there are, and Read how many were read.
	Looked, Read int

	// runs are those that are not settled, newest first.
	runs []openRun
	// unknown are the images of which they wrote no outcome.
	unknown map[repository]map[image.Digest]bool

	mu sync.Mutex
	// seen are the repositories that were looked at since, with what of them is
	// there.
	seen map[repository]map[image.Digest]bool
}

// openRun is a run that is not settled.
type openRun struct {
	source Source
	run    string
	// last is the time of its last record.
	last time.Time
	// left is what it may have left, by host and name of the repository.
	left map[repository][]image.Digest
	// unknown are the images that it was about to delete, and of which it wrote no
	// outcome.
	unknown map[repository][]image.Digest
}

// Runs returns how many runs may have left something.
func (u *Unfinished) Runs() (n int) {
	for _, r := range u.runs {
		if len(r.left) > 0 {
			n++
		}
	}
	return n
}

// Of returns the images of a repository, or nil. host is the registry's.
func (u *Unfinished) Of(host, name string) map[image.Digest]policy.Unfinished {
	if u == nil {
		return nil
	}
	return u.repositories[repository{host, name}]
}

// Unfinished reads what is left of interrupted runs. Of a run that says of
// itself that nothing is left of it, only the end is read. What cannot be read
// is among the errors; nothing is known of it.
func (p *Place) Unfinished(ctx context.Context) (*Unfinished, []error) {
	u := &Unfinished{
		repositories: map[repository]map[image.Digest]policy.Unfinished{},
		unknown:      map[repository]map[image.Digest]bool{}, seen: map[repository]map[image.Digest]bool{},
	}
	sources, err := p.Sources(ctx)
	if err != nil {
		return u, []error{err}
	}
	var errs []error
	u.Looked = len(sources)
	for _, s := range slices.Backward(sources) { // of several runs the newest counts
		settled, err := s.Settled()
		if settled {
			continue
		}
		u.Read++
		if err == nil {
			err = u.add(ctx, s)
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	return u, errs
}

// interrupted is what is known of one run while its source is read.
type interrupted struct {
	begin    *Begin
	last     time.Time
	settled  bool
	batches  map[int]sent
	families map[repository]*families
	order    []repository
	// unknown are the images whose call had no answer.
	unknown map[repository][]image.Digest
}

// sent is a deletion without a result.
type sent struct {
	at     repository
	images []image.Digest
}

// add reads a source.
func (u *Unfinished) add(ctx context.Context, s Source) error {
	runs := map[string]*interrupted{}
	var order []string
	for e, err := range s.Records(ctx, false) {
		if err != nil {
			return err
		}
		if e.Begin != nil {
			runs[e.Run] = follow(e.Begin)
			order = append(order, e.Run)
		}
		r := runs[e.Run]
		if r == nil { // torn, or of a run whose beginning is not here
			continue
		}
		// A run that goes on after it was settled is not.
		r.last, r.settled = e.Time, e.settles()
		switch {
		case e.Before != nil:
			r.before(e.Before)
		case e.After != nil:
			r.after(e.After)
		}
	}
	for _, name := range slices.Backward(order) {
		if r := runs[name]; !r.settled {
			left, unknown := u.take(r)
			u.runs = append(u.runs, openRun{s, name, r.last, left, unknown})
		}
	}
	return nil
}

func follow(b *Begin) *interrupted {
	return &interrupted{begin: b, batches: map[int]sent{}, families: map[repository]*families{}, unknown: map[repository][]image.Digest{}}
}

func (r *interrupted) before(b *Batch) {
	if b.Action != Delete {
		return
	}
	at := repository{b.Registry, b.Repository}
	f := r.families[at]
	if f == nil {
		f = newFamilies()
		r.families[at] = f
		r.order = append(r.order, at)
	}
	f.before(b.Images)
	images := make([]image.Digest, len(b.Images))
	for i := range b.Images {
		images[i] = b.Images[i].Digest
	}
	r.batches[b.Batch] = sent{at, images}
}

func (r *interrupted) after(res *Result) {
	b, ok := r.batches[res.Batch]
	if !ok {
		return
	}
	delete(r.batches, res.Batch)
	r.families[b.at].after(res.Images)
	for _, o := range res.Images {
		if o.Outcome == Unknown {
			r.unknown[b.at] = append(r.unknown[b.at], o.Digest)
		}
	}
}

// take adds what is left of a run, and returns it, with the images of which it
// wrote no outcome.
func (u *Unfinished) take(r *interrupted) (left, unknown map[repository][]image.Digest) {
	hosts := map[string]string{}
	for _, reg := range r.begin.Registries {
		hosts[reg.Name] = reg.Host
	}
	left, unknown = map[repository][]image.Digest{}, map[repository][]image.Digest{}
	for _, b := range r.batches {
		r.unknown[b.at] = append(r.unknown[b.at], b.images...)
	}
	for at, digests := range r.unknown {
		key := repository{hosts[at.registry], at.name}
		unknown[key] = digests
		if u.unknown[key] == nil {
			u.unknown[key] = map[image.Digest]bool{}
		}
		for _, d := range digests {
			u.unknown[key][d] = true
		}
	}
	for _, at := range r.order {
		for _, l := range r.families[at].unfinished() {
			key := repository{hosts[at.registry], at.name}
			left[key] = append(left[key], l.Digest)
			images := u.repositories[key]
			if images == nil {
				images = map[image.Digest]policy.Unfinished{}
				u.repositories[key] = images
			}
			if _, newer := images[l.Digest]; !newer {
				images[l.Digest] = policy.Unfinished{Plan: r.begin.Plan, Root: l.root, Rule: l.rule, Tags: l.Tags, PushedAt: l.PushedAt}
			}
		}
	}
	return left, unknown
}
