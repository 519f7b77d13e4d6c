package lambdarun

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/app"
	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/journal"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/usage"
)

func TestParse(t *testing.T) {
	schedule := `{"detail-type":"Scheduled Event","source":"aws.scheduler","detail":"{}"}`
	for _, test := range []struct {
		payload string
		mode    config.Mode
		want    Event
		err     string
	}{
		{payload: schedule, mode: config.ModePlan, want: Event{Op: OpPlan, Notify: true}},
		{payload: schedule, mode: config.ModeApply, want: Event{Op: OpApply, Notify: true}},
		{payload: schedule, want: Event{Op: OpPlan, Notify: true}}, // whatever is no apply
		{payload: `{"op":"plan"}`, want: Event{Op: OpPlan}},
		{payload: `{"op":"plan","shard":"2/3","repositories":["a/**"],"registry":"prod","usage":"s3://runs/u.json","out":"s3://runs/p.json","notify":true}`,
			want: Event{Op: OpPlan, Shard: "2/3", Repositories: []string{"a/**"}, Registry: "prod", Usage: "s3://runs/u.json", Out: "s3://runs/p.json", Notify: true}},
		{payload: `{"op":"apply","plan":"s3://runs/p.json","out":"s3://runs/reports/"}`, want: Event{Op: OpApply, Plan: "s3://runs/p.json", Out: "s3://runs/reports/"}},
		{payload: `{"op":"notify","plan":"s3://runs/p.json","expected":0}`, want: Event{Op: OpNotify, Plan: "s3://runs/p.json"}},
		{payload: ``, err: "no JSON object"},
		{payload: `null`, err: "neither"},
		{payload: `{"op":null}`, err: `op "" is not known`},
		{payload: `{"op":1}`, err: "op"},
		{payload: `{"op":"Plan"}`, err: `op "Plan" is not known: write apply, merge, notify, plan, repositories, tag, usage`},
		{payload: `{"op":"plan","op":"apply"}`, err: `"op" stands there twice`},
		{payload: `{"op":"plan","shard":"1/2","\u0073hard":"2/2"}`, err: `"shard" stands there twice`},
		{payload: `{"op":"plan","Op":"apply"}`, err: `takes no "Op"`},
		{payload: `{"op":"plan"}{}`, err: "no JSON object"},
		{payload: `{"op":"plan","Mode":"apply"}`, err: "Mode"},
		{payload: `{"op":"plan","plan":"s3://runs/p.json"}`, err: `op plan takes no "plan"`},
		{payload: `{"op":"repositories"}`, err: `needs "out"`},
		{payload: `{"op":"repositories","out":"s3://runs/x","perShard":0}`, err: "perShard: 0 is less than 1"},
		{payload: `{"op":"merge","plans":"s3://runs/plans/","shards":-1}`, err: "shards"},
		{payload: `{"op":"merge","plans":"s3://runs/plans","shards":1}`, err: "ends in a slash"},
		{payload: `{"op":"plan","shard":"4/3"}`, err: "shard"},
		{payload: `{"op":"plan","out":"plan.json"}`, err: "not in Amazon S3"},
		{payload: `{"op":"plan","out":"s3://runs/"}`, err: "s3://bucket/key"},
		{payload: `{"op":"plan","out":"s3://R/x"}`, err: "out"},
		{payload: `{"op":"apply","plan":"s3://runs/p.json","shard":"1/2"}`, err: "applied as a whole"},
		{payload: `{"op":"apply","out":"s3://runs/report.json"}`, err: "ends in a slash"},
		// What a broken template leaves empty must not mean everything.
		{payload: `{"op":"apply","plan":""}`, err: "plan is empty"},
		{payload: `{"op":"apply","repositories":[ ]}`, err: "repositories is empty"},
		{payload: `{"op":"apply","repositories":null}`, err: "repositories is empty"},
		{payload: `{"op":"apply","registry":""}`, err: "registry is empty"},
		{payload: `{"op":"plan","shard": "" }`, err: "shard is empty"},
		{payload: `{"op":"plan","usage":""}`, err: "usage is empty"},
		{payload: `{"op":"merge","plans":"","shards":1}`, err: "plans is empty"},
		{payload: `{"op":"merge","plans":"s3://runs/plans/","shards":null}`, err: "shards is empty"},
		{payload: `{"detail-type":"EC2 Instance State-change Notification","source":"aws.ec2"}`, err: "neither"},
	} {
		t.Run(test.payload, func(t *testing.T) {
			got, err := Parse([]byte(test.payload), test.mode)
			var wrong *EventError
			if test.err != "" {
				if !errors.As(err, &wrong) || !strings.Contains(err.Error(), test.err) {
					t.Errorf("got %v", err)
				}
				return
			}
			if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// However much went wrong, a result fits between two states.
func TestResultIsSmall(t *testing.T) {
	long := strings.Repeat("\x01\"<ü", 10_000)
	p := &plan.Plan{Registries: []plan.Registry{{Name: "prod"}}}
	report := &plan.Report{}
	for i := range 100_000 {
		name := fmt.Sprint(long[:i%1000], i)
		p.Registries[0].Repositories = append(p.Registries[0].Repositories, plan.Unread(name, long))
		p.Warnings = append(p.Warnings, long)
		report.Repositories = append(report.Repositories, plan.RepositoryReport{Name: name, Gap: long, Failures: []plan.Failure{{Detail: long}}})
	}
	r := Result{Op: OpApply, Next: &Event{Op: OpApply}}
	r.planned(p)
	r.applied(report)
	body, err := json.Marshal(&r)
	if err != nil || len(body) > 64<<10 {
		t.Errorf("%d bytes, %v", len(body), err)
	}
	if r.Gaps.Count != 200_000 || r.Failures.Count != 100_000 || len(r.Warnings.Some) != maxLines {
		t.Errorf("counted %d gaps, %d failures, %d lines", r.Gaps.Count, r.Failures.Count, len(r.Warnings.Some))
	}
	if n := len(response(errors.New(long)).Message); n > 9<<10 {
		t.Errorf("a message of %d bytes", n)
	}
}

func TestTypes(t *testing.T) {
	wrap := func(err error) error { return fmt.Errorf("do something: %w", err) }
	for want, errs := range map[string][]error{
		TypeEvent:         {eventError("x")},
		TypeConfiguration: {&ConfigurationError{errors.New("x")}, config.Errors{}, &app.MismatchError{}, &plan.MergeError{}, app.ErrNoUsage, &ConfigurationError{&awsapi.DeniedError{}}},
		TypeCredentials:   {&awsapi.CredentialsError{}, &ConfigurationError{&awsapi.CredentialsError{Expired: true}}},
		TypeDenied:        {&awsapi.DeniedError{}},
		TypeThrottled:     {&awsapi.ThrottledError{}, &ConfigurationError{&awsapi.ThrottledError{}}},
		TypeDeadline:      {&DeadlineError{}},
		TypeFailed:        {errors.New("x"), context.Canceled},
	} {
		for _, err := range errs {
			if got := response(wrap(err)); got.Type != want {
				t.Errorf("%T: type %s, want %s", err, got.Type, want)
			}
		}
	}
}

func TestMargin(t *testing.T) {
	for left, want := range map[time.Duration]time.Duration{
		15 * time.Minute: 90 * time.Second, time.Minute: 10 * time.Second, 14 * time.Second: 7 * time.Second, 3 * time.Second: 1500 * time.Millisecond, 0: 0,
	} {
		if got := margin(left); got != want {
			t.Errorf("of %s: %s, want %s", left, got, want)
		}
	}
}

// Time that is up is why a run ends, unless something else is.
func TestEnded(t *testing.T) {
	open, cancel := context.WithCancel(t.Context())
	defer cancel()
	over, cancelOver := context.WithCancelCause(t.Context())
	cancelOver(errDeadline)
	stopped, cancelStopped := context.WithCancel(t.Context())
	cancelStopped()
	for _, test := range []struct {
		name string
		ctx  context.Context
		err  error
		want string
	}{
		{"no error", over, nil, ""},
		{"the deadline", over, context.Canceled, TypeDeadline},
		{"before it", open, errors.New("x"), TypeFailed},
		{"told to end", stopped, context.Canceled, TypeFailed},
		{"credentials", over, &awsapi.CredentialsError{}, TypeCredentials},
		{"the journal", over, &journal.WriteError{Err: errors.New("x")}, TypeFailed},
	} {
		err := ended(test.ctx, test.err, "doing")
		if (err == nil) != (test.want == "") || err != nil && typeOf(err) != test.want {
			t.Errorf("%s: got %v", test.name, err)
		}
	}
}

// source is a source that must not be asked.
type source string

func (s source) Name() string { return string(s) }

func (s source) Collect(context.Context) (usage.Findings, error) {
	return usage.Findings{}, errors.New("it was asked")
}

// A snapshot says of each source what it said, and of no other; its gaps stay
// theirs.
func TestReplay(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	const ref = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/a:1"
	snapshot := &usage.Snapshot{
		CreatedAt: now.Add(-time.Hour),
		Sources: []usage.Status{
			{Name: "ecs", Uses: 1, Status: usage.StatusOK, Detail: "a note"}, {Name: "lambda", Status: usage.StatusGap, Detail: "denied"},
			{Name: "few", Uses: 2, Status: usage.StatusOK}, {Name: "low", Uses: 1, Status: usage.StatusOK},
		},
		Uses: []image.Use{
			{Source: "ecs", State: image.Running, Reference: ref, Holder: "ecs/shop/web"},
			{Source: "few", State: image.Running, Reference: ref, Holder: "few/x"},
			{Source: "low", State: image.Running, Reference: ref, Holder: "low/x"},
		},
	}
	entries := []usage.Entry{{Source: source("ecs")}, {Source: source("lambda"), Covers: []string{"b"}}, {Source: source("few")}, {Source: source("none")}, {Source: source("low"), AtLeast: 5}}
	collect := func(now time.Time) (*usage.Result, map[string]string) {
		result, err := usage.Collect(t.Context(), replayed(entries, snapshot, now), usage.Options{Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		gaps := map[string]string{}
		for _, g := range result.Gaps {
			gaps[g.Source] = g.Detail
			if g.Source == "lambda" && len(g.Covers) != 1 {
				t.Errorf("the gap of lambda covers %v", g.Covers)
			}
		}
		return result, gaps
	}
	result, gaps := collect(now)
	if diff := cmp.Diff([]string{"few", "lambda", "low", "none"}, sortedKeys(gaps)); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
	if u := result.Snapshot.Uses; len(u) != 3 || u[0].Holder != "ecs/shop/web" || u[0].Reference != ref || u[0].State != image.Running {
		t.Errorf("uses %+v", u)
	}
	for _, other := range []time.Time{now.AddDate(0, 0, 2), now.AddDate(0, 0, -2)} {
		if _, gaps := collect(other); len(gaps) != len(entries) {
			t.Errorf("on %s only %v are gaps", other, gaps)
		}
	}
}

func sortedKeys(m map[string]string) (keys []string) {
	for _, name := range []string{"ecs", "few", "lambda", "low", "none"} {
		if _, ok := m[name]; ok {
			keys = append(keys, name)
		}
	}
	return keys
}
