package lease

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/regsweep/regsweep/internal/wait"
)

var leases = schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}

// memory is a Store in memory with the rules of the API.
type memory struct {
	mu     sync.Mutex
	record *Record
	writes int
	// fail answers every call while it is set.
	fail error
	// lose makes writes happen and their answers get lost.
	lose bool
}

func (m *memory) Get(context.Context) (*Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.fail != nil:
		return nil, m.fail
	case m.record == nil:
		return nil, apierrors.NewNotFound(leases, "regsweep")
	}
	r := *m.record
	return &r, nil
}

func (m *memory) Create(_ context.Context, r *Record) (*Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.fail != nil:
		return nil, m.fail
	case m.record != nil:
		return nil, apierrors.NewAlreadyExists(leases, "regsweep")
	}
	return m.write(r)
}

func (m *memory) Update(_ context.Context, r *Record) (*Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.fail != nil:
		return nil, m.fail
	case m.record == nil:
		return nil, apierrors.NewNotFound(leases, "regsweep")
	case m.record.Version != r.Version:
		return nil, apierrors.NewConflict(leases, "regsweep", errors.New("changed"))
	}
	return m.write(r)
}

func (m *memory) write(r *Record) (*Record, error) {
	m.writes++
	stored := *r
	stored.Version = fmt.Sprint(m.writes)
	m.record = &stored
	if m.lose {
		return nil, errors.New("the answer was lost")
	}
	answer := stored
	return &answer, nil
}

func (m *memory) set(f func(*memory)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(m)
}

func (m *memory) holder() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.record == nil {
		return ""
	}
	return m.record.Holder
}

func lock(m *memory, identity string) *Lock {
	return &Lock{Store: m, Name: "ops/regsweep", Identity: identity, Now: time.Now}
}

func acquire(t *testing.T, l *Lock, wait time.Duration) *Held {
	t.Helper()
	h, err := l.Acquire(t.Context(), wait)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// bubble runs a test in virtual time.
func bubble(t *testing.T, f func(t *testing.T)) { t.Helper(); synctest.Test(t, f) }

func TestHeldIsRenewedAndReleased(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := &memory{}
		h := acquire(t, lock(m, "a"), 0)
		time.Sleep(time.Hour)
		if err := h.Check(); err != nil {
			t.Fatal(err)
		}
		var held *HeldError
		if _, err := lock(m, "b").Acquire(t.Context(), 0); !errors.As(err, &held) || held.Holder != "a" {
			t.Fatalf("a second holder: %v", err)
		}
		if err := h.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := m.holder(); got != "" {
			t.Fatalf("after the release the holder is %q", got)
		}
		began := time.Now()
		b := acquire(t, lock(m, "b"), 0)
		if waited := time.Since(began); waited != 0 {
			t.Errorf("a free Lease was waited for %v", waited)
		}
		if m.record.Transitions != 1 {
			t.Errorf("%d transitions, want 1", m.record.Transitions)
		}
		if err := errors.Join(b.Release(t.Context()), b.Release(t.Context())); err != nil {
			t.Error(err)
		}
	})
}

// A holder that was killed is followed within one lease duration after somebody
// looks, and never earlier.
func TestTakeover(t *testing.T) {
	for _, wait := range []time.Duration{0, Forever} {
		bubble(t, func(t *testing.T) {
			// The clock of the holder is an hour behind.
			m := &memory{record: &Record{Holder: "dead", Duration: Duration, Renewed: time.Now().Add(-time.Hour), Version: "0"}}
			began := time.Now()
			h := acquire(t, lock(m, "b"), wait)
			if took := time.Since(began); took < Duration || took > Duration+RetryEvery {
				t.Errorf("wait %v: taken after %v", wait, took)
			}
			if err := h.Release(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// A holder whose clock is wrong, but who renews, keeps its Lease.
func TestClockOfHolderIsWrong(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := &memory{}
		slow := lock(m, "slow")
		slow.Now = func() time.Time { return time.Now().Add(-time.Hour) }
		h := acquire(t, slow, 0)
		for _, wait := range []time.Duration{0, time.Minute} {
			began := time.Now()
			var held *HeldError
			if _, err := lock(m, "b").Acquire(t.Context(), wait); !errors.As(err, &held) {
				t.Fatalf("taken from a holder that lives: %v", err)
			}
			if took := time.Since(began); took > wait+Duration+RetryEvery {
				t.Errorf("wait %v took %v", wait, took)
			}
		}
		if err := h.Check(); err != nil {
			t.Error(err)
		}
		if err := h.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := &memory{}
		a := acquire(t, lock(m, "a"), 0)
		time.AfterFunc(30*time.Second, func() { _ = a.Release(context.Background()) })
		began := time.Now()
		b := acquire(t, lock(m, "b"), time.Minute)
		if took := time.Since(began); took < 30*time.Second || took > 33*time.Second {
			t.Errorf("taken after %v", took)
		}
		if err := b.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A holder that cannot renew stops before anybody else can have the Lease.
func TestLostBeforeOthersHaveIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := &memory{}
		a := acquire(t, lock(m, "a"), 0)
		ctx, stop := a.Within(t.Context())
		defer stop()
		time.Sleep(time.Minute)
		m.set(func(m *memory) { m.fail = errors.New("down") })
		down := time.Now()
		<-ctx.Done()
		var lost *LostError
		if !errors.As(context.Cause(ctx), &lost) || lost.Err == nil {
			t.Fatalf("cause: %v", context.Cause(ctx))
		}
		if after := time.Since(down); after > RenewWithin {
			t.Errorf("stopped only after %v", after)
		}
		if err := a.Check(); !errors.As(err, &lost) {
			t.Errorf("Check: %v", err)
		}
		m.set(func(m *memory) { m.fail = nil })
		b := acquire(t, lock(m, "b"), Forever)
		if taken := time.Since(down); taken < RenewWithin {
			t.Errorf("taken by another after %v", taken)
		}
		if err := errors.Join(a.Release(t.Context()), b.Release(t.Context())); err != nil {
			t.Error(err)
		}
	})
}

func TestOthersWrite(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*memory)
		lost   bool
	}{
		{"labels", func(m *memory) { m.record.Version = "edited" }, false},
		{"another holder", func(m *memory) { m.record.Version, m.record.Holder = "edited", "x" }, true},
		{"deleted", func(m *memory) { m.record = nil }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				m := &memory{}
				a := acquire(t, lock(m, "a"), 0)
				m.set(test.change)
				time.Sleep(time.Minute)
				if err := a.Check(); (err != nil) != test.lost {
					t.Errorf("Check: %v", err)
				}
				if err := a.Release(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A process that was stopped for a while knows by the clock that its Lease is
// over, before anything else can tell it.
func TestCheckByTheClock(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := &memory{}
		var mu sync.Mutex
		var ahead time.Duration
		l := lock(m, "a")
		l.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return time.Now().Add(ahead) }
		a := acquire(t, l, 0)
		mu.Lock()
		ahead = RenewWithin
		mu.Unlock()
		var lost *LostError
		if err := a.Check(); !errors.As(err, &lost) {
			t.Errorf("Check: %v", err)
		}
		if err := a.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A Lease that was written while the answer got lost is this process's own.
func TestAnswerLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := &memory{lose: true}
		time.AfterFunc(time.Second, func() { m.set(func(m *memory) { m.lose = false }) })
		began := time.Now()
		var failures int
		l := lock(m, "a")
		l.Failed = func(error) { failures++ }
		a := acquire(t, l, time.Minute)
		if took := time.Since(began); took > RetryEvery || failures != 1 {
			t.Errorf("taken after %v and %d failures", took, failures)
		}
		if err := a.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// overtaken is a Lease that somebody else takes between the reading and the writing
// of this process, once.
type overtaken struct {
	*memory
	by string
}

func (o *overtaken) Update(ctx context.Context, r *Record) (*Record, error) {
	if o.by != "" {
		o.set(func(m *memory) { m.record.Holder, m.record.Version = o.by, "taken" })
		o.by = ""
	}
	return o.memory.Update(ctx, r)
}

// Of two that find a Lease free the one that is later says who has it.
func TestOvertaken(t *testing.T) {
	bubble(t, func(t *testing.T) {
		free := &Record{Duration: time.Second, Renewed: time.Now(), Version: "0"}
		l := lock(nil, "a")
		l.Store = &overtaken{&memory{record: free}, "b"}
		_, err := l.Acquire(t.Context(), 0)
		var held *HeldError
		if !errors.As(err, &held) || held.Holder != "b" {
			t.Errorf("error %v, want that b holds it", err)
		}
	})
}

func TestAcquireFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		down := errors.New("down")
		if _, err := lock(&memory{fail: down}, "a").Acquire(t.Context(), 0); !errors.Is(err, down) {
			t.Errorf("error %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := lock(&memory{fail: down}, "a").Acquire(ctx, Forever); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
}

// Of many that want a Lease one has it at each moment, whatever fails. Who had it
// stays away for longer than the next one holds it, so that each has its turn.
func TestOneAtATime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := &memory{}
		var mu sync.Mutex
		holding, turns := 0, map[string]int{}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
		defer cancel()
		var all sync.WaitGroup
		for _, name := range []string{"a", "b", "c"} {
			all.Go(func() {
				for ctx.Err() == nil {
					h, err := lock(m, name).Acquire(ctx, Forever)
					if err != nil {
						return
					}
					mu.Lock()
					if holding++; holding > 1 {
						t.Errorf("%d hold the Lease", holding)
					}
					turns[name]++
					mu.Unlock()
					within, stop := h.Within(ctx)
					_ = wait.For(within, time.Minute)
					stop()
					mu.Lock()
					holding--
					mu.Unlock()
					_ = h.Release(context.Background())
					_ = wait.For(ctx, 100*time.Second)
				}
			})
		}
		all.Go(func() {
			for wait.For(ctx, 7*time.Minute) == nil {
				m.set(func(m *memory) { m.fail = errors.New("down") })
				_ = wait.For(ctx, 20*time.Second)
				m.set(func(m *memory) { m.fail = nil })
			}
		})
		all.Wait()
		if len(turns) != 3 {
			t.Errorf("turns: %v", turns)
		}
	})
}
