package stepfunctions_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/asltest"
	"github.com/regsweep/regsweep/internal/embedded"
)

// usual are the ages of a repository's images in days, and kept those that the
// example's rule keeps: the 10 newest, and what is not older than 30 days.
var (
	usual = []int{1, 5, 10, 15, 20, 25, 29, 31, 35, 40, 45, 50, 60, 70}
	kept  = usual[:10]
)

// fill makes 40 repositories and returns what is to be left of each.
func (w *world) fill() map[string]string {
	want := map[string]string{}
	for i := range 36 {
		name := fmt.Sprintf("team/svc-%02d", i)
		w.repository(name, usual...)
		want[name] = ages(kept...)
	}
	// The three rows of the original's table that are to be kept, alone.
	young := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}
	w.repository("only/young", young...)
	want["only/young"] = ages(young...)
	old := []int{100, 200, 300}
	w.repository("only/newest", old...)
	want["only/newest"] = ages(old...)
	w.repository("only/both", 1, 2, 3)
	want["only/both"] = ages(1, 2, 3)
	// More than one call of the registry takes away.
	many := slices.Clone(kept)
	for i := range 150 {
		many = append(many, 100+i)
	}
	w.repository("many", many...)
	want["many"] = ages(kept...)
	return want
}

// runs makes an old image be one that a task runs, by its digest.
func (w *world) runs(t *testing.T, repository, tag string) {
	t.Helper()
	repo, _ := w.region.Repository(repository)
	img, ok := repo.Image(tag)
	if !ok {
		t.Fatalf("there is no %s:%s", repository, tag)
	}
	cluster := embedded.Must(w.region.ECS().CreateCluster("shop"))
	embedded.Must(cluster.RunTask(w.region.ECS().RegisterTaskDefinition("web", repo.URI()+"@"+img.Digest)))
}

// withGap adds a source that cannot be read, and what it could hold.
func withGap(configuration []byte, covers string) []byte {
	return bytes.Replace(configuration, []byte("  - lambda: {}\n"),
		fmt.Appendf(nil, "  - lambda: {}\n  - snapshot: {path: s3://%s/other-account.json}\n    covers: [%q]\n", bucket, covers), 1)
}

// TestPipeline is the job of the example, with a repository that cannot be read,
// one that is throttled, one that a gap is about, and one that is in use.
func TestPipeline(t *testing.T) {
	w := newWorld()
	want := w.fill()
	w.denied["team/svc-07"] = true
	want["team/svc-07"] = ages(usual...)
	w.throttled["team/svc-13"] = 3
	want["team/svc-21"] = ages(usual...) // the gap
	w.runs(t, "team/svc-05", "v2")       // 60 days old
	want["team/svc-05"] = ages(append(slices.Clone(kept), 60)...)
	// Lambda itself throttles, too.
	var mu sync.Mutex
	throttles := 2
	w.invoke = func(event map[string]any) *asltest.Error {
		mu.Lock()
		defer mu.Unlock()
		if event["op"] == "plan" && event["shard"] == "3/10" && throttles > 0 {
			throttles--
			return &asltest.Error{Name: "Lambda.TooManyRequestsException", Cause: "Rate Exceeded."}
		}
		return nil
	}
	e := w.execution("weekly", w.function(t, withGap(file(t, "regsweep.yaml"), "team/svc-21"), "MODE=apply"))
	if got := ended(t, e, machine(t)); got != "Held" {
		t.Errorf("ended with %q", got)
	}
	if diff := cmp.Diff(want, w.left()); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if len(w.machineErrors) > 0 {
		t.Errorf("the state machine may not do its own work: %v", w.machineErrors)
	}
	retried := 0
	for _, event := range e.Events() {
		if event.Error == "Lambda.TooManyRequestsException" && event.Retried {
			retried++
		}
	}
	if retried != 2 || w.throttled["team/svc-13"] != 0 {
		t.Errorf("%d invocations were tried again, and %d throttles are left", retried, w.throttled["team/svc-13"])
	}
	if told := w.Published(w.topic); len(told) != 1 || !strings.Contains(told[0].Message, "svc-07") || !strings.Contains(told[0].Subject, "gap") {
		t.Errorf("told %+v", told)
	}
	// Each repository was read for what is in use once by the plans, and once by
	// each invocation that deletes.
	if n := w.Stats().Calls["ecs:ListClusters"]; n < 2 || n > 12 {
		t.Errorf("the clusters were listed %d times", n)
	}
	if n := e.Largest(); n > 16<<10 {
		t.Errorf("a payload has %d bytes", n)
	}
}

// Without MODE nothing is deleted, and the plan is there to look at.
func TestPlanOnly(t *testing.T) {
	w := newWorld()
	w.fill()
	before := w.left()
	e := w.execution("first", w.function(t, file(t, "regsweep.yaml")))
	if got := ended(t, e, machine(t)); got != "" {
		t.Errorf("ended with %q", got)
	}
	if diff := cmp.Diff(before, w.left()); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if plan, ok := w.bucket.Get("runs/first/plan.json"); !ok || bytes.Count(plan, []byte(`"verdict":"delete"`)) != 36*4+150 {
		t.Errorf("the plan deletes %d images", bytes.Count(plan, []byte(`"verdict":"delete"`)))
	}
	for _, event := range e.Events() {
		if strings.HasPrefix(event.State, "ApplyShards") {
			t.Errorf("entered %s", event.State)
		}
	}
}

// A shard that no invocation plans is a gap over its repositories, and the others
// are swept.
func TestShardFails(t *testing.T) {
	w := newWorld()
	want := w.fill()
	failing := ""
	w.invoke = func(event map[string]any) *asltest.Error {
		if event["op"] == "plan" && event["shard"] == "4/10" {
			return &asltest.Error{Name: "Sandbox.Timedout", Cause: "Task timed out"}
		}
		return nil
	}
	e := w.execution("weekly", w.function(t, file(t, "regsweep.yaml"), "MODE=apply"))
	if got := ended(t, e, machine(t)); got != "Held" {
		t.Errorf("ended with %q", got)
	}
	plan, _ := w.bucket.Get("runs/weekly/plan.json")
	if !bytes.Contains(plan, []byte("shard 4/10 could not be planned")) {
		t.Error("the plan does not say what was not planned")
	}
	left, untouched := w.left(), 0
	for name, ages := range left {
		if ages == want[name] {
			continue
		}
		failing += name + " "
		untouched++
		if strings.HasPrefix(name, "team/") && len(strings.Fields(ages)) != len(usual) {
			t.Errorf("of %s are left %s", name, ages)
		}
	}
	if untouched == 0 || untouched > 12 {
		t.Errorf("not swept: %s", failing)
	}
}

// Over maxDeletes for the whole nothing is deleted, though no shard is over it.
func TestLimitOfTheWhole(t *testing.T) {
	w := newWorld()
	w.fill()
	before := w.left()
	configuration := bytes.Replace(file(t, "regsweep.yaml"), []byte("maxDeletes: 20000"), []byte("maxDeletes: 200"), 1)
	e := w.execution("weekly", w.function(t, configuration, "MODE=apply"))
	if got := ended(t, e, machine(t)); got != "Held" {
		t.Errorf("ended with %q", got)
	}
	if diff := cmp.Diff(before, w.left()); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

// In the second week nothing is left to do, nobody is told, and all is well.
func TestSecondWeek(t *testing.T) {
	w := newWorld()
	want := w.fill()
	f, m := w.function(t, file(t, "regsweep.yaml"), "MODE=apply"), machine(t)
	for _, week := range []string{"first", "second"} {
		if got := ended(t, w.execution(week, f), m); got != "" {
			t.Errorf("the %s week ended with %q", week, got)
		}
		if diff := cmp.Diff(want, w.left()); diff != "" {
			t.Errorf("left after the %s week (-want +got):\n%s", week, diff)
		}
	}
	if told := w.Published(w.topic); len(told) != 1 {
		t.Errorf("told %+v", told)
	}
}
