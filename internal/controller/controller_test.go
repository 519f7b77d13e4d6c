package controller

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/regsweep/regsweep/internal/config"
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

// What the plan warns of is in the log of its run.
func TestWarnings(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, strings.Replace(header, "rules: [{", "rules: [{repositories: [aps/**], ", 1))
		w.start(t)
		time.Sleep(time.Minute)
		if log := w.log.String(); !strings.Contains(log, `level=WARN msg="warning of the plan" warning="rules[0].repositories[0]: \"aps/**\" matches no repository"`) {
			t.Error(log)
		}
		w.end(t)
	})
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
				if diff := cmp.Diff([]string{"regsweep controller: 1 image deleted, stopped before the end, 2 images left for later\n" +
					"prod/apps/web: 1 deleted\nthe process was told to end: context canceled"}, w.told); diff != "" {
					t.Errorf("told of what was done until then: %s", diff)
				}
			}
		})
	}
}

// A call that is not answered until its client gives up is no reason to end late:
// its images failed, and the run was stopped.
func TestStopInASilentCall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, apply)
		w.old("a", "b", "c")
		w.deleting = func(int) { time.Sleep(20 * time.Second) }
		w.silent = errors.New("no answer for 20s")
		w.start(t)
		time.Sleep(time.Second)
		w.end(t)
		w.want(t, "/metrics", 200, `regsweep_runs_total{result="stopped"} 1`, "regsweep_failures_total 1")
		if diff := cmp.Diff([]string{"regsweep controller: 0 images deleted, 1 failed, stopped before the end, 2 images left for later\n" +
			"prod/apps/web: 1 failed\nthe process was told to end: repository apps/web: no answer for 20s"}, w.told); diff != "" {
			t.Error(diff)
		}
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
