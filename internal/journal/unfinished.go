package journal

import (
	"context"
	"slices"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/policy"
)

// Unfinished is what interrupted runs may have left half done: members of
// families whose roots they deleted.
type Unfinished struct {
	repositories map[repository]map[image.Digest]policy.Unfinished
	// Runs are the sources that have such images, newest first.
	Runs []Source
	// Looked is how many sources there are, and Read how many were read.
	Looked, Read int
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
	u := &Unfinished{repositories: map[repository]map[image.Digest]policy.Unfinished{}}
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
		var found bool
		if err == nil {
			found, err = u.add(ctx, s)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if found {
			u.Runs = append(u.Runs, s)
		}
	}
	return u, errs
}

// interrupted is what is known of one run while its source is read.
type interrupted struct {
	begin    *Begin
	batches  map[int]Batch
	families map[repository]*families
	order    []repository
}

// add reads a source and reports whether something is left of it.
func (u *Unfinished) add(ctx context.Context, s Source) (found bool, err error) {
	runs := map[string]*interrupted{}
	var order []string
	for e, err := range s.Records(ctx, false) {
		if err != nil {
			return false, err
		}
		r := runs[e.Run]
		switch {
		case e.Begin != nil:
			runs[e.Run] = follow(e.Begin)
			order = append(order, e.Run)
		case r == nil: // torn, or of a run whose beginning is not here
		case e.Before != nil:
			r.before(e.Before)
		case e.After != nil:
			r.after(e.After)
		case e.End != nil && e.End.Settled:
			delete(runs, e.Run)
		}
	}
	for _, name := range slices.Backward(order) {
		if r := runs[name]; r != nil {
			found = u.take(r) || found
		}
	}
	return found, nil
}

func follow(b *Begin) *interrupted {
	return &interrupted{begin: b, batches: map[int]Batch{}, families: map[repository]*families{}}
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
	r.batches[b.Batch] = Batch{Registry: b.Registry, Repository: b.Repository}
}

func (r *interrupted) after(res *Result) {
	if b, ok := r.batches[res.Batch]; ok {
		r.families[repository{b.Registry, b.Repository}].after(res.Images)
	}
}

// take adds what is left of a run, and reports whether there is something.
func (u *Unfinished) take(r *interrupted) (found bool) {
	hosts := map[string]string{}
	for _, reg := range r.begin.Registries {
		hosts[reg.Name] = reg.Host
	}
	for _, at := range r.order {
		list := r.families[at].unfinished()
		if len(list) == 0 {
			continue
		}
		found = true
		key := repository{hosts[at.registry], at.name}
		images := u.repositories[key]
		if images == nil {
			images = map[image.Digest]policy.Unfinished{}
			u.repositories[key] = images
		}
		for _, l := range list {
			if _, newer := images[l.Digest]; !newer {
				images[l.Digest] = policy.Unfinished{Plan: r.begin.Plan, Root: l.root, Rule: l.rule, Tags: l.Tags, PushedAt: l.PushedAt}
			}
		}
	}
	return found
}
