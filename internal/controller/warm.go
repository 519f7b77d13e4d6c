package controller

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/usage"
)

const (
	// watchDoubt is how long a watch counts as broken after its last failure:
	// longer than the longest pause between its attempts.
	watchDoubt = 90 * time.Second
	// maxWarm bounds what is remembered of a source. More than that is a gap.
	maxWarm = 200_000
)

// warm remembers what the sources that can be watched saw since the last run, so
// that what came and went meanwhile counts too.
type warm struct {
	now func() time.Time
	// max is maxWarm but for tests.
	max int

	mu      sync.Mutex
	sources map[string]*warmSource
	// news is when something was seen that was not known.
	news time.Time
}

// warmSource is what is remembered of one source.
type warmSource struct {
	seen map[warmKey]warmUse
	// full says that there was no room for everything.
	full bool
	// failure is the last one, at failedAt.
	failure  error
	failedAt time.Time
	// spoke is closed when the source told anything at all.
	spoke chan struct{}
	heard bool
}

// warmKey tells images apart: however many pods run one, it is one entry.
type warmKey struct{ asked, got string }

type warmUse struct {
	holder string
	// pod says that somebody ran it, and did not only declare it.
	pod bool
	at  time.Time
}

func newWarm(now func() time.Time) *warm {
	return &warm{now: now, max: maxWarm, sources: map[string]*warmSource{}}
}

// keep forgets all sources but these, and makes room for those that are new.
func (w *warm) keep(names []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	kept := map[string]*warmSource{}
	for _, name := range names {
		if kept[name] = w.sources[name]; kept[name] == nil {
			kept[name] = &warmSource{seen: map[warmKey]warmUse{}, spoke: make(chan struct{})}
		}
	}
	w.sources = kept
}

// see notes what a source saw.
func (w *warm) see(name string, all []usage.Observation) {
	now := w.now()
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.sources[name]
	if s == nil {
		return // it is of a configuration that is no more
	}
	s.speak()
	for _, o := range all {
		key := warmKey{o.Asked, o.Got}
		use, known := s.seen[key]
		if !known {
			w.news = now
			if len(s.seen) >= w.max {
				s.full = true
				continue
			}
		}
		// A template is there as long as it is, and read in every run.
		use.pod = use.pod || o.State == image.Running || o.Got != ""
		use.holder, use.at = o.Holder, now
		s.seen[key] = use
	}
}

// fail notes that a source could not be watched.
func (w *warm) fail(name string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.sources[name]; s != nil {
		s.failure, s.failedAt = err, w.now()
		s.speak()
	}
}

func (s *warmSource) speak() {
	if !s.heard {
		s.heard = true
		close(s.spoke)
	}
}

// wait waits until each source has told something, for a while at most.
func (w *warm) wait(ctx context.Context, most time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	w.mu.Lock()
	var all []chan struct{}
	for _, s := range w.sources {
		all = append(all, s.spoke)
	}
	w.mu.Unlock()
	for _, spoke := range all {
		select {
		case <-spoke:
		case <-ctx.Done():
			return
		}
	}
}

// forget drops what was not seen since a time.
func (w *warm) forget(before time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sources {
		kept := make(map[warmKey]warmUse, len(s.seen)) // a map never shrinks
		for key, use := range s.seen {
			if !use.at.Before(before) {
				kept[key] = use
			}
		}
		s.seen, s.full = kept, false
	}
}

// fresh reports whether nothing came into sight since a time.
func (w *warm) fresh(at time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.news.Before(at)
}

// size is how many images are remembered.
func (w *warm) size() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sources {
		n += len(s.seen)
	}
	return n
}

// failures returns why sources cannot be watched, by name.
func (w *warm) failures() map[string]error {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := map[string]error{}
	for name, s := range w.sources {
		if err := s.broken(w.now()); err != nil {
			all[name] = err
		}
	}
	return all
}

// broken says why a source may have missed what came and went.
func (s *warmSource) broken(now time.Time) error {
	var errs []error
	if s.failure != nil && now.Sub(s.failedAt) < watchDoubt {
		errs = append(errs, fmt.Errorf("what comes and goes is not seen: %w", s.failure))
	}
	if s.full {
		errs = append(errs, fmt.Errorf("more than %d images came and went since the last run", len(s.seen)))
	}
	return errors.Join(errs...)
}

// warmed is a source that also tells what was seen of it since the last run.
type warmed struct {
	usage.Source
	warm *warm
}

// wrap makes the entries of a run tell what was seen since the last one.
func (w *warm) wrap(entries []usage.Entry) []usage.Entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := make([]usage.Entry, len(entries))
	for i, e := range entries {
		if w.sources[e.Source.Name()] != nil {
			e.Source = warmed{e.Source, w}
		}
		all[i] = e
	}
	return all
}

// Collect reads the source and adds what was seen and is no more: that counts as
// declared, as finished pods do. A watch that does not work is an error, since
// what it would have seen is not known.
func (s warmed) Collect(ctx context.Context) (usage.Findings, error) {
	began := s.warm.now()
	findings, err := s.Source.Collect(ctx)
	there := map[warmKey]bool{}
	for _, o := range findings.Observations {
		there[warmKey{o.Asked, o.Got}] = true
	}
	gone, brokenErr := s.warm.seen(s.Name(), there, began)
	findings.Observations = append(findings.Observations, gone...)
	return findings, errors.Join(err, brokenErr)
}

// seen returns what counts beside what a reading found that began at a time: what
// pods ran that is not there any more, and what came meanwhile. All else is
// forgotten, so that it is news when it comes back.
func (w *warm) seen(name string, there map[warmKey]bool, began time.Time) (gone []usage.Observation, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.sources[name]
	if s == nil {
		return nil, nil
	}
	for key, use := range s.seen {
		switch {
		case there[key]:
		case use.pod || !use.at.Before(began):
			gone = append(gone, usage.Observation{Holder: use.holder, State: image.Declared, Asked: key.asked, Got: key.got})
		default:
			delete(s.seen, key)
		}
	}
	return gone, s.broken(w.now())
}
