package ecs_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/usage"
	"github.com/regsweep/regsweep/internal/usage/ecs"
)

func name(prefix string, i int) string { return fmt.Sprintf("%s-%03d", prefix, i) }

// largeWorld has more than a page of everything.
func largeWorld(t *testing.T) *world {
	w := newWorld(t)
	for i := range 120 {
		embedded.Must(w.ecs.CreateCluster(name("empty", i)))
	}
	for i := range 230 {
		w.ecs.RegisterTaskDefinition(name("family", i), fmt.Sprintf("definition:%d", i))
	}
	job := w.ecs.RegisterTaskDefinition("job", "job:1")
	for range 210 {
		embedded.Must(w.prod.RunTask(job))
		check(w.prod.StopTask(embedded.Must(w.prod.RunTask(job))))
	}
	for i := range 130 {
		w.service(name("service", i), w.ecs.RegisterTaskDefinition("service", fmt.Sprintf("service:%d", i)), 0)
	}
	busy := w.service("busy", w.ecs.RegisterTaskDefinition("busy", "busy:0"), 0)
	for i := range 110 {
		check(busy.Deploy(w.ecs.RegisterTaskDefinition("busy", fmt.Sprintf("busy:%d", i+1)), embedded.DeploymentSuccessful))
	}
	return w
}

// count counts what holders of a state name, by the repository.
func count(found usage.Findings) map[string]int {
	n := map[string]int{}
	for _, o := range found.Observations {
		repository, _, _ := bytes.Cut([]byte(o.Asked), []byte(":"))
		n[fmt.Sprintf("%s %s pinned=%t", repository, o.State, o.Got != "")]++
	}
	return n
}

// TestPaging reads lists of many pages completely, with the fewest calls.
func TestPaging(t *testing.T) {
	w := largeWorld(t)
	w.ResetStats()
	found, err := w.Collect(ecs.Config{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{
		"definition declared pinned=false": 230,
		"job running pinned=true":          210,
		"job rollback pinned=true":         210,
		"job declared pinned=false":        1,
		"service declared pinned=true":     130,
		"service declared pinned=false":    130 + 5,
		"busy declared pinned=true":        1,
		"busy declared pinned=false":       1 + 5,
		"busy rollback pinned=true":        110,
		"busy rollback pinned=false":       110,
	}
	if diff := cmp.Diff(want, count(found)); diff != "" {
		t.Errorf("uses (-want +got):\n%s", diff)
	}
	calls := map[string]int{
		"ecs:ListClusters":               2,             // 121
		"ecs:ListTasks":                  2*120 + 3 + 3, // 210 each in one cluster
		"ecs:DescribeTasks":              5,             // 420
		"ecs:ListServices":               120 + 2,       // 131 in one cluster
		"ecs:DescribeServices":           14,            // 131
		"ecs:ListServiceDeployments":     130 + 2,       // 111 of one service
		"ecs:DescribeServiceDeployments": 13,            // 130 + 111
		"ecs:DescribeServiceRevisions":   13,            // 130 + 111
		"ecs:ListTaskDefinitions":        5,             // 230 + 1 + 130 + 111
		"ecs:DescribeTaskDefinition":     230 + 1 + 130 + 111,
	}
	if diff := cmp.Diff(calls, w.Stats().Calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if n := w.Stats().MaxInFlight; n < 2 || n > 17 {
		t.Errorf("%d calls in flight, want more than 1 and 17 at most", n)
	}
}

// TestSecondRun: what never changes is not asked for again.
func TestSecondRun(t *testing.T) {
	w := fullWorld(t)
	first := w.MustCollect(ecs.Config{})
	w.ResetStats()
	second := w.MustCollect(ecs.Config{})
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("uses (-first +second):\n%s", diff)
	}
	for _, call := range []string{"ecs:DescribeTaskDefinition", "ecs:DescribeServiceDeployments", "ecs:DescribeServiceRevisions"} {
		if n := w.Stats().Calls[call]; n != 0 {
			t.Errorf("%d calls of %s in the second run", n, call)
		}
	}
}

// TestDamagedCache: an entry that was damaged is asked for again.
func TestDamagedCache(t *testing.T) {
	w := fullWorld(t)
	first := w.MustCollect(ecs.Config{})
	path := filepath.Join(w.Env.CacheDir, "ecs-task-definitions", "aws-"+embedded.DefaultAccount+"-eu-west-1")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Replace(text, []byte("/web:1"), []byte("/wex:1"), 1)
	if bytes.Equal(damaged, text) {
		t.Fatalf("nothing to damage in %q", text)
	}
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	w.ResetStats()
	if diff := cmp.Diff(first, w.MustCollect(ecs.Config{})); diff != "" {
		t.Errorf("uses (-first +second):\n%s", diff)
	}
	if n := w.Stats().Calls["ecs:DescribeTaskDefinition"]; n != 1 {
		t.Errorf("%d task definitions were described, want the damaged one", n)
	}
}

// TestNoCache: an empty cache folder means that nothing is kept.
func TestNoCache(t *testing.T) {
	w := fullWorld(t)
	w.Env.CacheDir = ""
	first := w.MustCollect(ecs.Config{})
	w.ResetStats()
	if diff := cmp.Diff(first, w.MustCollect(ecs.Config{})); diff != "" {
		t.Errorf("uses (-first +second):\n%s", diff)
	}
	if n := w.Stats().Calls["ecs:DescribeTaskDefinition"]; n != 3 {
		t.Errorf("%d task definitions were described, want 3", n)
	}
}

// TestUnfinishedIsNotKept: a deployment in progress is read again, since it can
// still roll back.
func TestUnfinishedIsNotKept(t *testing.T) {
	w := newWorld(t)
	v1 := w.ecs.RegisterTaskDefinition("web", w.Push("web", "1", "one"))
	v2 := w.ecs.RegisterTaskDefinition("web", w.Push("web", "2", "two"))
	s := w.service("web", v1, 0)
	check(s.Deploy(v2, embedded.DeploymentInProgress))
	w.MustCollect(ecs.Config{})
	check(s.Deploy(v1, embedded.DeploymentSuccessful)) // stops the other one
	w.retire(v1)
	w.retire(v2)
	want := []string{
		"prod/web declared web:1",
		"prod/web declared web:1 web@<one>",
		"prod/web rollback web:1 web@<one>", // another revision of the same image
		"prod/web rollback web:2",
		"prod/web rollback web:2 web@<two>",
	}
	if diff := cmp.Diff(want, w.MustCollect(ecs.Config{})); diff != "" {
		t.Errorf("uses (-want +got):\n%s", diff)
	}
}
