package model_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/regsweep/regsweep/internal/oracle"
)

// The race detector makes a world ten times slower. What it looks for is not in
// what the worlds differ by, so few are enough.
var worlds = flag.Int("model.worlds", map[bool]int{false: 2000, true: 120}[raced], "how many worlds TestModel runs")

// shards is how many worlds run at a time.
const shards = 2

func TestMain(m *testing.M) {
	flag.Parse()
	for name, value := range map[string]string{
		"rapid.nofailfile": "true", // the seed is enough to repeat it
		"rapid.checks":     strconv.Itoa((*worlds + shards - 1) / shards),
	} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

// TestModel runs the command in random worlds and lets the oracle judge what is
// left. A failure prints the seed and the smallest world that fails.
func TestModel(t *testing.T) {
	seen := &tally{n: map[string]int{}}
	generator := rapid.Custom(drawWorld)
	t.Run("worlds", func(t *testing.T) {
		for shard := range shards {
			t.Run(strconv.Itoa(shard), func(t *testing.T) {
				t.Parallel()
				rapid.Check(t, func(rt *rapid.T) {
					w := generator.Draw(rt, "world")
					if problems := try(t, w, seen); len(problems) > 0 {
						rt.Fatalf("%s", strings.Join(problems, "\n"))
					}
				})
			})
		}
	})
	t.Log(seen)
	seen.check(t)
}

// tally counts what the worlds were like: what no world has is not tested.
type tally struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *tally) add(what string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[what] += n
}

func (c *tally) String() string {
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(c.n)) {
		parts = append(parts, fmt.Sprintf("%s: %d", what, c.n[what]))
	}
	return strings.Join(parts, ", ")
}

// check wants everything at least once in so many worlds.
func (c *tally) check(t *testing.T) {
	if t.Failed() || c.n["worlds"] < 1000 {
		return
	}
	for _, what := range slices.Concat(happenings, between, []string{
		"deleted", "archived", "kept", "held", "spared", "exit 0", "exit 1", "exit 4", "saved plans", "refused", "sheltered", "condemn", "unmark", "killed half way", "finished",
	}) {
		if c.n[what] < 5 {
			t.Errorf("%s: %d times in %d worlds", what, c.n[what], c.n["worlds"])
		}
	}
}

// try runs a world, on a clock of its own, and returns what is wrong.
func try(t *testing.T, w world, seen *tally) (problems []string) {
	dir, err := os.MkdirTemp("", "regsweep-model-") //nolint:usetesting // thousands of worlds, and the test's own folders go at its end
	if err != nil {
		t.Fatal(err)
	}
	defer func() { must(os.RemoveAll(dir)) }()
	synctest.Test(t, func(*testing.T) {
		defer func() {
			if v := recover(); v != nil {
				problems = append(problems, fmt.Sprintf("panic: %v", v))
			}
		}()
		time.Sleep(time.Until(start))
		// Events change the world, and the drawn one is needed to print it.
		w.Repos, w.Sources = slices.Clone(w.Repos), slices.Clone(w.Sources)
		r := &trial{account: newAccount(&w, dir), seen: seen}
		if w.Now == clockNow {
			// Without a time of judgement a run takes the time of each judgement, and
			// the pace of its calls is a matter of milliseconds.
			time.Sleep(time.Second)
		}
		r.run()
		problems = r.problems
	})
	seen.add("worlds", 1)
	return problems
}

// trial is one world while it runs.
type trial struct {
	*account
	seen     *tally
	problems []string
	step     string

	mu sync.Mutex
	// others is what others changed during an apply, and shelters what must stay
	// because of it.
	others   []map[string]bool
	shelters []shelter
}

func (r *trial) wrong(format string, args ...any) {
	r.problems = append(r.problems, r.step+": "+fmt.Sprintf(format, args...))
}

func (r *trial) add(problems []string) {
	for _, p := range problems {
		r.wrong("%s", p)
	}
}

// run makes the runs of a world: the first with what happens meanwhile, a second
// that finishes what is left, and a plan that finds nothing more to do.
func (r *trial) run() {
	r.step = "first run"
	var planned *forecast
	if r.Saved {
		planned = r.plan("plan.json")
		if planned.unread() || len(r.problems) > 0 {
			return
		}
		time.Sleep(time.Duration(r.Pause) * time.Millisecond)
		for _, e := range r.Between {
			r.seen.add(r.happen(e, planned.condemned(e.Repo), nil).what, 1)
		}
	}
	r.apply(planned, true)
	if len(r.problems) > 0 {
		return
	}
	r.step = "second run"
	// Ages are at the edge of a rule in the first run only: what is a millisecond
	// too young now would else be to delete when this run ends.
	time.Sleep(time.Second)
	if r.Ripe {
		time.Sleep(time.Duration(r.Policy.Grace)*time.Millisecond + time.Minute)
	}
	// What stays there since it cannot be deleted may be a root of its own then, and
	// take a place among the newest: other images go in its stead.
	stuck := make([]bool, len(r.Repos))
	for n, v := range r.foresee().repos {
		stuck[n] = len(r.refused(n, v)) > 0
	}
	r.apply(nil, false)
	if len(r.problems) > 0 {
		return
	}
	r.step = "third run"
	last := r.plan("last.json")
	for n, v := range last.repos {
		if stuck[n] {
			continue
		}
		left := r.refused(n, v)
		for digest, verdict := range v {
			if (verdict == "delete" || verdict == "archive") && !left[digest] {
				r.wrong("there is still to %s %s", verdict, r.name(n, digest))
			}
		}
	}
}

// condemned are the images of a repository that are to go.
func (f *forecast) condemned(n int) (list []string) {
	for _, digest := range slices.Sorted(maps.Keys(f.repos[n])) {
		if v := f.repos[n][digest]; v == "delete" || v == "archive" {
			list = append(list, digest)
		}
	}
	return list
}

// plan makes a plan and compares it with the oracle's.
func (r *trial) plan(name string) *forecast {
	want, before := r.foresee(), r.state()
	args := []string{"plan", "--out", r.dir + "/" + name}
	if r.All {
		args = append(args, "--all")
	}
	out := r.command(newWire(r.account, nil), args...)
	r.add(r.difference(before, r.state()))
	exit := done
	switch {
	case want.unread():
		exit = failed
	case want.held():
		exit = held
	}
	if out.exit != exit {
		r.wrong("plan: want exit code %d, got %s", exit, out)
		return want
	}
	r.seen.add(fmt.Sprint("exit ", exit), 1)
	if exit == failed {
		return want
	}
	r.read(func(int) bool { return true })
	r.seen.add("kept", want.count("keep"))
	r.seen.add("held", want.count("held"))
	d, err := r.readPlan(name)
	if err != nil {
		r.wrong("the plan cannot be read: %v", err)
		return want
	}
	r.add(r.comparePlan(d, want))
	return want
}

// apply applies a plan, or without one plans itself, and compares what is left
// with what the oracle says. disturbed lets things happen meanwhile.
func (r *trial) apply(planned *forecast, disturbed bool) {
	args := []string{"apply", "--yes", "-o", "json"}
	shown := planned
	if planned == nil {
		shown = r.foresee()
	} else {
		args = append(args, r.dir+"/plan.json")
		r.seen.add("saved plans", 1)
	}
	now := r.confirm(shown)
	leftover := r.left()
	r.others, r.shelters = make([]map[string]bool, len(r.Repos)), nil
	var happened atomic.Bool
	w := newWire(r.account, func(repo, n int, digests []string) {
		if !disturbed {
			return
		}
		for _, d := range r.During {
			if d.Repo = repo; d.Nth == n {
				happened.Store(true)
				r.disturb(d, now.condemned(repo), digests)
			}
		}
	})
	if disturbed && r.Kill != nil {
		w.kill = r.keepJournal
	}
	before := r.state()
	want := r.after(before, now)
	families := r.families(now)
	r.read(func(n int) bool { return planned == nil || planned.acts(n) })
	out := r.command(w, args...)
	r.readSince()
	after := r.state()
	r.compareSent(w, before, now)
	half := r.leave(families, after)
	if w.killed {
		r.restoreJournal()
		r.seen.add("killed", 1)
	}
	if w.killed && half {
		r.seen.add("killed half way", 1)
	}
	if happened.Load() || w.killed {
		r.compareDisturbed(before, after, now)
	} else {
		r.add(r.difference(want, after))
		if planned == nil {
			r.compareMarks(shown)
		}
	}
	if !w.killed {
		r.compareExit(out, shown, planned == nil, now, happened.Load())
	}
	for n := range before {
		for digest := range before[n] {
			switch v := now.repos[n][digest]; {
			case after[n][digest] == "":
				r.seen.add("deleted", 1)
				if !disturbed && leftover[n][digest] {
					r.seen.add("finished", 1)
				}
			case v == "delete" && happened.Load():
				r.seen.add("spared", 1)
			case v == "delete":
				r.seen.add("refused", 1)
			case v == "archive":
				r.seen.add("archived", 1)
			}
		}
	}
}

// families are the images that go with each root, by repository.
func (r *trial) families(now *forecast) (list []map[string][]oracle.Image) {
	for n := range r.Repos {
		w := r.worldOf(n, r.clock(), nil)
		byRoot := map[string][]oracle.Image{}
		for _, img := range w.Repository.Images {
			if now.repos[n][img.Digest] != "delete" {
				continue
			}
			for d := range oracle.Heads(w, img.Digest) {
				if d != img.Digest && now.repos[n][d] == "delete" {
					byRoot[d] = append(byRoot[d], img)
				}
			}
		}
		list = append(list, byRoot)
	}
	return list
}

// leave notes what is left of families whose roots are gone, and reports whether
// anything is: the journal makes the next run finish them.
func (r *trial) leave(families []map[string][]oracle.Image, after state) (half bool) {
	for n, byRoot := range families {
		for root, members := range byRoot {
			if _, there := after[n][root]; there {
				continue
			}
			for _, m := range members {
				if _, there := after[n][m.Digest]; there {
					half = true
					r.leftovers[n][m.Digest] = oracle.Leftover{Root: root, Tags: m.Tags, Pushed: m.Pushed}
				}
			}
		}
	}
	return half
}

// left are the images that an earlier run left of families, by repository.
func (r *trial) left() (list []map[string]bool) {
	for _, leftovers := range r.leftovers {
		images := map[string]bool{}
		for digest := range leftovers {
			images[digest] = true
		}
		list = append(list, images)
	}
	return list
}

// disturb lets something happen while a deletion is under way.
func (r *trial) disturb(d during, condemned, asked []string) {
	func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		before := r.stateOf(d.Repo)
		h := r.happen(d.event, condemned, asked)
		after := r.stateOf(d.Repo)
		if r.others[d.Repo] == nil {
			r.others[d.Repo] = map[string]bool{}
		}
		for digest := range before {
			if after[digest] != before[digest] {
				r.others[d.Repo][digest] = true
			}
		}
		r.shelters = append(r.shelters, h.shelters...)
		r.seen.add(h.what, 1)
	}()
	time.Sleep(time.Duration(d.Takes) * time.Millisecond)
}
