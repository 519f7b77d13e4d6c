package awsapi

import (
	"container/heap"
	"math/rand/v2"
	"testing"
	"time"
)

// quota is a server's limit. It says whether a call that arrives now is let
// through.
type quota interface{ take(now time.Time) bool }

// bucket is a token bucket.
type bucket struct {
	rate, burst, tokens float64
	at                  time.Time
}

func newBucket(rate, burst float64) *bucket { return &bucket{rate: rate, burst: burst, tokens: burst} }

func (b *bucket) take(now time.Time) bool {
	if !b.at.IsZero() {
		b.tokens = min(b.burst, b.tokens+now.Sub(b.at).Seconds()*b.rate)
	}
	b.at = now
	if b.tokens < 1-1e-9 {
		return false
	}
	b.tokens--
	return true
}

// window allows so many calls in each second of the clock.
type window struct {
	quota, used int
	second      int64
}

func (w *window) take(now time.Time) bool {
	if s := now.Unix(); s != w.second {
		w.second, w.used = s, 0
	}
	if w.used >= w.quota {
		return false
	}
	w.used++
	return true
}

// unlimited lets everything through.
type unlimited struct{}

func (unlimited) take(time.Time) bool { return true }

// world is a server with a quota and those who call it, as a list of what
// happens when. There are no goroutines in it, so that the same world always
// goes the same way: what happens at the same moment happens in the order in
// which it was planned.
type world struct {
	latency time.Duration
	quota   quota
	// retryAfter is what a refusal asks for.
	retryAfter time.Duration
	rng        *rand.Rand
	// busy is the sum of the times of all calls.
	busy time.Duration
	// arrivals are the times at which calls arrived.
	arrivals []time.Time
	attempts int // the most that a call needed

	now    time.Time
	events events
	count  int // of all events so far
}

// event is what happens at a time, and the number of which event it is.
type event struct {
	at     time.Time
	number int
	happen func()
}

// events is a heap, the next one first.
type events []event

func (e events) Len() int      { return len(e) }
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e events) Less(i, j int) bool {
	if !e[i].at.Equal(e[j].at) {
		return e[i].at.Before(e[j].at)
	}
	return e[i].number < e[j].number
}
func (e *events) Push(x any) { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func newWorld(q quota, latency time.Duration) *world {
	return &world{
		quota: q, latency: latency, rng: rand.New(rand.NewPCG(1, 2)),
		now: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

// limiter returns a limiter that lives in this world. Its callers are a fleet.
func (w *world) limiter(rate float64) *limiter {
	return newLimiter(rate, clock{now: func() time.Time { return w.now }}, w.rng.Float64)
}

// after has something happen after a time.
func (w *world) after(d time.Duration, happen func()) {
	w.count++
	heap.Push(&w.events, event{w.now.Add(d), w.count, happen})
}

// until lets things happen until one of them makes done true.
func (w *world) until(t *testing.T, done func() bool) {
	t.Helper()
	for !done() {
		if len(w.events) == 0 {
			t.Fatal("all wait, and nothing will happen any more")
		}
		next := heap.Pop(&w.events).(event)
		w.now = next.at
		next.happen()
	}
}

// pass lets a time pass.
func (w *world) pass(t *testing.T, d time.Duration) {
	t.Helper()
	passed := false
	w.after(d, func() { passed = true })
	w.until(t, func() bool { return passed })
}

// arrive is the moment at which the server decides on a call.
func (w *world) arrive() outcome {
	w.arrivals = append(w.arrivals, w.now)
	w.busy += w.latency
	if w.quota.take(w.now) {
		return outcome{succeeded: true}
	}
	return outcome{throttled: true, retryAfter: w.retryAfter}
}

// fleet is some callers of one limiter. They do what those of acquire and done
// do, in virtual time.
type fleet struct {
	w *world
	l *limiter
	// left is how many calls are not begun, and open how many have no success.
	left, open int
	queue      []*call
	// turns tells which time is waited for: that of an earlier turn is void.
	turns int
	ended time.Time
}

// call is a call on its way to success.
type call struct {
	attempt int
	permit  permit
}

// start has so many callers make calls, one after the other each.
func (w *world) start(l *limiter, callers, calls int) *fleet {
	f := &fleet{w: w, l: l, left: calls, open: calls, ended: w.now}
	for range callers {
		f.next()
	}
	return f
}

// run is start, to the end, and returns how long it took.
func (w *world) run(t *testing.T, l *limiter, callers, calls int) time.Duration {
	t.Helper()
	begin := w.now
	f := w.start(l, callers, calls)
	w.until(t, func() bool { return f.open == 0 })
	return f.ended.Sub(begin)
}

// next begins a call, if one is left.
func (f *fleet) next() {
	if f.left > 0 {
		f.left--
		f.enqueue(&call{attempt: 1})
	}
}

func (f *fleet) enqueue(c *call) {
	if f.queue = append(f.queue, c); len(f.queue) == 1 {
		f.turn(time.Time{})
	}
}

// turn sends calls as long as the limiter lets it. waited is the time that the
// first has waited for.
func (f *fleet) turn(waited time.Time) {
	for len(f.queue) > 0 {
		f.turns++
		turn, c := f.turns, f.queue[0]
		at, wait, ok := f.l.try(&c.permit, c.attempt > 1, waited)
		if !ok {
			if wait > 0 {
				f.w.after(wait, func() {
					if f.turns == turn {
						f.turn(at)
					}
				})
			}
			return
		}
		f.queue, waited = f.queue[1:], time.Time{}
		f.w.after(f.w.latency/2, func() {
			o := f.w.arrive()
			f.w.after(f.w.latency-f.w.latency/2, func() { f.answered(c, o) })
		})
	}
}

// answered is the end of an attempt, with the delays of the retryer.
func (f *fleet) answered(c *call, o outcome) {
	f.l.settle(c.permit, o)
	if o.succeeded {
		f.w.attempts = max(f.w.attempts, c.attempt)
		f.open--
		f.ended = f.w.now
		f.next()
	} else {
		f.w.after(defaultDelays().after(c.attempt, true, f.w.rng.Float64()), func() {
			c.attempt++
			c.permit = permit{}
			f.enqueue(c)
		})
	}
	f.turn(time.Time{})
}
