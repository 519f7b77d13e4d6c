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
	"go.uber.org/goleak"

	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/lease"
	"github.com/regsweep/regsweep/internal/usage"
	"github.com/regsweep/regsweep/internal/wait"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bubble runs a test in virtual time, which begins at 2000-01-01 00:00 UTC.
func bubble(t *testing.T, f func(t *testing.T)) { t.Helper(); synctest.Test(t, f) }

const (
	apply  = header + "mode: apply\n"
	day    = 24 * time.Hour
	hourly = "controller: {interval: 1h}\n"
)

// old pushes images that would go, and a new one that stays.
func (w *world) old(tags ...string) {
	for _, tag := range tags {
		w.push(tag, time.Now().Add(-30*day), tag)
	}
	w.push("new", time.Now().Add(day), "new")
}

func TestSchedule(t *testing.T) {
	for _, test := range []struct {
		name, controller string
		jitter           time.Duration
		want             []string // of the first day
	}{
		{"interval", "{interval: 8h}", 0, []string{"00:00:00", "08:00:00", "16:00:00"}},
		{"default", "{}", 0, []string{"00:00:00", "06:00:00", "12:00:00", "18:00:00"}},
		{"schedule", `{schedule: "30 3,15 * * *"}`, 0, []string{"00:00:00", "03:30:00", "15:30:00"}},
		{"time zone", `{schedule: "0 3 * * *", timeZone: America/New_York}`, 0, []string{"00:00:00", "08:00:00"}},
		{"jitter", "{interval: 8h}", time.Hour, []string{"00:00:00", "08:30:00", "17:00:00"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, header+"controller: "+test.controller+"\n")
				w.opts.Jitter, w.opts.Random = test.jitter, func() float64 { return 0.5 }
				w.start(t)
				time.Sleep(day - time.Second)
				synctest.Wait()
				w.end(t)
				var got []string
				for _, at := range w.runs {
					got = append(got, at.UTC().Format("15:04:05"))
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// A run that takes longer than the interval is never joined by another.
func TestOneRunAtATime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, apply+hourly)
		w.old("a")
		w.deleting = func(int) { time.Sleep(150 * time.Minute) }
		w.start(t)
		time.Sleep(4 * time.Hour)
		w.end(t)
		var got []string
		for _, at := range w.runs {
			got = append(got, at.UTC().Format("15:04"))
		}
		if diff := cmp.Diff([]string{"00:00", "03:30"}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestModes(t *testing.T) {
	for file, want := range map[string][]string{header: {"a", "b", "new"}, header + "mode: plan\n": {"a", "b", "new"}, apply: {"new"}} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, file)
			w.old("a", "b")
			w.start(t)
			time.Sleep(day)
			w.end(t)
			if diff := cmp.Diff(want, w.left()); diff != "" {
				t.Errorf("%s: %s", file, diff)
			}
		})
	}
}

func TestWhatIsShown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, apply)
		w.old("a", "b")
		w.start(t)
		time.Sleep(time.Minute)
		w.want(t, "/healthz", 200, "ok")
		w.want(t, "/readyz", 200, "[+] config: of 2000-01-01 00:00:00 UTC", "[+] lease: none is needed")
		w.want(t, "/metrics", 200,
			`regsweep_images{verdict="delete"} 2`, `regsweep_images{verdict="keep"} 1`, "regsweep_bytes 3000", "regsweep_deletions_total 2",
			"regsweep_freed_bytes_total 0", "regsweep_freed_bytes_at_most_total 2000",
			"regsweep_gaps 0", "regsweep_throttles_total 3", "regsweep_calls_total 7", "regsweep_run_duration_seconds_count 1",
			"regsweep_last_success_timestamp_seconds 9.466848e+08", "regsweep_next_run_timestamp_seconds 9.467064e+08",
			"regsweep_config_valid 1", "regsweep_leader 1", `regsweep_runs_total{result="ok"} 1`, `regsweep_build_info{version="1.2.3"} 1`, "go_goroutines")
		w.want(t, "/", 200, "<h1>regsweep</h1>", "2 images deleted", "next run", "2000-01-01 06:00:00 UTC", "apps/web", "not-kept")
		w.want(t, "/other", 404)
		w.want(t, "/debug/pprof/", 404)
		if !w.events.has("Normal RunCompleted: regsweep controller: 2 images deleted\nprod/apps/web: 2 deleted") || !w.events.has("ImagesDeleted: 2 images") {
			t.Errorf("events: %q", w.events.all)
		}
		if diff := cmp.Diff([]string{"regsweep controller: 2 images deleted\nprod/apps/web: 2 deleted"}, w.told); diff != "" {
			t.Error(diff)
		}
		w.end(t)
		w.want(t, "/readyz", 503, "stopping")
	})
}

func TestPprofWhenAsked(t *testing.T) {
	w := newWorld(t, header)
	w.opts.Pprof = true
	w.Controller = New(w.opts)
	w.want(t, "/debug/pprof/", 200, "goroutine")
	w.want(t, "/readyz", 503, "[-] config: not read yet")
	w.want(t, "/", 200, "There is no plan yet.")
}

func TestReload(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, header)
		w.old("a")
		w.start(t)
		time.Sleep(time.Hour)
		for _, bad := range []string{"rules: [\n", "version: 1\nregistries: []\n", ""} {
			w.write(bad)
			time.Sleep(time.Minute)
			w.want(t, "/readyz", 200, "[-] config: refused, and the one of 2000-01-01 00:00:00 UTC stays: ")
			w.want(t, "/metrics", 200, "regsweep_config_valid 0")
			w.want(t, "/", 200, "refused, and the one of")
		}
		w.want(t, "/metrics", 200, `regsweep_config_reloads_total{result="refused"} 3`)
		if n := strings.Count(w.log.String(), "configuration refused"); n != 3 || !w.events.has("Warning ConfigRefused: ") {
			t.Errorf("%d lines in the log; events: %q", n, w.events.all)
		}
		w.write(header) // as it was
		time.Sleep(time.Minute)
		w.want(t, "/metrics", 200, "regsweep_config_valid 1", `regsweep_config_reloads_total{result="ok"} 0`)
		if w.runCount() != 1 {
			t.Errorf("%d runs", w.runCount())
		}
		w.write(apply + "controller: {interval: 2h}\n") // from 01:04 on
		time.Sleep(2*time.Hour + time.Minute)
		w.want(t, "/metrics", 200, `regsweep_config_reloads_total{result="ok"} 1`)
		if diff := cmp.Diff([]string{"new"}, w.left()); diff != "" || !w.events.has("ConfigReloaded") {
			t.Errorf("%s\n%s", diff, w.log)
		}
		w.end(t)
	})
}

func TestStartFails(t *testing.T) {
	w := newWorld(t, "version: 2\n")
	if err := New(w.opts).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "version") {
		t.Errorf("error %v", err)
	}
	w.write("")
	if err := New(w.opts).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "the file is gone") {
		t.Errorf("error %v", err)
	}
}

// A run that fails is told, and the next is made all the same.
func TestRunFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, apply+hourly)
		w.old("a")
		w.open = errors.New("credentials have expired")
		w.events.err = errors.New("create events: access denied")
		w.start(t)
		time.Sleep(time.Minute)
		w.want(t, "/metrics", 200, `regsweep_runs_total{result="failed"} 1`, "regsweep_last_success_timestamp_seconds 0")
		w.want(t, "/", 200, "failed", "credentials have expired")
		if !w.events.has("Warning RunFailed: credentials have expired") {
			t.Errorf("events: %q", w.events.all)
		}
		if log := w.log.String(); !strings.Contains(log, "create events: access denied") {
			t.Error(log)
		}
		w.mu.Lock()
		w.open = nil
		w.mu.Unlock()
		time.Sleep(time.Hour)
		if diff := cmp.Diff([]string{"new"}, w.left()); diff != "" {
			t.Error(diff)
		}
		w.end(t)
	})
}

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

// What is in flight is finished, nothing is begun, and the end is in order.
func TestGracefulStop(t *testing.T) {
	for _, test := range []struct {
		call time.Duration
		err  error
	}{{20 * time.Second, nil}, {time.Minute, ErrStopTimeout}} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, apply)
			w.old("a", "b", "c")
			w.deleting = func(int) { time.Sleep(test.call) }
			w.start(t)
			time.Sleep(10 * time.Second)
			began := time.Now()
			if err := w.stop(); !errors.Is(err, test.err) {
				t.Errorf("error %v, want %v", err, test.err)
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("the end took %v", took)
			}
			time.Sleep(time.Hour) // for what was too slow
			if left := w.left(); len(left) != 3 {
				t.Errorf("left: %v", left)
			}
			if test.err == nil {
				w.want(t, "/metrics", 200, `regsweep_runs_total{result="stopped"} 1`, "regsweep_deletions_total 1")
				if diff := cmp.Diff([]string{"regsweep controller: 1 image deleted\nprod/apps/web: 1 deleted"}, w.told); diff != "" {
					t.Errorf("told of what was done until then: %s", diff)
				}
			}
		})
	}
}

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

// While it leads, and with each configuration, what is in use is marked.
func TestTagging(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, header)
		var mu sync.Mutex
		var began []string
		w.opts.Tag = func(ctx context.Context, cfg *config.Config) error {
			mu.Lock()
			began = append(began, time.Now().UTC().Format("15:04:05")+" "+string(cfg.Mode))
			first := len(began) == 1
			mu.Unlock()
			if first {
				return errors.New("credentials have expired")
			}
			<-ctx.Done()
			return nil
		}
		w.start(t)
		time.Sleep(time.Hour + 5*time.Second) // between two looks at the file
		w.write(apply)
		time.Sleep(time.Hour)
		w.end(t)
		if diff := cmp.Diff([]string{"00:00:00 plan", "00:01:00 plan", "01:00:10 apply"}, began); diff != "" {
			t.Error(diff)
		}
		if !strings.Contains(w.log.String(), "credentials have expired") {
			t.Error(w.log)
		}
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
