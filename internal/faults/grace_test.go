package faults_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/kinds"
)

const graceConfiguration = `version: 1
registries: [{name: prod, ecr: {region: eu-west-1}}]
usage: [{snapshot: {path: "s3://snapshots/in-use.json"}}]
rules:
  - {name: all, keep: [{youngerThan: 30d}]}
  - {name: orphans, orphans: true}
limits: {minRemaining: 0}
grace: 7d
`

// graceWorld fills an account for runs with a grace period: what is to be marked,
// what is condemned for long enough, and what came into use since it was marked.
func graceWorld(clock func() time.Time) *world {
	srv := embedded.New(embedded.Options{Clock: clock})
	w := &world{
		start: clock(), server: srv, region: srv.Account(embedded.DefaultAccount).Region("eu-west-1"),
		fates: map[string]fate{}, names: map[string]string{}, images: map[string]embedded.Manifest{},
	}
	const web, api = "apps/web", "apps/api"
	since := func(days int) string {
		return fmt.Sprintf("regsweep-condemned-%d", w.start.AddDate(0, 0, -days).Unix())
	}
	w.image(web, "bare", 60, stays)
	w.index(web, "index", 59, stays, "v1", w.image(web, "child", 59, stays))
	w.index(web, "over", 58, goes, since(8), w.image(web, "over-child", 58, goes))
	w.image(web, "used", 57, stays, since(20), "v2")
	w.image(web, "used-bare", 56, stays, since(19))
	w.image(web, "young", 1, stays, "v3")
	w.image(api, "waiting", 55, stays, since(6))
	w.image(api, "late", 54, goes, since(30))
	w.image(api, "tagged", 53, stays, "v1")
	embedded.Must(w.region.S3().CreateBucket("snapshots"))
	w.inUse("used", "used-bare", "young")
	return w
}

// inUse writes the snapshot of what is in use, by digest.
func (w *world) inUse(names ...string) {
	var uses []string
	for _, name := range names {
		uses = append(uses, fmt.Sprintf(`{"source": "x", "state": "running", "reference": %q, "holder": "x/y"}`, w.uri("apps/web")+"@"+w.digest(name)))
	}
	slices.Sort(uses)
	bucket, _ := w.server.Bucket("snapshots")
	bucket.Put("in-use.json", fmt.Appendf(nil, `{"schema": "regsweep.usage/v1", "createdAt": %q, "sources": [{"name": "x", "uses": %d, "status": "ok"}], "uses": [%s]}`,
		time.Now().UTC().Format(time.RFC3339), len(uses), strings.Join(uses, ",\n")))
}

var graceTag = regexp.MustCompile(`regsweep-(condemned|kept)-[0-9]+`)

// times returns the state without the times in marks, which a fault may delay.
func (s state) timeless() state {
	s = maps.Clone(s)
	for name, is := range s {
		s[name] = graceTag.ReplaceAllString(is, "$1")
	}
	return s
}

// graced is what a run in which nothing goes wrong leaves.
var graced = state{
	"apps/web/bare":      "ACTIVE condemned",
	"apps/web/index":     "ACTIVE condemned v1",
	"apps/web/child":     "ACTIVE",
	"apps/web/used":      "ACTIVE kept v2",
	"apps/web/used-bare": "ACTIVE kept",
	"apps/web/young":     "ACTIVE v3",
	"apps/api/waiting":   "ACTIVE condemned",
	"apps/api/tagged":    "ACTIVE condemned v1",
}

// TestEveryCallFailsInGrace lets each call of a run with a grace period fail
// once, in every way. No image goes before its time or with its last tag. The
// runs of the days after it do the rest, and what was in use on the first day
// gets a period of its own when it is no longer.
func TestEveryCallFailsInGrace(t *testing.T) {
	t.Parallel()
	cfg, err := config.Parse("regsweep.yaml", []byte(graceConfiguration), func(string) (string, bool) { return "", false }, kinds.All())
	if err != nil {
		t.Fatal(err)
	}
	set := setting{config: cfg, recheck: recheck}
	var calls []seen
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(start))
		w := graceWorld(time.Now)
		wire := newWire(w.server, nil)
		if out := run(t.Context(), wire, set, t.TempDir()); out.exit != done {
			t.Fatalf("exit code %d, error %v", out.exit, out.err)
		}
		if diff := gocmp.Diff(graced, w.now().timeless()); diff != "" {
			t.Fatalf("after the run (-want +got):\n%s", diff)
		}
		calls = reference{calls: wire.calls}.callsOf(func(seen) bool { return true })
	})
	count := tally{exit: map[int]int{}}
	var acted sync.Map
	t.Run("fault", func(t *testing.T) {
		for n, k := range faultKinds {
			t.Run(k.name, func(t *testing.T) {
				t.Parallel()
				for i, c := range some(calls, n) {
					if k.applies(c) {
						trial := graceTrial{setting: set, kind: k, call: c, days: i%3 == 0}
						count.add(trial.run(t))
						acted.Store(c.action, true)
					}
				}
			})
		}
	})
	for _, action := range []string{"ecr:PutImage", "ecr:BatchDeleteImage", "ecr:BatchGetImage", "ecr:DescribeImages"} {
		if _, ok := acted.Load(action); !ok {
			t.Errorf("no fault of %s", action)
		}
	}
	t.Logf("%d calls, %d kinds of faults: %s", len(calls), len(faultKinds), &count)
}

// graceTrial is one run in which one call goes wrong once, and those of the days
// after it if days says so.
type graceTrial struct {
	setting
	kind kind
	call seen
	days bool
}

// run returns the exit code of the run, and how long it took on the clock of its
// bubble.
func (r graceTrial) run(t *testing.T) (exit int, took time.Duration) {
	dir := scratch(t)
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(start))
		w := graceWorld(time.Now)
		wrong := func(out outcome, format string, args ...any) {
			t.Helper()
			t.Errorf("%s at %s: %s (exit code %d, error %v)", r.kind.name, r.call, fmt.Sprintf(format, args...), out.exit, out.err)
		}
		wire := newWire(w.server, r.kind.at(r.call))
		out := run(t.Context(), wire, r.setting, dir)
		exit, took = out.exit, time.Since(start)
		if wire.hit != 1 {
			wrong(out, "%d calls went wrong", wire.hit)
		}
		after := w.now()
		for id, f := range w.fates {
			if is, there := after[w.names[id]]; f == stays && (!there || is == "") {
				wrong(out, "%s is gone", w.names[id])
			}
		}
		if diff := gocmp.Diff(graced, after.timeless()); out.exit == done && diff != "" {
			wrong(out, "it says that all is done (-want +got):\n%s", diff)
		}
		if r.kind.passes && !strings.HasPrefix(r.call.action, "s3:") && out.exit != done {
			wrong(out, "what passes is to be repeated")
		}
		if last := strings.TrimPrefix(r.call.action, "ecr:"); !r.kind.passes && out.exit == done && (last == "PutImage" || last == "BatchDeleteImage") {
			wrong(out, "it says nothing of what failed")
		}

		// The next day does the rest.
		day := func(n int) outcome {
			time.Sleep(time.Until(start.AddDate(0, 0, n)))
			return run(t.Context(), newWire(w.server, nil), r.setting, dir)
		}
		time.Sleep(time.Until(start.Add(time.Hour)))
		w.inUse("used", "used-bare", "young")
		if out = day(1); out.exit != done {
			wrong(out, "the run of the next day")
		}
		// The one that waited has waited for exactly a week by then. What a failed
		// deletion left of a family is a root now, and has a week of its own.
		next := w.now().timeless()
		if next["apps/web/over-child"] == "ACTIVE condemned" {
			delete(next, "apps/web/over-child")
		}
		if diff := gocmp.Diff(graced, next); diff != "" {
			wrong(out, "after the next day (-want +got):\n%s", diff)
		}
		if !r.days {
			return
		}
		// On the third day nobody uses them any more, and they have a week from
		// then on, whatever happened before.
		time.Sleep(time.Until(start.AddDate(0, 0, 2)))
		w.inUse("young")
		for _, n := range []int{3, 9} {
			if out = day(n); out.exit != done {
				wrong(out, "the run of day %d", n)
			}
		}
		left := state{
			"apps/web/used": "ACTIVE condemned kept v2", "apps/web/used-bare": "ACTIVE condemned kept", "apps/web/young": "ACTIVE v3",
		}
		if diff := gocmp.Diff(left, w.now().timeless()); diff != "" {
			wrong(out, "after day 9 (-want +got):\n%s", diff)
		}
		if out = day(11); out.exit != done || len(w.now()) != 1 {
			wrong(out, "after day 11 there is %v", w.now())
		}
	})
	return exit, took
}
