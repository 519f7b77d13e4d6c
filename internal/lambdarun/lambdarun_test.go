package lambdarun_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/lambdarun"
	"github.com/regsweep/regsweep/internal/lambdatest"
)

var (
	all   = map[string]int{"new": 3, "used": 3, "old-1": 3, "old-2": 3}
	swept = map[string]int{"new": 3, "used": 3}
)

// Without "mode: apply" nothing is deleted, whatever the event says.
func TestModePlan(t *testing.T) {
	w := newWorld(3)
	f := w.function(t, configuration)
	r := ask(t, f, scheduled)
	if r.Op != "plan" || r.Mode != "plan" || r.ExitCode != 0 || r.Totals.Delete != 6 || r.Totals.Images != 12 {
		t.Errorf("got %+v, %+v", r, r.Totals)
	}
	if failed := refused(t, f, `{"op":"apply"}`); failed.Type != lambdarun.TypeConfiguration || !strings.Contains(failed.Message, "mode: plan") {
		t.Errorf("apply in mode plan: %v", failed)
	}
	if r := ask(t, f, `{"op":"tag"}`); !r.Tagged.DryRun || r.Tagged.Tagged != 3 {
		t.Errorf("tag in mode plan: %+v", r.Tagged)
	}
	if diff := cmp.Diff(all, w.left()); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

// With "mode: apply" the op tag marks, once.
func TestTag(t *testing.T) {
	w := newWorld(3)
	f := w.function(t, applying)
	for _, want := range []int{3, 0} {
		if r := ask(t, f, `{"op":"tag","out":"s3://lambda-test/tags.json"}`); r.ExitCode != 0 || r.Tagged.DryRun || r.Tagged.Tagged != want {
			t.Errorf("got %+v", r.Tagged)
		}
	}
	if body, _ := w.bucket.Get("tags.json"); !bytes.Contains(body, []byte(`"schema":"regsweep.tag/v1"`)) {
		t.Errorf("saved %s", body)
	}
	if diff := cmp.Diff(all, w.left()); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	w.bucket.Put("uses.json", []byte("{"))
	if r := ask(t, f, `{"op":"tag"}`); r.ExitCode != 4 || r.Gaps.Count != 1 {
		t.Errorf("got %+v", r)
	}
}

// What an event narrows a run to that is not there is a mistake of the event.
func TestNarrowed(t *testing.T) {
	w := newWorld(3)
	f := w.function(t, configuration)
	if r := ask(t, f, `{"op":"plan","repositories":["r01","r02"],"registry":"ecr"}`); r.Totals.Images != 8 {
		t.Errorf("got %+v", r.Totals)
	}
	for event, want := range map[string]string{
		`{"op":"plan","registry":"other"}`: "other", `{"op":"plan","repositories":["a","b["]}`: `repositories[1]: "b["`, `{"op":"plan","usage":"s3://lambda-test/none.json"}`: "no such object",
	} {
		if failed := refused(t, f, event); !strings.Contains(failed.Message, want) {
			t.Errorf("%s: %v", event, failed)
		}
	}
}

// A schedule applies where the configuration says so, and the topic is told. The
// journal is in the log.
func TestSchedule(t *testing.T) {
	w := newWorld(3)
	topic := w.region.CreateTopic("regsweep")
	f := w.function(t, applying+"notify: [{sns: {topicArn: \""+topic+"\"}}]\n")
	r := ask(t, f, scheduled)
	if r.Op != "apply" || r.ExitCode != 0 || r.Applied.Deleted != 6 || r.Next != nil {
		t.Errorf("got %+v, %+v", r, r.Applied)
	}
	if diff := cmp.Diff(swept, w.left()); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if told := w.Published(topic); len(told) != 1 || !strings.Contains(told[0].Subject, "6 images deleted") {
		t.Errorf("told %+v", told)
	}
	if log := f.Log(); strings.Count(log, `"action":"delete"`) != 3 {
		t.Errorf("no journal of three repositories in the log:\n%s", log)
	}
	// The other form of a schedule, and nothing left to do.
	if r := ask(t, f, `{"version":"0","detail-type":"Scheduled Event","source":"aws.scheduler","detail":"{}"}`); r.Op != "apply" || r.Applied.Deleted != 0 {
		t.Errorf("got %+v", r)
	}
}

func TestConfiguration(t *testing.T) {
	w := newWorld(1)
	w.region.PutParameter("/regsweep", configuration, true)
	w.bucket.Put("regsweep.yaml", []byte(configuration))
	for _, test := range []struct {
		name, file string
		env        []string
		// err is of a ConfigurationError; "" is none.
		err string
	}{
		{name: "file", file: configuration},
		{name: "another file", env: []string{"REGSWEEP_CONFIG=other.yaml"}, err: "other.yaml"},
		{name: "text", env: []string{"REGSWEEP_CONFIG_YAML=" + configuration}},
		{name: "parameter", env: []string{"REGSWEEP_CONFIG=ssm:/regsweep"}},
		{name: "object", env: []string{"REGSWEEP_CONFIG=s3://lambda-test/regsweep.yaml"}},
		{name: "no file", err: "REGSWEEP_CONFIG_YAML"},
		{name: "no parameter", env: []string{"REGSWEEP_CONFIG=ssm:/none"}, err: "read the configuration: parameter /none: there is none of this name in eu-west-1"},
		{name: "no object", env: []string{"REGSWEEP_CONFIG=s3://lambda-test/none"}, err: "there is no such object"},
		{name: "no bucket", env: []string{"REGSWEEP_CONFIG=s3://no-such-bucket/none"}, err: "there is no such bucket"},
		{name: "mistake", env: []string{"REGSWEEP_CONFIG_YAML=version: 1\nmode: aply\n"}, err: "$REGSWEEP_CONFIG_YAML:2:7: mode"},
		{name: "unset variable", file: configuration + "mode: ${env:MODE}\n", err: "MODE"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := w.function(t, test.file, test.env...)
			if test.err == "" {
				if r := ask(t, f, `{"op":"plan"}`); r.Totals.Delete != 2 {
					t.Errorf("got %+v", r.Totals)
				}
				return
			}
			failed := refused(t, f, `{"op":"plan"}`)
			if failed.Type != lambdarun.TypeConfiguration || !strings.Contains(failed.Message, test.err) {
				t.Errorf("got %v, want %s in it", failed, test.err)
			}
		})
	}
}

// A denied reading of the configuration is told with the action that is missing.
func TestConfigurationDenied(t *testing.T) {
	w := newWorld(1)
	w.region.PutParameter("/regsweep", configuration, false)
	w.Deny(w.Account(embedded.DefaultAccount).AccessKeyID(), "ssm:GetParameter", "*")
	failed := refused(t, w.function(t, "", "REGSWEEP_CONFIG=ssm:/regsweep"), scheduled)
	if failed.Type != lambdarun.TypeConfiguration || !strings.Contains(failed.Message, "ssm:GetParameter") {
		t.Errorf("got %v", failed)
	}
}

// Credentials that expire in mid-run end it, with a type of its own, and what was
// done is saved.
func TestExpiredCredentials(t *testing.T) {
	for _, at := range []struct{ operation, done string }{{"DescribeImages", ""}, {"BatchDeleteImage", ""}, {"BatchDeleteImage", "some"}} {
		t.Run(at.operation+at.done, func(t *testing.T) {
			w := newWorld(3)
			var calls atomic.Int32
			w.SetFaults(func(_ int, service, operation string) embedded.Fault {
				if service == "ecr" && operation == at.operation && (at.done == "" || calls.Add(1) > 1) {
					return embedded.Fault{Kind: embedded.FaultError, Code: "ExpiredTokenException", Message: "The security token included in the request is expired"}
				}
				return embedded.Fault{}
			})
			f := w.function(t, applying)
			failed := refused(t, f, `{"op":"apply","out":"s3://lambda-test/reports/"}`)
			if failed.Type != lambdarun.TypeCredentials || !strings.Contains(failed.Message, "expired") {
				t.Errorf("got %v", failed)
			}
			if left := w.left(); left["new"] != 3 || left["used"] != 3 || at.done == "" && left["old-1"] != 3 {
				t.Errorf("left %v", left)
			}
			if at.done == "" {
				return
			}
			if !strings.Contains(failed.Message, "after 2 images") {
				t.Errorf("what was done is not said: %v", failed)
			}
			keys := w.keys("reports/")
			if len(keys) != 1 {
				t.Fatalf("saved %v", keys)
			}
			var saved struct {
				Error  string
				Report struct{ Deleted int }
			}
			body, _ := w.bucket.Get(keys[0])
			if err := json.Unmarshal(body, &saved); err != nil || saved.Error == "" || saved.Report.Deleted != 2 {
				t.Errorf("saved %s, %v", body, err)
			}
		})
	}
}

// An invocation that has too little time ends before its deadline and says where
// to go on, and the next one does all that is left.
func TestDeadline(t *testing.T) {
	const repositories = 60
	lambdatest.RunLate(t, "ecr", "BatchDeleteImage", func(late *lambdatest.Late) func() {
		w := newWorld(repositories)
		f := w.function(t, applying, "REGSWEEP_JOURNAL=s3://lambda-test/journal")
		ask(t, f, `{"op":"plan","out":"s3://lambda-test/plan.json"}`)
		w.SetFaults(late.Fault)
		answer, err := late.Invoke(t.Context(), f, []byte(`{"op":"apply","plan":"s3://lambda-test/plan.json","out":"s3://lambda-test/reports/"}`))
		return func() {
			if err != nil {
				t.Fatalf("%v\n%s", err, f.Log())
			}
			first := resultOf(t, answer)
			if first.ExitCode != 3 || first.Applied.Deleted == 0 || first.Next == nil {
				t.Fatalf("got %+v, %+v", first, first.Applied)
			}
			event, err := json.Marshal(first.Next)
			if err != nil {
				t.Fatal(err)
			}
			second := ask(t, f, string(event))
			if second.ExitCode != 0 || second.Next != nil || first.Applied.Deleted+second.Applied.Deleted != 2*repositories {
				t.Errorf("got %+v, %+v after %+v", second, second.Applied, first.Applied)
			}
			if diff := cmp.Diff(map[string]int{"new": repositories, "used": repositories}, w.left()); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
			if n := len(w.keys("reports/")); n != 2 {
				t.Errorf("%d reports of 2 invocations", n)
			}
			// The journal of each is closed, also of that which time ended.
			closed := 0
			for _, key := range w.keys("journal/") {
				body, _ := w.bucket.Get(key)
				closed += bytes.Count(body, []byte(`"end":{`))
			}
			if closed != 2 {
				t.Errorf("%d journals of 2 invocations are closed", closed)
			}
		}
	})
}

// Nobody sends the next event of a schedule, so that the receivers are told.
func TestDeadlineOfASchedule(t *testing.T) {
	lambdatest.RunLate(t, "ecr", "BatchDeleteImage", func(late *lambdatest.Late) func() {
		w := newWorld(60)
		topic := w.region.CreateTopic("regsweep")
		w.SetFaults(late.Fault)
		f := w.function(t, applying+"notify: [{sns: {topicArn: \""+topic+"\"}}]\n")
		answer, err := late.Invoke(t.Context(), f, []byte(scheduled))
		return func() {
			if err != nil {
				t.Fatalf("%v\n%s", err, f.Log())
			}
			r := resultOf(t, answer)
			if r.ExitCode != 3 || r.Applied.Deleted == 0 {
				t.Errorf("got %+v", r)
			}
			if diff := cmp.Diff(&lambdarun.Event{Op: "apply", Notify: true}, r.Next); diff != "" {
				t.Errorf("next (-want +got):\n%s", diff)
			}
			told := w.Published(topic)
			if len(told) != 1 {
				t.Fatalf("told %+v", told)
			}
			for text, want := range map[string]bool{
				"stopped before the function's deadline: the next run goes on": true, "stopped before the end": true,
				" left for later": true, "the run failed": false,
			} {
				if strings.Contains(told[0].Message, text) != want {
					t.Errorf("%q in what is told: %v\n%s", text, !want, told[0].Message)
				}
			}
		}
	})
}

// Where nothing was done until the deadline, to go on would be to begin again.
func TestDeadlineWithoutProgress(t *testing.T) {
	for _, test := range []struct{ event, operation, message string }{
		{`{"op":"plan"}`, "DescribeImages", "in more shards"},
		{`{"op":"apply"}`, "DescribeImages", "in shards"},
		{`{"op":"apply"}`, "DescribeRepositories", "in shards"},
	} {
		lambdatest.RunLate(t, "ecr", test.operation, func(late *lambdatest.Late) func() {
			w := newWorld(1)
			w.SetFaults(late.Fault)
			_, err := late.Invoke(t.Context(), w.function(t, applying), []byte(test.event))
			return func() {
				var failed *lambdatest.Error
				if !errors.As(err, &failed) || failed.Type != lambdarun.TypeDeadline || !strings.Contains(failed.Message, test.message) {
					t.Errorf("%s: got %v", test.event, err)
				}
			}
		})
	}
}

// What cannot be deleted is exit code 3 and named; what a gap holds is 4.
func TestPartial(t *testing.T) {
	w := newWorld(3)
	f := w.function(t, applying)
	w.Deny(w.Account(embedded.DefaultAccount).AccessKeyID(), "ecr:BatchDeleteImage", "*r01")
	if r := ask(t, f, `{"op":"apply"}`); r.ExitCode != 3 || r.Applied.Deleted != 4 || r.Applied.Failed != 2 || r.Failures.Count != 2 || !strings.Contains(r.Failures.Some[0], "r01@sha256:") {
		t.Errorf("got %+v", r)
	}
	w.AllowAll()
	w.bucket.Put("uses.json", []byte("{"))
	if r := ask(t, f, `{"op":"apply"}`); r.ExitCode != 4 || r.Applied.Deleted != 0 || r.Gaps.Count != 1 {
		t.Errorf("got %+v", r)
	}
}

// The journal of a function is the log or in Amazon S3; a file is gone with it.
func TestJournalInAFile(t *testing.T) {
	w := newWorld(1)
	f := w.function(t, applying, "REGSWEEP_JOURNAL=/tmp/journal")
	if failed := refused(t, f, scheduled); failed.Type != "Runtime.ExitError" || !strings.Contains(failed.Message, "would be gone") {
		t.Errorf("got %v", failed)
	}
}

// Invocations of one process follow each other, and a bad one harms none.
func TestUnknownEvents(t *testing.T) {
	w := newWorld(1)
	f := w.function(t, applying)
	for _, event := range []string{
		`{}`, `[]`, `null`, `"plan"`, `{"key1":"value1"}`, `{"op":"delete"}`, `{"op":"plan","dryRun":true}`, `{"op":"plan","out":"/tmp/x"}`,
		`{"detail-type":"ECR Image Action","source":"aws.ecr"}`,
	} {
		if failed := refused(t, f, event); failed.Type != lambdarun.TypeEvent {
			t.Errorf("%s: %v", event, failed)
		}
	}
	if left := w.left(); left["old-1"] != 1 {
		t.Errorf("left %v", left)
	}
	if _, err := f.Invoke(t.Context(), []byte(scheduled)); err != nil {
		t.Error(err)
	}
}
