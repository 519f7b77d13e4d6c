package controller

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/usage"
	"github.com/regsweep/regsweep/internal/wait"
)

// What ran and is gone again counts in the next run, as declared, and no longer.
func TestShortLivedPods(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, header+hourly)
		w.start(t)
		time.Sleep(30 * time.Minute)
		w.old("job", "idle")
		w.source.pod("job")
		w.write(apply + hourly)
		time.Sleep(45 * time.Minute)
		if diff := cmp.Diff([]string{"job", "new"}, w.left()); diff != "" {
			t.Errorf("after the run that followed: %s", diff)
		}
		time.Sleep(time.Hour)
		if diff := cmp.Diff([]string{"new"}, w.left()); diff != "" {
			t.Errorf("after the run after: %s", diff)
		}
		w.end(t)
	})
}

// What comes into use while a plan is applied is seen before the next call.
func TestComesIntoUseInMidApply(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, apply)
		w.old("a", "b", "c", "d")
		w.deleting = func(batch int) {
			if batch == 1 {
				time.Sleep(time.Second)
				for _, tag := range w.left() {
					w.source.pod(tag)
				}
				time.Sleep(time.Second)
			}
		}
		w.start(t)
		time.Sleep(time.Minute)
		w.end(t)
		if left := w.left(); len(left) != 4 {
			t.Errorf("left: %v", left)
		}
	})
}

// A template that was known and gone, and comes back while a plan is applied, is
// seen before the next call, too.
func TestTemplateComesBackInMidApply(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, header+hourly)
		templates := func(tags ...string) (all []usage.Observation) {
			for _, tag := range tags {
				all = append(all, usage.Observation{Holder: "shop/Deployment/" + tag, State: image.Declared, Asked: "registry.example.com/apps/web:" + tag})
			}
			w.source.sees(all...)
			return all
		}
		w.deleting = func(batch int) {
			if batch == 1 {
				time.Sleep(time.Second)
				back := templates("a", "b", "c", "d")
				w.source.mu.Lock()
				w.source.found = back
				w.source.mu.Unlock()
				time.Sleep(time.Second)
			}
		}
		w.start(t)
		time.Sleep(30 * time.Minute)
		w.old("a", "b", "c", "d")
		templates("a", "b", "c", "d")
		w.write(apply + hourly)
		time.Sleep(45 * time.Minute)
		w.end(t)
		if left := w.left(); len(left) != 4 {
			t.Errorf("left: %v", left)
		}
	})
}

// While a cluster cannot be watched nothing goes that it could hold.
func TestWatchDenied(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, apply+hourly)
		w.old("a")
		w.source.denied = errors.New("watch pods in all namespaces: access denied")
		w.start(t)
		time.Sleep(10*time.Hour - time.Minute)
		if diff := cmp.Diff([]string{"a", "new"}, w.left()); diff != "" {
			t.Error(diff)
		}
		w.want(t, "/readyz", 200, "[-] watch live: what comes and goes is not seen: watch pods in all namespaces: access denied")
		w.want(t, "/metrics", 200, "regsweep_gaps 1", `regsweep_runs_total{result="held"} 10`)
		if !w.events.has("Warning Gap: live: what comes and goes is not seen") {
			t.Errorf("events: %q", w.events.all)
		}
		if n := strings.Count(w.log.String(), "cannot watch"); n != 10 {
			t.Errorf("logged %d times in 10 hours", n)
		}
		w.end(t)
	})
}

// A source that saw more than can be remembered is a gap.
func TestWarmIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWarm(time.Now)
		w.max = 3
		w.keep([]string{"live"})
		for i := range 5 {
			w.see("live", []usage.Observation{{Asked: fmt.Sprint("registry.example.com/apps/web:", i), State: image.Running}})
		}
		entries := w.wrap([]usage.Entry{{Source: &source{}}})
		findings, err := entries[0].Source.Collect(t.Context())
		if err == nil || len(findings.Observations) != 3 || w.size() != 3 {
			t.Errorf("%d observations, error %v", len(findings.Observations), err)
		}
		time.Sleep(time.Second)
		w.forget(time.Now())
		if findings, err = entries[0].Source.Collect(t.Context()); err != nil || len(findings.Observations) != 0 {
			t.Errorf("%d observations, error %v", len(findings.Observations), err)
		}
		w.see("other", []usage.Observation{{Asked: "x", State: image.Running}})
		w.fail("other", errors.New("gone"))
		if w.size() != 0 || len(w.failures()) != 0 {
			t.Error("a source that is not known is remembered")
		}
	})
}

// A template is there as long as it is, and is no use once it is gone.
func TestTemplatesAreNotRemembered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWarm(time.Now)
		w.keep([]string{"live"})
		w.see("live", []usage.Observation{
			{Asked: "registry.example.com/apps/web:template", State: image.Declared},
			{Asked: "registry.example.com/apps/web:finished", Got: "registry.example.com/apps/web@sha256:x", State: image.Declared},
		})
		time.Sleep(time.Second)
		findings, err := w.wrap([]usage.Entry{{Source: &source{}}})[0].Source.Collect(t.Context())
		if err != nil || len(findings.Observations) != 1 || !strings.HasSuffix(findings.Observations[0].Asked, "finished") {
			t.Errorf("%+v, error %v", findings.Observations, err)
		}
	})
}

// A day of churn, with a run every half hour and a new image every few seconds,
// leaves no more behind than an hour of it.
func TestSoak(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, apply+"controller: {interval: 30m}\n")
		w.push("new", time.Now().Add(30*day), "new")
		w.start(t)
		ctx, end := context.WithCancel(t.Context())
		var churn sync.WaitGroup
		churn.Go(func() {
			for i := 0; wait.For(ctx, 5*time.Second) == nil; i++ {
				tag := fmt.Sprintf("t%06d", i)
				if i%10 == 0 {
					w.push(tag, time.Now().Add(-30*day), tag)
				}
				w.source.pod(tag)
				if i%1000 == 0 {
					w.write(apply + fmt.Sprintf("controller: {interval: 30m}\nprice: {perGBMonth: %d}\n", 1+i))
				}
				if i%100 == 0 {
					w.get("/")
					w.get("/metrics")
				}
			}
		})
		measure := func() (heap uint64, goroutines int) {
			synctest.Wait()
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.HeapAlloc, runtime.NumGoroutine()
		}
		time.Sleep(2*time.Hour + time.Minute)
		before, goroutines := measure()
		time.Sleep(22 * time.Hour)
		after, goroutinesAfter := measure()
		if after > before+4<<20 || goroutinesAfter > goroutines+2 {
			t.Errorf("the heap grew from %d to %d bytes, and there are %d goroutines, not %d", before, after, goroutinesAfter, goroutines)
		}
		if n := w.warm.size(); n > 2*360+1 {
			t.Errorf("%d references are remembered", n)
		}
		end()
		churn.Wait()
		if w.runCount() < 48 {
			t.Errorf("%d runs", w.runCount())
		}
		w.end(t)
	})
}
