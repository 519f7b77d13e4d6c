package stepfunctions_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/asltest"
	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/lambdatest"
)

// An invocation that has no time left says where to go on, and the machine goes on
// there until all is done.
func TestGoesOn(t *testing.T) {
	// One shard, so that an invocation has more to do than it can.
	large := strings.Replace(string(file(t, "state-machine.asl.json")), `"perShard": 500`, `"perShard": 30`, 1)
	m, err := asltest.Parse([]byte(large), map[string]string{"Function": function, "Bucket": bucket, "Partition": "aws"})
	if err != nil {
		t.Fatal(err)
	}
	lambdatest.RunLate(t, "ecr", "BatchDeleteImage", func(late *lambdatest.Late) func() {
		w := newWorld()
		want := map[string]string{}
		for i := range 30 {
			name := fmt.Sprintf("svc-%02d", i)
			w.repository(name, usual...)
			want[name] = ages(kept...)
		}
		w.late = late
		w.SetFaults(late.Fault)
		e := w.execution("weekly", w.function(t, file(t, "regsweep.yaml"), "MODE=apply"))
		how := ended(t, e, m)
		return func() {
			if how != "" {
				t.Errorf("ended with %q", how)
			}
			if diff := cmp.Diff(want, w.left()); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
			on := 0
			for _, event := range e.Events() {
				if strings.HasSuffix(event.State, ".GoOn") {
					on++
				}
			}
			if on != 1 {
				t.Errorf("it went on %d times, want once", on)
			}
			if told := w.Published(w.topic); len(told) != 1 || !strings.Contains(told[0].Subject, "120 images deleted") {
				t.Errorf("told %+v", told)
			}
		}
	})
}

// What nothing can be done without ends the execution, with the type of the error.
func TestFails(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(*world)
		want string
	}{
		{"credentials", func(w *world) {
			w.SetFaults(embedded.FaultOn("s3", "PutObject", embedded.Fault{Kind: embedded.FaultError, Code: "ExpiredToken"}))
		}, "CredentialsError"},
		{"bucket", func(w *world) {
			w.SetFaults(embedded.FaultOn("s3", "PutObject", embedded.Fault{Kind: embedded.FaultError, Code: "AccessDenied", Status: 403}))
		}, "DeniedError"},
		{"registry", func(w *world) {
			w.SetFaults(embedded.FaultOn("ecr", "DescribeRepositories", embedded.Fault{Kind: embedded.FaultError, Code: "AccessDeniedException"}))
		}, "DeniedError"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld()
			w.repository("svc", usual...)
			test.do(w)
			if got := ended(t, w.execution("weekly", w.function(t, file(t, "regsweep.yaml"), "MODE=apply")), machine(t)); got != test.want {
				t.Errorf("ended with %q, want %q", got, test.want)
			}
			if diff := cmp.Diff(map[string]string{"svc": ages(usual...)}, w.left()); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
		})
	}
}

// Credentials that expire while images are deleted: what was not applied to its
// end is said, and the execution does not end well.
func TestExpiresInMidRun(t *testing.T) {
	w := newWorld()
	w.fill()
	w.SetFaults(embedded.FaultOn("ecr", "BatchDeleteImage", embedded.Fault{Kind: embedded.FaultError, Code: "ExpiredTokenException", Message: "The security token included in the request is expired"}))
	before := w.left()
	e := w.execution("weekly", w.function(t, file(t, "regsweep.yaml"), "MODE=apply"))
	if got := ended(t, e, machine(t)); got != "Partial" {
		t.Errorf("ended with %q", got)
	}
	if diff := cmp.Diff(before, w.left()); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if told := w.Published(w.topic); len(told) != 1 || !strings.Contains(told[0].Message, "were not applied to their end") {
		t.Errorf("told %+v", told)
	}
}

// With 100,000 repositories the payloads are as small as with 40, since the lists
// are in Amazon S3.
func TestPayloadsOfALargeRegistry(t *testing.T) {
	const repositories = 100_000
	w := newWorld()
	for i := range repositories {
		w.region.MustCreateRepository(fmt.Sprintf("organization/department/team-%03d/service-%06d", i%500, i), embedded.RepositoryOptions{})
	}
	f := w.function(t, file(t, "regsweep.yaml"))
	answer, err := f.Invoke(t.Context(), []byte(`{"op":"repositories","perShard":500,"out":"s3://`+bucket+`/shards.json"}`))
	if err != nil {
		t.Fatal(err)
	}
	var items []struct{ Shard string }
	list, _ := w.bucket.Get("shards.json")
	if err := json.Unmarshal(list, &items); err != nil || len(items) != 200 || items[199].Shard != "200/200" || len(answer) > 1<<10 {
		t.Errorf("%d shards in an answer of %d bytes: %v", len(items), len(answer), err)
	}
	// The machine over as many shards, of which each answers with all that a result
	// can have in it.
	full := strings.Repeat("x", 20<<10)
	e := w.execution("large", nil)
	e.World.Invoke = func(_ context.Context, _ string, payload []byte) ([]byte, error) {
		var event struct{ Op, Out string }
		if err := json.Unmarshal(payload, &event); err != nil {
			return nil, err
		}
		w.bucket.Put("runs/large/shards.json", list)
		w.bucket.Put("runs/large/apply.json", list)
		return json.Marshal(map[string]any{
			"op": event.Op, "exitCode": 0, "mode": "plan", "uses": 1, "repositories": repositories, "shards": 200, "acting": 200, "totals": full, "gaps": full,
		})
	}
	if got := ended(t, e, machine(t)); got != "" {
		t.Errorf("ended with %q", got)
	}
	if n := e.Largest(); n > 64<<10 {
		t.Errorf("a payload has %d bytes", n)
	}
}
