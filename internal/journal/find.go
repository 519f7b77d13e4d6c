package journal

import (
	"context"
	"iter"
	"slices"
	"time"
)

// Deleted is an image that a run deleted, or may have.
type Deleted struct {
	Image
	// Time is when, Run and Plan by what.
	Time time.Time
	Run  string
	Plan string
}

// Deleted yields the images of a repository that were deleted, or may have been,
// with their manifests, the latest first. host is that of the registry. After an
// *UnreadError, of one journal of several, the others come; after any other error
// nothing does.
func (p *Place) Deleted(ctx context.Context, host, name string) iter.Seq2[Deleted, error] {
	return func(yield func(Deleted, error) bool) {
		sources, err := p.Sources(ctx)
		if err != nil {
			yield(Deleted{}, err)
			return
		}
		for _, s := range slices.Backward(sources) {
			list, err := s.deleted(ctx, host, name)
			if err != nil && (len(sources) == 1 || ctx.Err() != nil) {
				yield(Deleted{}, err)
				return
			}
			if err != nil && !yield(Deleted{}, &UnreadError{s.String(), err}) {
				return
			}
			for _, d := range slices.Backward(list) {
				if !yield(d, nil) {
					return
				}
			}
		}
	}
}

// deleted returns what a source says was deleted, or may have been, of one
// repository, in the order of the records.
func (s Source) deleted(ctx context.Context, host, name string) (list []Deleted, err error) {
	type batch struct {
		run    string
		number int
	}
	begun := map[string]*Begin{}
	at := map[batch]int{}
	var states []State
	for e, err := range s.Records(ctx, true) {
		if err != nil {
			return nil, err
		}
		switch {
		case e.Begin != nil:
			begun[e.Run] = e.Begin
		case e.Before != nil && e.Before.Action == Delete && e.Before.Repository == name && begun[e.Run].is(e.Before.Registry, host):
			at[batch{e.Run, e.Before.Batch}] = len(list)
			for _, img := range e.Before.Images {
				list = append(list, Deleted{Image: img, Time: e.Time, Run: e.Run, Plan: begun[e.Run].Plan})
				states = append(states, Unknown)
			}
		case e.After != nil:
			if first, ok := at[batch{e.Run, e.After.Batch}]; ok {
				for i, o := range e.After.Images {
					if first+i < len(states) {
						states[first+i] = o.Outcome
					}
				}
			}
		}
	}
	kept := list[:0]
	for i, d := range list {
		if states[i] == Done || states[i] == Unknown {
			kept = append(kept, d)
		}
	}
	return kept, nil
}

// is reports whether a registry of a run is the one of a host.
func (b *Begin) is(registry, host string) bool {
	return b != nil && slices.ContainsFunc(b.Registries, func(r Registry) bool { return r.Name == registry && r.Host == host })
}
