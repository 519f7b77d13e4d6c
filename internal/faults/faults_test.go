// Package faults_test lets every call of a whole run go wrong, one after the
// other and in every way, and looks at what is left of the registry.
package faults_test

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/plan"
)

var thorough = flag.Bool("faults.all", false, "every kind of lasting fault at every call, and a second run after every run")

// reference is the run in which nothing goes wrong.
type reference struct {
	calls []seen
	// uses is how many uses each source has, and images how many images each
	// repository has.
	uses, images map[string]int
}

// clean makes the reference run, and checks that it does what the world says.
func clean(t *testing.T, s setting) (ref reference) {
	t.Helper()
	dir := scratch(t)
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(start))
		w := newWorld(time.Now)
		w.server.SetLatency(s.latency)
		s.interrupt(t, w, dir)
		before := w.now()
		wire := newWire(w.server, nil)
		out := run(t.Context(), wire, s, dir)
		if out.exit != done || out.err != nil {
			t.Fatalf("exit code %d, error %v", out.exit, out.err)
		}
		if diff := gocmp.Diff(w.clean(before), w.now()); diff != "" {
			t.Fatalf("after the run (-want +got):\n%s", diff)
		}
		ref = reference{wire.calls, map[string]int{}, map[string]int{}}
		for name := range before {
			ref.images[repositoryOf(name)]++
		}
		for _, s := range out.plan.Sources {
			ref.uses[s.Name] = s.Uses
		}
		if problems := ref.unlike(out.plan); len(problems) > 0 {
			t.Fatalf("the plan: %v", problems)
		}
	})
	return ref
}

// unlike returns what a plan says that is not the truth, and no gap. It is how a
// part of a list that was taken for the whole would show.
func (ref reference) unlike(p *plan.Plan) (problems []string) {
	left := maps.Clone(ref.images)
	for _, repo := range p.Registries[0].Repositories {
		if repo.Gap == "" && repo.Totals.Images != ref.images[repo.Name] {
			problems = append(problems, fmt.Sprintf("%s has %d images in the plan and %d in truth", repo.Name, repo.Totals.Images, ref.images[repo.Name]))
		}
		delete(left, repo.Name)
	}
	for name := range left {
		problems = append(problems, name+" is not in the plan")
	}
	if len(p.Sources) != len(ref.uses) {
		problems = append(problems, fmt.Sprintf("the plan has %d sources and the configuration %d", len(p.Sources), len(ref.uses)))
	}
	for _, s := range p.Sources {
		if s.Status == "ok" && s.Uses != ref.uses[s.Name] {
			problems = append(problems, fmt.Sprintf("source %s is ok with %d uses, and %d in truth", s.Name, s.Uses, ref.uses[s.Name]))
		}
	}
	return problems
}

// repositoryOf returns the repository of "repository/name".
func repositoryOf(name string) string { return name[:strings.LastIndexByte(name, '/')] }

// tally counts what was seen.
type tally struct {
	mu      sync.Mutex
	exit    map[int]int
	longest time.Duration
}

func (c *tally) add(exit int, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.exit[exit]++
	c.longest = max(c.longest, took)
}

func (c *tally) String() string {
	runs := 0
	for _, n := range c.exit {
		runs += n
	}
	return fmt.Sprintf("%d runs, of which %d ended with 0, %d with 1, %d with 3 and %d with 4, the longest after %s",
		runs, c.exit[done], c.exit[failed], c.exit[partial], c.exit[held], c.longest.Round(time.Second))
}

// TestEveryCallFailsOnce lets each call of a plan and its apply fail once, in
// every way. Nothing that must stay is lost, no part of a list is taken for the
// whole, the exit code is right, and the next run does the rest.
func TestEveryCallFailsOnce(t *testing.T) {
	t.Parallel()
	set := setting{config: parse(t), recheck: recheck}
	ref := clean(t, set)
	calls := ref.callsOf(func(seen) bool { return true })
	count := tally{exit: map[int]int{}}
	t.Run("fault", func(t *testing.T) {
		for n, k := range faultKinds {
			t.Run(k.name, func(t *testing.T) {
				t.Parallel()
				for i, c := range some(calls, n) {
					if !k.applies(c) {
						continue
					}
					want := wanted(k, c)
					trial := trial{
						setting: set, ref: ref, name: k.name + " at " + c.String(), want: want,
						once: true, rerun: want.exit != done || i%8 == 0,
					}
					trial.fault = k.at(c)
					count.add(trial.run(t))
				}
			})
		}
	})
	t.Logf("%d calls, %d kinds of faults: %s", len(ref.calls), len(faultKinds), &count)
}

// TestEveryCallFailsEachTime lets each call fail however often it is made, as
// one that is not allowed does: usage and images are read again before anything
// is deleted, so that a fault has to last to do harm.
func TestEveryCallFailsEachTime(t *testing.T) {
	t.Parallel()
	set := setting{config: parse(t), recheck: recheck}
	ref := clean(t, set)
	calls := ref.callsOf(func(c seen) bool { return c.nth == 1 })
	count := tally{exit: map[int]int{}}
	t.Run("fault", func(t *testing.T) {
		for n, k := range faultKinds {
			t.Run(k.name, func(t *testing.T) {
				t.Parallel()
				for i, c := range some(calls, n) {
					// What is final at once fails everywhere, and of the others each at
					// some of the calls.
					if !k.applies(c) || k.passes && (i+n)%7 != 0 && !*thorough {
						continue
					}
					k := k
					k.passes, k.passesAt = false, ""
					trial := trial{setting: set, ref: ref, name: k.name + " each time at " + c.String(), want: wanted(k, c), some: true, rerun: i%4 == 0}
					trial.fault = func(now seen) embedded.Fault {
						if now.action == c.action && now.request == c.request {
							return k.onCall(c)
						}
						return embedded.Fault{}
					}
					count.add(trial.run(t))
				}
			})
		}
	})
	t.Logf("%d calls, %d kinds of faults: %s", len(calls), len(faultKinds), &count)
}

// TestEveryRecheckFails lets an apply take so long that usage and images are read
// again between its deletions, and lets each call of these readings fail once.
func TestEveryRecheckFails(t *testing.T) {
	t.Parallel()
	set := setting{config: parse(t), latency: 12 * time.Second, recheck: 200 * time.Second}
	ref := clean(t, set)
	calls := ref.callsOf(func(c seen) bool { return c.nth > 2 }) // once for the plan and once for the apply
	if len(calls) == 0 {
		t.Fatal("nothing is read again")
	}
	count := tally{exit: map[int]int{}}
	t.Run("fault", func(t *testing.T) {
		for n, k := range faultKinds {
			t.Run(k.name, func(t *testing.T) {
				t.Parallel()
				for i, c := range some(calls, n) {
					if !k.applies(c) || k.passes && (i+n)%8 != 0 && !*thorough {
						continue
					}
					trial := trial{setting: set, ref: ref, name: k.name + " at " + c.String(), want: rechecked(k, c), rerun: i%4 == 0}
					trial.fault = k.at(c)
					count.add(trial.run(t))
				}
			})
		}
	})
	t.Logf("%d of %d calls, %d kinds of faults: %s", len(calls), len(ref.calls), len(faultKinds), &count)
}

// TestEveryCallFailsFromThereOn lets all calls fail from one on. Where that is
// before the first deletion, nothing goes.
func TestEveryCallFailsFromThereOn(t *testing.T) {
	t.Parallel()
	set := setting{config: parse(t), recheck: recheck}
	ref := clean(t, set)
	step := 15
	switch {
	case *thorough:
		step = 1
	case raced:
		step = 45
	}
	count := tally{exit: map[int]int{}}
	t.Run("fault", func(t *testing.T) {
		for n, k := range faultKinds {
			t.Run(k.name, func(t *testing.T) {
				t.Parallel()
				for first := 1 + n%step; first <= len(ref.calls); first += step {
					trial := trial{setting: set, ref: ref, name: fmt.Sprintf("%s from call %d on", k.name, first), want: want{exit: unknown, extent: between}, rerun: n%3 == 0}
					trial.fault = func(now seen) embedded.Fault {
						if now.number >= first && k.applies(now) {
							return k.onCall(now)
						}
						return embedded.Fault{}
					}
					// Usage is read again at the beginning of apply.
					if ref.calls[first-1].phase != applying {
						trial.want.extent = untouched
					}
					count.add(trial.run(t))
				}
			})
		}
	})
	t.Logf("%d calls, %d kinds of faults: %s", len(ref.calls), len(faultKinds), &count)
}

// trial is one run in which something goes wrong, and what is known of it.
type trial struct {
	setting
	ref   reference
	name  string
	fault func(seen) embedded.Fault
	want  want
	// once says that a call must go wrong once, and some that any must.
	once, some bool
	// rerun asks for a run without faults after it, which must do the rest.
	rerun bool
}

// run makes the run and returns its exit code, and how long it took on the clock
// of its bubble.
func (r trial) run(t *testing.T) (exit int, took time.Duration) {
	dir := scratch(t)
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(start))
		w := newWorld(time.Now)
		w.server.SetLatency(r.latency)
		r.interrupt(t, w, dir)
		before, began := w.now(), time.Now()
		wire := newWire(w.server, r.fault)
		out := run(t.Context(), wire, r.setting, dir)
		exit, took = out.exit, time.Since(began)
		wrong := func(format string, args ...any) {
			t.Helper()
			t.Errorf("%s: %s (exit code %d, error %v)", r.name, fmt.Sprintf(format, args...), out.exit, out.err)
		}
		if r.once && wire.hit != 1 || r.some && wire.hit == 0 {
			wrong("%d calls went wrong", wire.hit)
		}
		want := r.want
		if wire.hit == 0 {
			want = all
		}
		check(w, r.ref, before, out, want, wrong)
		if !r.rerun && !*thorough {
			return
		}
		out = run(t.Context(), newWire(w.server, nil), r.setting, dir)
		if out.exit != done || out.err != nil {
			wrong("the next run ends with exit code %d, error %v", out.exit, out.err)
		}
		if diff := gocmp.Diff(w.clean(before), w.now()); diff != "" {
			wrong("after the next run (-want +got):\n%s", diff)
		}
	})
	return exit, took
}

// check compares what came of a run with what must.
func check(w *world, ref reference, before state, out outcome, want want, wrong func(string, ...any)) {
	after, clean := w.now(), w.clean(before)
	if lost := w.lost(before, after); len(lost) > 0 {
		wrong("lost: %v", lost)
	}
	if !is(out.exit, want.exit) {
		wrong("want exit code %d", want.exit)
	}
	if out.exit == done && !maps.Equal(after, clean) {
		wrong("the run says that all is done: %s", gocmp.Diff(clean, after))
	}
	if out.plan != nil {
		if problems := ref.unlike(out.plan); len(problems) > 0 {
			wrong("the plan: %v", problems)
		}
	}
	if out.report != nil {
		changed := 0
		for name, was := range before {
			if after[name] != was {
				changed++
			}
		}
		said, open := out.report.Deleted+out.report.Archived, out.report.Failed
		if said > changed || out.err == nil && said+open < changed {
			wrong("the report says %d done and %d failed, and %d are gone or archived", said, open, changed)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		switch want.of(repositoryOf(name)) {
		case finished:
			if after[name] != clean[name] {
				wrong("%s is %q, want %q", name, after[name], clean[name])
			}
		case untouched:
			if after[name] != before[name] {
				wrong("%s is %q, and should have been left as %q", name, after[name], before[name])
			}
		case between:
		}
	}
}
