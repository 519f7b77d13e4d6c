package controller

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/lease"
)

// Of two controllers one runs. When it is gone the other follows within a lease,
// and when it is cut off it stops before the other begins.
func TestLeader(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := &leases{}
		var both sync.Mutex
		deleting, most := 0, 0
		start := func(name string, s *shelf) *world {
			w := newWorld(t, apply+hourly)
			w.opts.Lock = &lease.Lock{Store: l, Name: "ops/regsweep", Identity: name, Now: time.Now}
			if s != nil {
				w.shelf = s
			}
			w.deleting = func(int) {
				both.Lock()
				deleting++
				most = max(most, deleting)
				both.Unlock()
				time.Sleep(3 * time.Second)
				both.Lock()
				deleting--
				both.Unlock()
			}
			w.start(t)
			return w
		}
		a := start("a", nil)
		var tags []string
		for i := range 100 {
			tags = append(tags, fmt.Sprintf("t%03d", i))
		}
		time.Sleep(time.Minute)
		b := start("b", a.shelf)
		a.old(tags...)
		time.Sleep(59*time.Minute + 30*time.Second) // a is deleting
		if a.runCount() != 2 || b.runCount() != 0 {
			t.Fatalf("%d and %d runs", a.runCount(), b.runCount())
		}
		b.want(t, "/readyz", 200, "waiting for ops/regsweep")
		b.want(t, "/metrics", 200, "regsweep_leader 0")
		// a cannot renew. b sees it by the same server, a little later.
		l.set(func(l *leases) { l.fail = errors.New("down") })
		time.Sleep(lease.RenewWithin + 5*time.Second) // and the call in flight
		a.want(t, "/metrics", 200, `regsweep_runs_total{result="stopped"} 1`, "regsweep_leader 0")
		a.want(t, "/", 200, "could not be renewed")
		if !a.events.has("LeaseLost") {
			t.Errorf("events of a: %q", a.events.all)
		}
		l.set(func(l *leases) { l.fail = nil }) // whoever asks first has it
		time.Sleep(lease.Duration)
		if a.runCount()+b.runCount() != 3 {
			t.Errorf("nobody has followed: %d and %d runs", a.runCount(), b.runCount())
		}
		time.Sleep(10 * time.Minute)
		both.Lock()
		if most != 1 {
			t.Errorf("%d deleted at the same time", most)
		}
		both.Unlock()
		if diff := cmp.Diff([]string{"new"}, a.left()); diff != "" {
			t.Error(diff)
		}
		a.end(t)
		began := time.Now()
		for b.runCount() == 0 && time.Since(began) < time.Minute {
			time.Sleep(time.Second)
		}
		b.want(t, "/metrics", 200, "regsweep_leader 1")
		b.end(t)
	})
}

// A process that was frozen for longer than its Lease lasts makes no further call,
// although nothing has told it yet.
func TestFrozen(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, apply)
		w.old("a", "b", "c")
		var mu sync.Mutex
		var frozen time.Duration
		w.opts.Lock = &lease.Lock{Store: &leases{}, Name: "ops/regsweep", Identity: "a", Now: func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(frozen)
		}}
		w.deleting = func(batch int) {
			if batch == 1 {
				mu.Lock()
				frozen = time.Minute
				mu.Unlock()
			}
		}
		w.start(t)
		time.Sleep(time.Second)
		if left := w.left(); len(left) != 3 {
			t.Errorf("left: %v", left)
		}
		w.want(t, "/metrics", 200, `regsweep_runs_total{result="stopped"} 1`, "regsweep_deletions_total 1")
		w.end(t)
	})
}

// A Lease that is lost is shown as lost at once, also while the call in flight is
// waited for.
func TestLeaseLostIsShown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, apply)
		w.old("a", "b")
		l := &leases{}
		w.opts.Lock = &lease.Lock{Store: l, Name: "ops/regsweep", Identity: "a", Now: time.Now}
		w.deleting = func(int) { time.Sleep(20 * time.Second) }
		w.start(t)
		time.Sleep(5 * time.Second)
		w.want(t, "/readyz", 200, "[+] lease: held, ops/regsweep")
		w.want(t, "/metrics", 200, "regsweep_leader 1")
		l.set(func(l *leases) { l.record.Holder, l.record.Version = "b", "edited" })
		time.Sleep(5 * time.Second)
		w.want(t, "/readyz", 503, "[-] lease: the Lease ops/regsweep was lost to b")
		w.want(t, "/metrics", 200, "regsweep_leader 0")
		time.Sleep(11 * time.Second) // the call is over
		w.want(t, "/readyz", 200, "[+] lease: waiting for ops/regsweep")
		w.end(t)
	})
}

// A process without the right to the Lease says so and is not ready.
func TestLeaseDenied(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, apply)
		w.opts.Lock = &lease.Lock{Store: &leases{fail: errors.New("get leases.coordination.k8s.io in namespace ops: access denied")}, Name: "ops/regsweep", Identity: "a", Now: time.Now}
		w.start(t)
		time.Sleep(time.Minute)
		w.want(t, "/readyz", 503, "[-] lease: get leases.coordination.k8s.io in namespace ops: access denied")
		if w.runCount() != 0 || strings.Count(w.log.String(), "access denied") != 1 {
			t.Errorf("%d runs\n%s", w.runCount(), w.log)
		}
		w.end(t)
	})
}
