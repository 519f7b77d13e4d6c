package ecs_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/usage/ecs"
)

// fullWorld has something for every call of the source.
func fullWorld(t *testing.T) *world {
	w := newWorld(t)
	v1 := w.ecs.RegisterTaskDefinition("web", w.Push("web", "1", "one"))
	v2 := w.ecs.RegisterTaskDefinition("web", w.Push("web", "2", "two"))
	s := w.service("web", v1, 0)
	check(s.Deploy(v2, embedded.DeploymentSuccessful))
	w.retire(v1)
	job := w.ecs.RegisterTaskDefinition("job", w.Push("job", "1", "job"))
	w.task("TASK", job)
	check(w.prod.StopTask(w.task("STOPPED", job)))
	return w
}

// everything is what is found of a fullWorld.
var everything = []string{
	"prod/STOPPED rollback job:1 job@<job>",
	"prod/TASK running job:1 job@<job>",
	"prod/web declared web:2",
	"prod/web declared web:2 web@<two>",
	"prod/web rollback web:1",
	"prod/web rollback web:1 web@<one>",
	"task-definition/job:1 declared job:1",
	"task-definition/web:2 declared web:2",
}

// TestDenied denies each action alone. That is an error which names the
// action, and what the other calls tell is found all the same.
func TestDenied(t *testing.T) {
	lost := map[string][]string{
		"ecs:ListClusters": {
			"prod/STOPPED rollback job:1 job@<job>", "prod/TASK running job:1 job@<job>",
			"prod/web declared web:2", "prod/web declared web:2 web@<two>",
			"prod/web rollback web:1", "prod/web rollback web:1 web@<one>",
		},
		"ecs:ListTasks":     {"prod/STOPPED rollback job:1 job@<job>", "prod/TASK running job:1 job@<job>"},
		"ecs:DescribeTasks": {"prod/STOPPED rollback job:1 job@<job>", "prod/TASK running job:1 job@<job>"},
		"ecs:ListServices": {
			"prod/web declared web:2", "prod/web declared web:2 web@<two>",
			"prod/web rollback web:1", "prod/web rollback web:1 web@<one>",
		},
		"ecs:DescribeServices": {
			"prod/web declared web:2", "prod/web declared web:2 web@<two>",
			"prod/web rollback web:1", "prod/web rollback web:1 web@<one>",
		},
		"ecs:ListServiceDeployments": {"prod/web rollback web:1", "prod/web rollback web:1 web@<one>"},
		// The list of deployments names the targets.
		"ecs:DescribeServiceDeployments": {},
		"ecs:DescribeServiceRevisions":   {"prod/web declared web:2 web@<two>", "prod/web rollback web:1", "prod/web rollback web:1 web@<one>"},
		// The task names its own.
		"ecs:ListTaskDefinitions": {"task-definition/web:2 declared web:2"},
		"ecs:DescribeTaskDefinition": {
			"prod/web declared web:2", "prod/web rollback web:1",
			"task-definition/job:1 declared job:1", "task-definition/web:2 declared web:2",
		},
	}
	for _, action := range ecs.Actions(ecs.Config{}) {
		t.Run(action, func(t *testing.T) {
			want, known := lost[action]
			if !known {
				t.Fatalf("the test does not say what %s costs", action)
			}
			w := fullWorld(t)
			w.Deny(action)
			found, err := w.Collect(ecs.Config{})
			if err == nil || !strings.Contains(err.Error(), action) {
				t.Errorf("error %v, want one that names %s", err, action)
			}
			var denied *awsapi.DeniedError
			if !errors.As(err, &denied) || denied.Action != action {
				t.Errorf("error %v, want a DeniedError of %s", err, action)
			}
			if diff := cmp.Diff(want, missingFrom(w.Lines(found))); diff != "" {
				t.Errorf("not found (-want +got):\n%s", diff)
			}
		})
	}
}

// missingFrom returns what lines lack of everything.
func missingFrom(lines []string) []string {
	lost := []string{}
	has := map[string]bool{}
	for _, line := range lines {
		has[line] = true
	}
	for _, line := range everything {
		if !has[line] {
			lost = append(lost, line)
		}
	}
	return lost
}

// TestActionsSuffice: the source makes no call that Actions does not name.
func TestActionsSuffice(t *testing.T) {
	w := fullWorld(t)
	if diff := cmp.Diff(everything, w.MustCollect(ecs.Config{})); diff != "" {
		t.Errorf("uses (-want +got):\n%s", diff)
	}
	named := map[string]bool{}
	for _, action := range ecs.Actions(ecs.Config{}) {
		named[action] = true
	}
	for call := range w.Stats().Calls {
		if !named[call] {
			t.Errorf("%s is called and not named", call)
		}
	}
	for action := range named {
		if w.Stats().Calls[action] == 0 {
			t.Errorf("%s is named and not called", action)
		}
	}
}

// TestRepeatedToken: a list that comes in circles is an error, and neither an
// endless loop nor a short list.
func TestRepeatedToken(t *testing.T) {
	for _, operation := range []string{"ListClusters", "ListTasks", "ListServices", "ListServiceDeployments", "ListTaskDefinitions"} {
		t.Run(operation, func(t *testing.T) {
			w := newWorld(t)
			d := w.ecs.RegisterTaskDefinition("web", "web:1")
			s := w.service("web", d, 0)
			for i := range 250 {
				switch operation {
				case "ListClusters":
					embedded.Must(w.ecs.CreateCluster(name("c", i)))
				case "ListTasks":
					embedded.Must(w.prod.RunTask(d))
				case "ListServices":
					w.service(name("s", i), d, 0)
				case "ListServiceDeployments":
					check(s.Deploy(d, embedded.DeploymentStopped))
				case "ListTaskDefinitions":
					w.ecs.RegisterTaskDefinition("other", "other:1")
				}
			}
			w.SetFaults(embedded.FaultOn("ecs", operation, embedded.Fault{Kind: embedded.FaultRepeatToken}))
			_, err := w.Collect(ecs.Config{})
			if !errors.Is(err, awsapi.ErrRepeatedToken) {
				t.Errorf("error %v, want %v", err, awsapi.ErrRepeatedToken)
			}
		})
	}
}

// TestGoneMeanwhile: what is deleted between two calls is no longer in use.
func TestGoneMeanwhile(t *testing.T) {
	for _, operation := range []string{"DescribeServices", "ListServiceDeployments", "DescribeServiceDeployments", "DescribeServiceRevisions"} {
		t.Run(operation, func(t *testing.T) {
			w := fullWorld(t)
			second := w.service("second", "job", 0)
			var once atomic.Bool
			w.SetFaults(func(_ int, _, called string) embedded.Fault {
				if called == operation && once.CompareAndSwap(false, true) {
					second.Delete()
				}
				return embedded.Fault{}
			})
			if diff := cmp.Diff([]string{}, missingFrom(w.MustCollect(ecs.Config{}))); diff != "" {
				t.Errorf("not found (-want +got):\n%s", diff)
			}
			if !once.Load() {
				t.Errorf("%s was not called", operation)
			}
		})
	}
}

// TestBatchesAcrossServices: where AWS refuses a batch that names several
// services, each is asked for alone.
func TestBatchesAcrossServices(t *testing.T) {
	for _, code := range []string{"InvalidParameterException", "ClientException", "ServiceNotFoundException"} {
		t.Run(code, func(t *testing.T) {
			w := fullWorld(t)
			w.service("second", "job", 0)
			first := map[string]*atomic.Bool{"DescribeServiceDeployments": {}, "DescribeServiceRevisions": {}}
			w.SetFaults(func(_ int, _, called string) embedded.Fault {
				if b := first[called]; b != nil && b.CompareAndSwap(false, true) {
					return embedded.Fault{Kind: embedded.FaultError, Code: code}
				}
				return embedded.Fault{}
			})
			lines := w.MustCollect(ecs.Config{})
			if diff := cmp.Diff([]string{}, missingFrom(lines)); diff != "" {
				t.Errorf("not found (-want +got):\n%s", diff)
			}
			want := map[string]int{"ecs:DescribeServiceDeployments": 3, "ecs:DescribeServiceRevisions": 3}
			got := map[string]int{}
			for call := range want {
				got[call] = w.Stats().Calls[call]
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNoServiceDeployments: AWS does not say what it answers where a service
// cannot have service deployments. A refusal that can only mean this is no gap,
// and any other is.
func TestNoServiceDeployments(t *testing.T) {
	for _, test := range []struct {
		name, controller, code string
		gap                    bool
	}{
		{"a region without them", embedded.ControllerECS, "UnsupportedFeatureException", false},
		{"CodeDeploy", embedded.ControllerCodeDeploy, "InvalidParameterException", false},
		{"ECS", embedded.ControllerECS, "InvalidParameterException", true},
		{"CodeDeploy and an error of the server", embedded.ControllerCodeDeploy, "ClientException", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			d := w.ecs.RegisterTaskDefinition("web", "web:1")
			embedded.Must(w.prod.CreateService(embedded.ECSServiceOptions{Name: "web", TaskDefinition: d, Controller: test.controller}))
			w.SetFaults(embedded.FaultOn("ecs", "ListServiceDeployments", embedded.Fault{Kind: embedded.FaultError, Code: test.code}))
			_, err := w.Collect(ecs.Config{})
			if (err != nil) != test.gap {
				t.Errorf("error %v, want one: %t", err, test.gap)
			}
		})
	}
}
