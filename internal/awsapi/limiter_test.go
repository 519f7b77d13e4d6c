package awsapi

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestLimiterFindsQuota is the promise: with a quota of Q calls a second that
// nobody told the limiter, a run takes at most 1.15 × calls ÷ Q, and under 2 %
// of the calls are throttled (3 % under ten calls a second, where the search
// must not take minutes).
func TestLimiterFindsQuota(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name    string
		rate    float64
		quota   quota
		latency time.Duration
		calls   int
	}{
		{"bucket of 20 without burst", 20, newBucket(20, 1), 20 * ms, 2000},
		{"bucket of 20 with a second's burst", 20, newBucket(20, 20), 20 * ms, 2000},
		{"bucket of 20 with a large burst", 20, newBucket(20, 100), 20 * ms, 4000},
		{"bucket of 20 with a huge burst", 20, newBucket(20, 500), 20 * ms, 4000},
		{"bucket of 20 close by", 20, newBucket(20, 20), ms, 2000},
		{"bucket of 20 far away", 20, newBucket(20, 20), 200 * ms, 6000},
		{"window of 20", 20, &window{quota: 20}, 20 * ms, 4000},
		{"bucket of 200 without burst", 200, newBucket(200, 1), 20 * ms, 5000},
		{"bucket of 200", 200, newBucket(200, 200), 20 * ms, 5000},
		{"bucket of 200 with a large burst", 200, newBucket(200, 1000), 20 * ms, 5000},
		{"window of 200", 200, &window{quota: 200}, 20 * ms, 20000},
		{"bucket of 2000", 2000, newBucket(2000, 200), 20 * ms, 20000},
		{"bucket of 2", 2, newBucket(2, 2), 20 * ms, 2000},
		{"window of 5", 5, &window{quota: 5}, 20 * ms, 2000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(tt.quota, tt.latency)
			l := w.limiter(0)
			took := w.run(t, l, 128, tt.calls)
			c, _ := l.snapshot()
			ratio := took.Seconds() * tt.rate / float64(tt.calls)
			share := float64(c.throttled) / float64(c.calls)
			t.Logf("%.3f × calls ÷ Q, %.2f %% throttled, at most %d attempts", ratio, 100*share, w.attempts)
			if ratio > 1.15 {
				t.Errorf("took %v, which is %.3f × calls ÷ Q", took, ratio)
			}
			most := 0.02
			if tt.rate < 10 {
				most = 0.03
			}
			if share >= most {
				t.Errorf("%d of %d calls were throttled", c.throttled, c.calls)
			}
			if w.attempts > throttleAttempts/2 {
				t.Errorf("a call needed %d attempts", w.attempts)
			}
			if want := int64(tt.calls) + c.throttled; c.calls != want || c.retries != c.throttled || c.inFlight != 0 {
				t.Errorf("counts %+v, want %d calls", c, want)
			}
		})
	}
}

func TestLimiterFollowsQuota(t *testing.T) {
	tests := []struct {
		name          string
		before, after float64
		calls         int
		worst         float64 // × the time that the second half must take
	}{
		{"falls to a tenth", 200, 20, 2000, 1.15},
		{"falls to a half", 100, 50, 4000, 1.15},
		{"doubles", 50, 100, 4000, 1.15},
		{"grows tenfold", 20, 200, 8000, 1.6},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(newBucket(tt.before, tt.before), 20*time.Millisecond)
			l := w.limiter(0)
			w.run(t, l, 128, 2000)
			earlier, _ := l.snapshot()
			w.quota = newBucket(tt.after, tt.after/10)
			took := w.run(t, l, 128, tt.calls)
			c, _ := l.snapshot()
			ratio := took.Seconds() * tt.after / float64(tt.calls)
			share := float64(c.throttled-earlier.throttled) / float64(c.calls-earlier.calls)
			t.Logf("%.3f × calls ÷ Q, %.2f %% throttled", ratio, 100*share)
			if ratio > tt.worst {
				t.Errorf("took %v, which is %.3f × calls ÷ Q, want at most %.2f", took, ratio, tt.worst)
			}
			if share >= 0.02 {
				t.Errorf("%.2f %% of the calls were throttled", 100*share)
			}
		})
	}
}

// TestLimiterLeavesEveryRhythm lets a quota fall to a tenth, to a bucket that
// holds a single call, with much jitter of many kinds. A bucket of one lets
// every probe through and refuses whatever comes right behind it, so that a
// wrong rate could go on for ever as if each refusal were bad luck.
func TestLimiterLeavesEveryRhythm(t *testing.T) {
	const seeds, calls, most = 60, 1500, 0.02
	for _, tt := range []struct {
		name          string
		before, after float64
		// settle is how many calls come before those that count. After a very high
		// rate the calls in flight alone are some percent.
		settle int
	}{
		{"200 to 20", 200, 20, 0},
		{"100 to 10", 100, 10, 0},
		{"1000 to 100", 1000, 100, 1500},
	} {
		t.Run(tt.name, func(t *testing.T) {
			worst, share := 0.0, 0.0
			for seed := range uint64(seeds) {
				w := newWorld(newBucket(tt.before, tt.before), 20*time.Millisecond)
				w.rng = rand.New(rand.NewPCG(seed, 1))
				l := w.limiter(0)
				w.run(t, l, 128, 2000)
				w.quota = newBucket(tt.after, 1)
				w.run(t, l, 128, tt.settle)
				earlier, _ := l.snapshot()
				took := w.run(t, l, 128, calls)
				c, _ := l.snapshot()
				worst = max(worst, took.Seconds()*tt.after/calls)
				share = max(share, float64(c.throttled-earlier.throttled)/float64(c.calls-earlier.calls))
			}
			t.Logf("at worst %.3f × calls ÷ Q, %.2f %% throttled", worst, 100*share)
			if worst > 1.15 || share >= most {
				t.Errorf("at worst %.3f × calls ÷ Q, want at most 1.15, and %.2f %% throttled, want less than %.0f %%", worst, 100*share, 100*most)
			}
		})
	}
}

func TestLimiterWithoutQuota(t *testing.T) {
	w := newWorld(unlimited{}, 20*time.Millisecond)
	l := w.limiter(0)
	took := w.run(t, l, 500, 3000)
	c, rate := l.snapshot()
	if mean := w.busy.Seconds() / took.Seconds(); mean < 32 {
		t.Errorf("%.1f calls in flight on average, want 32 or more", mean)
	}
	if c.peak > maxInFlight || c.throttled != 0 || rate != 0 {
		t.Errorf("counts %+v at rate %v, want at most %d in flight and no limit", c, rate, maxInFlight)
	}
}

// TestLimiterSharesQuota runs two processes under one quota. They need not get
// the same, but neither may starve, nor may the quota lie idle for long when
// one of them has finished.
func TestLimiterSharesQuota(t *testing.T) {
	const each, seeds = 3000, 20
	worst, share, attempts := 0.0, 0.0, 0
	for seed := range uint64(seeds) {
		w := newWorld(newBucket(40, 40), 20*time.Millisecond)
		w.rng = rand.New(rand.NewPCG(seed, 1))
		fleets := []*fleet{w.start(w.limiter(0), 64, each), w.start(w.limiter(0), 64, each)}
		begin := w.now
		w.until(t, func() bool { return fleets[0].open+fleets[1].open == 0 })
		took := w.now.Sub(begin)
		var sum counts
		for _, f := range fleets {
			c, _ := f.l.snapshot()
			sum.calls, sum.throttled = sum.calls+c.calls, sum.throttled+c.throttled
		}
		worst = max(worst, took.Seconds()*40/(2*each))
		share = max(share, float64(sum.throttled)/float64(sum.calls))
		attempts = max(attempts, w.attempts)
	}
	t.Logf("at worst %.3f × calls ÷ Q, %.2f %% throttled, %d attempts", worst, 100*share, attempts)
	if worst > 1.35 {
		t.Errorf("both together took %.3f × calls ÷ Q, want at most 1.35", worst)
	}
	if share >= 0.02 {
		t.Errorf("%.2f %% of the calls were throttled", 100*share)
	}
	if attempts > throttleAttempts/2 {
		t.Errorf("a call needed %d attempts", attempts)
	}
}

func TestLimiterBeginsAtPublishedRate(t *testing.T) {
	w := newWorld(newBucket(10, 10), 20*time.Millisecond)
	l := w.limiter(published("ECR", "PutImage"))
	took := w.run(t, l, 64, 500)
	c, _ := l.snapshot()
	if ratio := took.Seconds() * 10 / 500; ratio > 1.05 {
		t.Errorf("took %.3f × calls ÷ Q", ratio)
	}
	if c.throttled > 5 {
		t.Errorf("%d of %d calls were throttled", c.throttled, c.calls)
	}
}

func TestLimiterHonoursRetryAfter(t *testing.T) {
	w := newWorld(newBucket(20, 20), 20*time.Millisecond)
	w.retryAfter = 3 * time.Second
	l := w.limiter(0)
	w.run(t, l, 1, 1)
	// The bucket is empty: the next call is refused, and asked to wait.
	w.quota = newBucket(20, 0)
	refused := w.now
	w.after(time.Second, func() { w.quota = unlimited{} })
	w.run(t, l, 8, 100)
	for _, at := range w.arrivals[1:] {
		if since := at.Sub(refused); since > 30*time.Millisecond && since < 3*time.Second {
			t.Fatalf("a call was sent %v after AWS asked to wait 3s", since)
		}
	}
}

func TestLimiterBoundsRetryAfter(t *testing.T) {
	w := newWorld(unlimited{}, 0)
	l := w.limiter(0)
	l.done(mustAcquire(t, l, 1)[0], outcome{retryAfter: 1000 * time.Hour})
	if took := w.run(t, l, 1, 1); took != maxRetryAfter {
		t.Errorf("the next call waited %v, want %v", took, maxRetryAfter)
	}
}

// TestLimiterHonoursContext ends the context of callers in every state that
// they can wait in.
func TestLimiterHonoursContext(t *testing.T) {
	tests := []struct {
		name    string
		rate    float64
		prepare func(t *testing.T, l *limiter)
	}{
		{"for their turn and the rate", 0.1, func(t *testing.T, l *limiter) { mustAcquire(t, l, 1) }},
		{"for room in the window", 0, func(t *testing.T, l *limiter) { mustAcquire(t, l, firstWindow) }},
		{"for a probe", 0, func(t *testing.T, l *limiter) {
			l.done(mustAcquire(t, l, 1)[0], outcome{throttled: true})
			mustAcquire(t, l, 1)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLimiter(tt.rate, bubbleClock(), func() float64 { return 0 })
				tt.prepare(t, l)
				before, _ := l.snapshot()
				ctx, cancel := context.WithCancel(t.Context())
				errs := make(chan error, 5)
				for range cap(errs) {
					go func() {
						_, err := l.acquire(ctx, false)
						errs <- err
					}()
				}
				synctest.Wait()
				cancel()
				synctest.Wait()
				for range cap(errs) {
					select {
					case err := <-errs:
						if !errors.Is(err, context.Canceled) {
							t.Errorf("got %v, want context.Canceled", err)
						}
					default:
						t.Fatal("a caller still waits after its context ended")
					}
				}
				if after, _ := l.snapshot(); after != before {
					t.Errorf("counts went from %+v to %+v", before, after)
				}
			})
		})
	}
}

// TestLimiterWaitsAnew: AWS asks to wait 30 s while a caller waits for the tenth
// of a second that was its turn before that.
func TestLimiterWaitsAnew(t *testing.T) {
	type timer struct {
		of    time.Duration
		ready chan time.Time
	}
	timers := make(chan timer)
	stopped := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	l := newLimiter(10, clock{
		now: func() time.Time { return stopped },
		timer: func(d time.Duration) (<-chan time.Time, func() bool) {
			ready := make(chan time.Time, 1)
			timers <- timer{d, ready}
			return ready, func() bool { return true }
		},
	}, func() float64 { return 0 })
	first := mustAcquire(t, l, 1)[0]
	sent := make(chan error, 1)
	go func() {
		_, err := l.acquire(t.Context(), false)
		sent <- err
	}()
	turn := <-timers
	l.settle(first, outcome{retryAfter: 30 * time.Second})
	turn.ready <- stopped
	select {
	case err := <-sent:
		t.Fatalf("the call was sent when AWS had asked to wait (error %v)", err)
	case turn = <-timers:
	}
	if turn.of != 30*time.Second {
		t.Errorf("it waits %v more, want 30s", turn.of)
	}
	turn.ready <- stopped
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

func mustAcquire(t *testing.T, l *limiter, n int) []permit {
	t.Helper()
	permits := make([]permit, n)
	for i := range permits {
		var err error
		if permits[i], err = l.acquire(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	return permits
}

// TestLimiterOutlivesLostProbes has the connection break under each probe.
func TestLimiterOutlivesLostProbes(t *testing.T) {
	w := newWorld(newBucket(20, 5), 20*time.Millisecond)
	l := w.limiter(0)
	for i := range 21 {
		var p permit
		if at, wait, ok := l.try(&p, i > 0, time.Time{}); !ok {
			w.pass(t, wait)
			if _, _, ok = l.try(&p, true, at); !ok {
				t.Fatalf("probe %d is not sent after %v", i, wait)
			}
		}
		l.done(p, outcome{throttled: i == 0})
	}
	if took := w.run(t, l, 64, 200); took > 15*time.Second {
		t.Errorf("200 calls at 20 a second took %v", took)
	}
}

// TestLimiterKeepsRateOfSlowCallers makes fewer calls than are allowed: that
// says nothing about a higher rate.
func TestLimiterKeepsRateOfSlowCallers(t *testing.T) {
	w := newWorld(unlimited{}, 20*time.Millisecond)
	l := w.limiter(100)
	for range 1000 {
		w.run(t, l, 1, 1)
		w.pass(t, 50*time.Millisecond)
	}
	if _, rate := l.snapshot(); rate != 100 {
		t.Errorf("rate %v, want 100", rate)
	}
}

// bubbleClock is the virtual time of a bubble.
func bubbleClock() clock {
	return clock{time.Now, func(d time.Duration) (<-chan time.Time, func() bool) {
		t := time.NewTimer(d)
		return t.C, t.Stop
	}}
}

// TestLimiterPacesCallers makes calls at a rate from several goroutines, also
// where the injected clock stands still: the timers still pace them.
func TestLimiterPacesCallers(t *testing.T) {
	for _, stopped := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c, start := bubbleClock(), time.Now()
			if stopped {
				c.now = func() time.Time { return start }
			}
			l := newLimiter(10, c, func() float64 { return 0 })
			var callers sync.WaitGroup
			for range 4 {
				callers.Go(func() {
					for range 25 {
						l.done(mustAcquire(t, l, 1)[0], outcome{})
					}
				})
			}
			callers.Wait()
			if took := time.Since(start); took != 99*100*time.Millisecond {
				t.Errorf("100 calls at 10 a second took %v, clock stopped: %t", took, stopped)
			}
		})
	}
}
