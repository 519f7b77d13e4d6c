package awsapi

import (
	"context"
	"math/rand/v2"
	"sync"
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

// world is a server with a quota, in the virtual time of a bubble.
type world struct {
	latency time.Duration

	mu    sync.Mutex
	quota quota
	// retryAfter is what a refusal asks for.
	retryAfter time.Duration
	rng        *rand.Rand
	// busy is the sum of the times of all calls.
	busy time.Duration
	// arrivals are the times at which calls arrived.
	arrivals []time.Time
	attempts int // the most that a call needed
}

func newWorld(q quota, latency time.Duration) *world {
	return &world{quota: q, latency: latency, rng: rand.New(rand.NewPCG(1, 2))}
}

// random is the jitter of this world.
func (w *world) random() float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rng.Float64()
}

// limiter returns a limiter that lives in this world.
func (w *world) limiter(rate float64) *limiter {
	return newLimiter(rate, bubbleClock(), w.random)
}

// bubbleClock is the virtual time of a bubble.
func bubbleClock() clock {
	return clock{time.Now, func(d time.Duration) (<-chan time.Time, func() bool) {
		t := time.NewTimer(d)
		return t.C, t.Stop
	}}
}

// arrive is the moment at which the server decides on a call.
func (w *world) arrive() outcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.arrivals = append(w.arrivals, now)
	w.busy += w.latency
	if w.quota.take(now) {
		return outcome{succeeded: true}
	}
	return outcome{throttled: true, retryAfter: w.retryAfter}
}

// setQuota replaces the quota.
func (w *world) setQuota(q quota) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.quota = q
}

// call makes one call with the delays of the retryer, until it is let through.
func (w *world) call(ctx context.Context, t *testing.T, l *limiter) {
	for attempt := 1; ; attempt++ {
		p, err := l.acquire(ctx, attempt > 1)
		if err != nil {
			t.Errorf("acquire: %v", err)
			return
		}
		time.Sleep(w.latency / 2)
		o := w.arrive()
		time.Sleep(w.latency - w.latency/2)
		l.done(p, o)
		if o.succeeded {
			w.mu.Lock()
			w.attempts = max(w.attempts, attempt)
			w.mu.Unlock()
			return
		}
		time.Sleep(defaultDelays().after(attempt, true, w.random()))
	}
}

// run makes the calls from so many goroutines and returns how long it took.
func (w *world) run(t *testing.T, l *limiter, callers, calls int) time.Duration {
	begin := time.Now()
	work := make(chan struct{})
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range work {
				w.call(t.Context(), t, l)
			}
		})
	}
	for range calls {
		work <- struct{}{}
	}
	close(work)
	wg.Wait()
	return time.Since(begin)
}
