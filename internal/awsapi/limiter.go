package awsapi

import (
	"context"
	"sync"
	"time"
)

// limiter lets the calls of one operation through, in the order in which they
// come: so many in flight, and at the rate that its pace has found.
//
// The bound in flight begins small, so that a strict quota does not refuse
// dozens of calls at once. It doubles every round trip up to wideWindow, and
// then widens slowly up to maxInFlight, since all that are in flight when a
// bucket runs dry are refused.
type limiter struct {
	clock clock

	// turn is held by the one caller that waits for its time to send; the others
	// queue for it.
	turn chan struct{}
	// changed wakes the holder of turn when a call has been answered.
	changed chan struct{}

	mu   sync.Mutex
	pace *pace
	// window is how many calls may be in flight, and filled how many answers
	// came of calls that had use for a wider one.
	window, filled int
	// due is when the last call was to be sent, and notBefore until when AWS
	// asked to wait.
	due, notBefore time.Time
	counts         counts
}

// clock is the time that a limiter paces by, and how it waits.
type clock struct {
	now func() time.Time
	// timer returns a channel that is ready after a time, and what to call when
	// it is needed no longer.
	timer func(time.Duration) (ready <-chan time.Time, stop func() bool)
}

// counts is what a limiter has seen.
type counts struct {
	calls, throttled, retries int64
	inFlight, peak            int
}

const (
	// maxInFlight bounds the calls of one operation in flight, and with them the
	// memory that unread answers can take. At 20 ms a call it allows 3,200 calls
	// a second, which is more than any quota in question.
	maxInFlight = 64
	// firstWindow is how many calls go out before anything is known, wideWindow
	// up to where the window doubles, and widenAfter after how many answers it
	// is widened by one from there.
	firstWindow, wideWindow, widenAfter = 4, 36, 64
	// lateness is how late a call may be sent, as timers are, without the next
	// ones being late too.
	lateness = time.Millisecond
	// maxRetryAfter bounds what a server may ask for.
	maxRetryAfter = 2 * time.Minute
)

// newLimiter returns a limiter that begins at a published rate in calls a
// second, or at any where rate is 0.
func newLimiter(rate float64, clock clock, random func() float64) *limiter {
	return &limiter{
		clock: clock, pace: newPace(rate, random), window: firstWindow,
		turn: make(chan struct{}, 1), changed: make(chan struct{}, 1),
	}
}

// permit is a call in flight.
type permit struct {
	sent
	// full says that the call left less than half of the window free: only then
	// is there a use for a wider one.
	full bool
}

// outcome is what became of a call. It can be neither throttled nor succeeded,
// such as one whose connection broke.
type outcome struct {
	throttled, succeeded bool
	// unsent says that the call did not get as far as AWS.
	unsent bool
	// retryAfter is how long AWS asked to wait, or 0.
	retryAfter time.Duration
}

// acquire waits until a call may be sent. Its error is that of the context.
func (l *limiter) acquire(ctx context.Context, retry bool) (permit, error) {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return permit{}, ctx.Err()
	}
	defer func() { <-l.turn }()
	var p permit
	var waited time.Time
	for {
		if err := ctx.Err(); err != nil {
			return permit{}, err
		}
		at, wait, ok := l.try(&p, retry, waited)
		if ok {
			return p, nil
		}
		passed, err := l.wait(ctx, wait)
		if err != nil {
			return permit{}, err
		}
		if passed {
			waited = at
		}
	}
}

// wait waits for a time or for an answer, whichever comes first, and reports
// whether it was the time. A time of 0 means to wait for an answer.
func (l *limiter) wait(ctx context.Context, d time.Duration) (passed bool, err error) {
	var ready <-chan time.Time
	if d > 0 {
		var stop func() bool
		ready, stop = l.clock.timer(d)
		defer stop()
	}
	select {
	case <-ready:
		return true, nil
	case <-l.changed:
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// try sends the call now, or says until when to wait and how long that is; 0 is
// until an answer. waited is the time that was waited for before, which has
// come even where the clock stands still. What an answer put off meanwhile is
// later than that.
func (l *limiter) try(p *permit, retry bool, waited time.Time) (at time.Time, wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts.inFlight >= l.window || l.pace.underway {
		return time.Time{}, 0, false
	}
	now := l.clock.now()
	ready := l.due.Add(l.pace.gap())
	if ready.Before(l.notBefore) {
		ready = l.notBefore
	}
	if ready.After(now) && ready.After(waited) {
		p.held = true
		return ready, ready.Sub(now), false
	}
	l.due = now
	if late := now.Add(-lateness); ready.After(late) && ready.Before(now) {
		l.due = ready
	}
	p.sent = l.pace.send(now, p.held)
	l.counts.calls++
	if retry {
		l.counts.retries++
	}
	l.counts.inFlight++
	l.counts.peak = max(l.counts.peak, l.counts.inFlight)
	p.full = l.counts.inFlight > l.window/2
	return now, 0, true
}

// done gives back a permit and learns from what became of the call.
func (l *limiter) done(p permit, o outcome) {
	l.settle(p, o)
	select {
	case l.changed <- struct{}{}:
	default: // the holder of turn has not yet seen the last change
	}
}

// settle does done's work.
func (l *limiter) settle(p permit, o outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.now()
	l.counts.inFlight--
	if o.unsent {
		l.counts.calls--
	}
	if o.retryAfter > 0 {
		until := now.Add(min(o.retryAfter, maxRetryAfter))
		if until.After(l.notBefore) {
			l.notBefore = until
		}
	}
	switch {
	case o.throttled:
		l.counts.throttled++
		l.pace.throttled(now, p.sent, l.counts.inFlight)
	case o.succeeded:
		if p.full {
			l.widen()
		}
		l.pace.succeeded(now, p.sent, l.counts.inFlight)
	default:
		l.pace.lost(p.sent)
	}
}

// widen lets one more call be in flight.
func (l *limiter) widen() {
	l.filled++
	if l.window < wideWindow || l.window < maxInFlight && l.filled%widenAfter == 0 {
		l.window++
	}
}

// snapshot returns the counts, and the rate or 0 for any.
func (l *limiter) snapshot() (counts, float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts, l.pace.rate
}
