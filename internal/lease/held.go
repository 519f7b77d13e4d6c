package lease

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/regsweep/regsweep/internal/wait"
)

// Held is a Lease that this process has. It is renewed until it is released.
type Held struct {
	lock  *Lock
	ctx   context.Context //nolint:containedctx // it is what ends when the Lease is lost
	end   context.CancelCauseFunc
	ended chan struct{}

	mu     sync.Mutex
	record *Record
	// renewed is when the call of the last renewal that succeeded was begun.
	renewed time.Time
}

// hold begins to renew a Lease that was taken by a call begun at a time.
func (l *Lock) hold(record *Record, at time.Time) *Held {
	h := &Held{lock: l, record: record, renewed: at, ended: make(chan struct{})}
	h.ctx, h.end = context.WithCancelCause(context.Background())
	go h.keep()
	return h
}

// Lost is closed when the Lease is lost or released.
func (h *Held) Lost() <-chan struct{} { return h.ctx.Done() }

// Within returns a context that also ends, with a *LostError as its cause, when
// the Lease is lost. stop frees what it needs.
func (h *Held) Within(ctx context.Context) (within context.Context, stop func()) {
	within, end := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(h.ctx, func() { end(context.Cause(h.ctx)) })
	return within, func() {
		unhook()
		end(nil)
	}
}

// Check returns a *LostError unless the Lease is held at this moment, by the
// clock: a process that was stopped for a while may not have noticed yet.
func (h *Held) Check() error {
	if h.ctx.Err() != nil {
		return context.Cause(h.ctx)
	}
	if h.sinceRenewal() >= RenewWithin {
		return &LostError{Name: h.lock.Name}
	}
	return nil
}

func (h *Held) sinceRenewal() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lock.Now().Sub(h.renewed)
}

// Release gives the Lease back, so that the next need not wait until it has run
// out. It may be called of a Lease that was lost, and more than once.
func (h *Held) Release(ctx context.Context) error {
	h.end(errReleased)
	<-h.ended
	if cause := context.Cause(h.ctx); cause != errReleased { //nolint:errorlint,contextcheck // of its own context: lost before, so there is nothing to give back
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	err := h.free(ctx)
	if apierrors.IsConflict(err) { // such as by a renewal that was broken off
		if err = h.look(ctx); err == nil {
			err = h.free(ctx)
		}
	}
	if err != nil && lostError(err) == nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
		return fmt.Errorf("release the Lease %s: %w", h.lock.Name, err)
	}
	return nil
}

// free writes that nobody has the Lease.
func (h *Held) free(ctx context.Context) error {
	free := *h.record
	free.Holder, free.Duration, free.Renewed = "", time.Second, h.lock.Now()
	_, err := h.lock.Store.Update(ctx, &free)
	return err
}

// keep renews the Lease until it is released or lost.
func (h *Held) keep() {
	defer close(h.ended)
	for wait.For(h.ctx, RetryEvery) == nil {
		if err := h.renew(); err != nil {
			h.end(err)
			return
		}
	}
}

// renew renews the Lease once. An error means that it is lost.
func (h *Held) renew() error {
	h.mu.Lock()
	deadline := RenewWithin - h.lock.Now().Sub(h.renewed)
	h.mu.Unlock()
	ctx, cancel := context.WithTimeout(h.ctx, deadline)
	defer cancel()
	for {
		at := h.lock.Now()
		record, err := h.lock.Store.Update(ctx, h.lock.mine(h.record))
		switch {
		case err == nil:
			h.mu.Lock()
			h.record, h.renewed = record, at
			h.mu.Unlock()
			return nil
		case apierrors.IsConflict(err), apierrors.IsNotFound(err):
			if err = h.look(ctx); err == nil {
				continue
			}
		}
		if lost := lostError(err); lost != nil {
			return lost
		}
		if h.ctx.Err() != nil {
			return nil // released
		}
		h.lock.failed(err)
		if wait.For(ctx, RetryEvery) != nil {
			if h.ctx.Err() != nil {
				return nil
			}
			return &LostError{Name: h.lock.Name, Err: err}
		}
	}
}

func lostError(err error) *LostError {
	lost, _ := err.(*LostError) //nolint:errorlint // look returns it as it is
	return lost
}

// look reads a Lease that somebody else wrote. If that was not to take it, it is
// to be renewed in its new version.
func (h *Held) look(ctx context.Context) error {
	record, err := h.lock.Store.Get(ctx)
	switch {
	case apierrors.IsNotFound(err):
		return &LostError{Name: h.lock.Name, Err: err}
	case err != nil:
		return err
	case record.Holder != h.lock.Identity:
		return &LostError{Name: h.lock.Name, Holder: record.Holder}
	}
	h.record = record
	return nil
}
