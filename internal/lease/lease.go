// Package lease lets one process of several do something, by a Lease object in a
// Kubernetes cluster. It follows the rules of client-go's leader election: a
// Lease is taken from another holder only after it was seen unchanged for its
// whole duration by the clock of who takes it, so that clocks that differ do no
// harm; and a holder that cannot renew stops before anybody may take it.
package lease

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/regsweep/regsweep/internal/wait"
)

// The times of a Lease, those of client-go's leader election: it holds for
// Duration after a renewal, its holder stops RenewWithin after the last renewal
// that succeeded, and tries every RetryEvery.
const (
	Duration    = 15 * time.Second
	RenewWithin = 10 * time.Second
	RetryEvery  = 2 * time.Second
)

// releaseTimeout bounds giving the Lease back.
const releaseTimeout = 3 * time.Second

// Lock is a Lease that this process wants.
type Lock struct {
	// Store is where the Lease is kept, and Name how messages call it.
	Store Store
	Name  string
	// Identity tells this process from all others, also from the one that had its
	// name before.
	Identity string
	// Now is the clock.
	Now func() time.Time
	// Failed is told of every call that failed; it may be nil.
	Failed func(error)
}

// Forever is a wait without end.
const Forever = time.Duration(-1)

// HeldError means that somebody else has the Lease.
type HeldError struct {
	// Name is that of the Lease, and Holder who has it.
	Name, Holder string
	// Since and Renewed are by the holder's clock.
	Since, Renewed time.Time
}

// Error says who holds the Lease.
func (e *HeldError) Error() string {
	return fmt.Sprintf("the Lease %s is held by %s since %s (renewed %s)", e.Name, e.Holder,
		e.Since.UTC().Format(time.RFC3339), e.Renewed.UTC().Format(time.RFC3339))
}

// LostError means that the Lease was had and is no more.
type LostError struct {
	Name string
	// Holder is who has it now, or "" where it could not be renewed.
	Holder string
	// Err is why it could not be renewed, or nil.
	Err error
}

// Error says why the Lease is lost.
func (e *LostError) Error() string {
	switch {
	case e.Holder != "":
		return fmt.Sprintf("the Lease %s was lost to %s", e.Name, e.Holder)
	case e.Err != nil:
		return fmt.Sprintf("the Lease %s was lost: it could not be renewed for %s: %v", e.Name, RenewWithin, e.Err)
	}
	return fmt.Sprintf("the Lease %s was lost: it was not renewed for %s", e.Name, RenewWithin)
}

// Unwrap returns why it could not be renewed.
func (e *LostError) Unwrap() error { return e.Err }

// seen is what was read of somebody else's Lease, and since when it is so by the
// clock of this process.
type seen struct {
	record *Record
	since  time.Time
	// again says that another version was seen before: it lives.
	again bool
}

// Acquire takes the Lease. If somebody else has it, it waits so long at most for it,
// and one whole duration more where the holder does not seem to live. The error
// is then a *HeldError. With Forever only the end of the context is an error;
// calls that fail are told to Failed and made again.
func (l *Lock) Acquire(ctx context.Context, most time.Duration) (*Held, error) {
	began := l.Now()
	var other seen
	for {
		at := l.Now()
		record, err := l.try(ctx, &other)
		switch {
		case err == nil && record != nil:
			return l.hold(record, at), nil //nolint:contextcheck // it outlives the call that takes it
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil:
			l.failed(err)
			if most != Forever && l.Now().Sub(began) >= most {
				return nil, fmt.Errorf("take the Lease %s: %w", l.Name, err)
			}
		case most != Forever && l.Now().Sub(began) >= most && !l.dying(other, began):
			r := other.record
			return nil, &HeldError{Name: l.Name, Holder: r.Holder, Since: r.Acquired, Renewed: r.Renewed}
		}
		if wait.For(ctx, RetryEvery) != nil {
			return nil, context.Cause(ctx)
		}
	}
}

// dying reports whether a Lease has not been renewed since it was first looked
// at, and was old then by the clocks. It is worth the wait until that is certain.
func (l *Lock) dying(other seen, began time.Time) bool {
	if other.record == nil {
		return true // it was made or changed at this moment, and is read next time
	}
	return !other.again && began.Sub(other.record.Renewed) >= other.record.Duration
}

// try makes one attempt. It returns nil where somebody else has the Lease, which
// is in other then.
func (l *Lock) try(ctx context.Context, other *seen) (*Record, error) {
	ctx, cancel := context.WithTimeout(ctx, RenewWithin)
	defer cancel()
	old, err := l.Store.Get(ctx)
	if apierrors.IsNotFound(err) {
		made, err := l.Store.Create(ctx, l.mine(&Record{}))
		if apierrors.IsAlreadyExists(err) {
			return nil, nil
		}
		return made, err
	}
	if err != nil {
		return nil, err
	}
	if other.record == nil || other.record.Version != old.Version {
		*other = seen{old, l.Now(), other.record != nil}
	}
	duration := old.Duration
	if duration <= 0 {
		duration = Duration
	}
	// Its own name stands there after a call whose answer was lost.
	if old.Holder != "" && old.Holder != l.Identity && l.Now().Sub(other.since) < duration {
		return nil, nil
	}
	taken, err := l.Store.Update(ctx, l.mine(old))
	if apierrors.IsConflict(err) {
		*other = seen{} // who has it now is read next time
		return nil, nil
	}
	return taken, err
}

// mine returns the record with this process as its holder.
func (l *Lock) mine(old *Record) *Record {
	r, now := *old, l.Now()
	r.Duration, r.Renewed = Duration, now
	if r.Holder != l.Identity {
		r.Holder, r.Acquired = l.Identity, now
		if old.Version != "" {
			r.Transitions++
		}
	}
	return &r
}

func (l *Lock) failed(err error) {
	if l.Failed != nil {
		l.Failed(err)
	}
}

// errReleased ends the renewing of a Lease that is given back.
var errReleased = errors.New("the Lease was released")
