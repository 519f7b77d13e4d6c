package app

import "sync/atomic"

// Progress counts what a run has done. All methods may be called by many
// goroutines at once, and on nil.
type Progress struct {
	what         atomic.Value // string
	repositories atomic.Int64
	done         atomic.Int64
	images       atomic.Int64
	toDelete     atomic.Int64
	deleted      atomic.Int64
}

// Counts is one reading of a Progress.
type Counts struct {
	// Phase says what is being done.
	Phase string
	// Repositories are those that were found, and Done those that were judged or
	// finished.
	Repositories, Done int64
	// Images is how many images were judged.
	Images int64
	// ToDelete and Deleted count images while a plan is applied.
	ToDelete, Deleted int64
}

// Counts returns what was done so far.
func (p *Progress) Counts() Counts {
	if p == nil {
		return Counts{}
	}
	phase, _ := p.what.Load().(string)
	return Counts{
		Phase: phase, Repositories: p.repositories.Load(), Done: p.done.Load(), Images: p.images.Load(),
		ToDelete: p.toDelete.Load(), Deleted: p.deleted.Load(),
	}
}

func (p *Progress) phase(name string) {
	if p != nil {
		p.what.Store(name)
	}
}

func (p *Progress) found(repositories int) {
	if p != nil {
		p.repositories.Add(int64(repositories))
		p.what.Store("reading repositories")
	}
}

func (p *Progress) judged(images int) {
	if p != nil {
		p.done.Add(1)
		p.images.Add(int64(images))
	}
}

// applying starts the counts of an apply.
func (p *Progress) applying(repositories, images int) {
	if p != nil {
		p.what.Store("deleting")
		p.repositories.Store(int64(repositories))
		p.done.Store(0)
		p.toDelete.Store(int64(images))
		p.deleted.Store(0)
	}
}

func (p *Progress) removed(images int) {
	if p != nil {
		p.deleted.Add(int64(images))
	}
}

func (p *Progress) finished() {
	if p != nil {
		p.done.Add(1)
	}
}
