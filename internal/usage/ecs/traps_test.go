package ecs_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/usage/ecs"
)

// TestTraps has one case for each way in which an image is in use and easily
// missed. Task definitions are retired where they would be uses of themselves.
func TestTraps(t *testing.T) {
	for _, test := range []struct {
		name string
		fill func(*world)
		want []string
	}{
		{
			name: "nothing",
			fill: func(*world) {},
			want: []string{},
		},
		{
			name: "a tag that moved after the deployment: the service starts the old digest",
			fill: func(w *world) {
				d := w.ecs.RegisterTaskDefinition("web", w.Push("web", "stable", "old"))
				w.service("web", d, 0)
				w.Push("web", "stable", "new")
				w.retire(d)
			},
			want: []string{
				"prod/web declared web:stable",
				"prod/web declared web:stable web@<old>",
			},
		},
		{
			name: "a service that is scaled in to 0",
			fill: func(w *world) {
				d := w.ecs.RegisterTaskDefinition("night", w.Push("night", "1", "night"))
				s := w.service("night", d, 1)
				s.Scale(0)
				w.Advance(2 * time.Hour) // its task is forgotten
				w.retire(d)
			},
			want: []string{
				"prod/night declared night:1",
				"prod/night declared night:1 night@<night>",
			},
		},
		{
			name: "an INACTIVE and a deleted task definition that services name",
			fill: func(w *world) {
				inactive := w.ecs.RegisterTaskDefinition("inactive", w.Push("app", "a", "a"))
				deleted := w.ecs.RegisterTaskDefinition("deleted", w.Push("app", "b", "b"))
				w.service("a", inactive, 0)
				w.service("b", deleted, 0)
				w.retire(inactive)
				w.retire(deleted)
				check(w.ecs.DeleteTaskDefinition(deleted))
			},
			want: []string{
				"prod/a declared app:a",
				"prod/a declared app:a app@<a>",
				"prod/b declared app:b",
				"prod/b declared app:b app@<b>",
			},
		},
		{
			name: "task sets of CodeDeploy and of another controller",
			fill: func(w *world) {
				blue := w.ecs.RegisterTaskDefinition("set", w.Push("set", "blue", "blue"))
				green := w.ecs.RegisterTaskDefinition("set", w.Push("set", "green", "green"))
				code := embedded.Must(w.prod.CreateService(embedded.ECSServiceOptions{Name: "code", TaskDefinition: blue, Controller: embedded.ControllerCodeDeploy}))
				check(code.AddTaskSet(green))
				external := embedded.Must(w.prod.CreateService(embedded.ECSServiceOptions{Name: "external", Controller: embedded.ControllerExternal}))
				check(external.AddTaskSet(green))
				w.retire(blue)
				w.retire(green)
			},
			want: []string{
				"prod/code declared set:blue",
				"prod/code declared set:green",
				"prod/external declared set:green",
			},
		},
		{
			name: "the source of a finished deployment",
			fill: func(w *world) {
				v1 := w.ecs.RegisterTaskDefinition("web", w.Push("web", "1", "one"))
				v2 := w.ecs.RegisterTaskDefinition("web", w.Push("web", "2", "two"))
				s := w.service("web", v1, 0)
				check(s.Deploy(v2, embedded.DeploymentSuccessful))
				w.retire(v1)
				w.retire(v2)
			},
			want: []string{
				"prod/web declared web:2",
				"prod/web declared web:2 web@<two>",
				"prod/web rollback web:1",
				"prod/web rollback web:1 web@<one>",
			},
		},
		{
			name: "the target of a deployment that was rolled back",
			fill: func(w *world) {
				v1 := w.ecs.RegisterTaskDefinition("web", w.Push("web", "1", "one"))
				v2 := w.ecs.RegisterTaskDefinition("web", w.Push("web", "2", "two"))
				s := w.service("web", v1, 0)
				check(s.Deploy(v2, embedded.DeploymentRolledBack))
				w.Advance(2 * time.Hour)
				w.retire(v1)
				w.retire(v2)
			},
			want: []string{
				"prod/web declared web:1",
				"prod/web declared web:1 web@<one>",
				"prod/web rollback web:2",
				"prod/web rollback web:2 web@<two>",
			},
		},
		{
			name: "a deployment of more than 90 days ago is history",
			fill: func(w *world) {
				v1 := w.ecs.RegisterTaskDefinition("web", w.Push("web", "1", "one"))
				v2 := w.ecs.RegisterTaskDefinition("web", w.Push("web", "2", "two"))
				s := w.service("web", v1, 0)
				check(s.Deploy(v2, embedded.DeploymentSuccessful))
				w.Advance(91 * 24 * time.Hour)
				w.retire(v1)
				w.retire(v2)
			},
			want: []string{
				"prod/web declared web:2",
				"prod/web declared web:2 web@<two>",
			},
		},
		{
			name: "a deployment in progress",
			fill: func(w *world) {
				v1 := w.ecs.RegisterTaskDefinition("web", w.Push("web", "1", "one"))
				v2 := w.ecs.RegisterTaskDefinition("web", w.Push("web", "2", "two"))
				s := w.service("web", v1, 0)
				check(s.Deploy(v2, embedded.DeploymentInProgress))
				w.retire(v1)
				w.retire(v2)
			},
			want: []string{
				"prod/web declared web:1",
				"prod/web declared web:1 web@<one>",
				"prod/web declared web:2",
				"prod/web declared web:2 web@<two>",
			},
		},
		{
			name: "a standalone task whose task definition is retired",
			fill: func(w *world) {
				d := w.ecs.RegisterTaskDefinition("job", w.Push("job", "1", "job"), w.Push("log", "1", "log"))
				w.task("TASK", d)
				w.retire(d)
			},
			want: []string{
				"prod/TASK running job:1 job@<job>",
				"prod/TASK running log:1 log@<log>",
				"task-definition/job:1 declared job:1",
				"task-definition/job:1 declared log:1",
			},
		},
		{
			name: "a stopped task that ECS still lists",
			fill: func(w *world) {
				d := w.ecs.RegisterTaskDefinition("job", w.Push("job", "1", "job"))
				check(w.prod.StopTask(w.task("TASK", d)))
				w.Advance(59 * time.Minute)
				w.retire(d)
			},
			want: []string{
				"prod/TASK rollback job:1 job@<job>",
				"task-definition/job:1 rollback job:1",
			},
		},
		{
			name: "a stopped task that is forgotten",
			fill: func(w *world) {
				d := w.ecs.RegisterTaskDefinition("job", w.Push("job", "1", "job"))
				check(w.prod.StopTask(w.task("TASK", d)))
				w.Advance(time.Hour)
				w.retire(d)
			},
			want: []string{},
		},
		{
			name: "a task definition that names tag and digest",
			fill: func(w *world) {
				d := w.ecs.RegisterTaskDefinition("pin", w.Push("pin", "1", "pinned")+"@"+w.Digest("pinned"))
				w.Push("pin", "1", "moved")
				w.task("TASK", d)
				w.retire(d)
			},
			want: []string{
				"prod/TASK running pin:1@<pinned> pin@<pinned>",
				"task-definition/pin:1 declared pin:1@<pinned>",
			},
		},
		{
			name: "an image that could not be pulled has no digest",
			fill: func(w *world) {
				d := w.ecs.RegisterTaskDefinition("gone", "registry.example.com:5000/gone", awsImage("gone", "never"))
				w.task("TASK", d)
				w.retire(d)
				w.Name(embedded.Digest([]byte("image registry.example.com:5000/gone")), "<elsewhere>")
			},
			want: []string{
				"prod/TASK running gone:never",
				"prod/TASK running registry.example.com:5000/gone registry.example.com:5000/gone@<elsewhere>",
				"task-definition/gone:1 declared gone:never",
				"task-definition/gone:1 declared registry.example.com:5000/gone",
			},
		},
		{
			name: "the newest five revisions of a family by number",
			fill: func(w *world) {
				for _, tag := range strings.Fields("1 2 3 4 5 6 7 8 9 10 11") {
					w.ecs.RegisterTaskDefinition("cron", "cron:"+tag)
				}
				w.retire("cron:9")
				w.ecs.RegisterTaskDefinition("other", "other:1")
			},
			want: []string{
				"task-definition/cron:10 declared cron:10",
				"task-definition/cron:11 declared cron:11",
				"task-definition/cron:6 declared cron:6",
				"task-definition/cron:7 declared cron:7",
				"task-definition/cron:8 declared cron:8",
				"task-definition/other:1 declared other:1",
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			test.fill(w)
			if diff := cmp.Diff(test.want, w.MustCollect(ecs.Config{})); diff != "" {
				t.Errorf("uses (-want +got):\n%s", diff)
			}
			// What the cache remembers of the first run changes nothing.
			if diff := cmp.Diff(test.want, w.MustCollect(ecs.Config{})); diff != "" {
				t.Errorf("uses of the second run (-want +got):\n%s", diff)
			}
		})
	}
}

// awsImage is a reference to the world's registry that was never pushed.
func awsImage(repository, tag string) string {
	return embedded.DefaultAccount + ".dkr.ecr.eu-west-1.amazonaws.com/" + repository + ":" + tag
}

func TestRevisions(t *testing.T) {
	w := newWorld(t)
	for _, tag := range strings.Fields("1 2 3") {
		w.ecs.RegisterTaskDefinition("cron", "cron:"+tag)
	}
	want := []string{"task-definition/cron:2 declared cron:2", "task-definition/cron:3 declared cron:3"}
	if diff := cmp.Diff(want, w.MustCollect(ecs.Config{Revisions: 2})); diff != "" {
		t.Errorf("uses (-want +got):\n%s", diff)
	}
}

// TestForgottenDefinition: a revision of a finished deployment names a task
// definition that AWS has forgotten. Its images are known from the revision,
// and nothing can start the definition itself.
func TestForgottenDefinition(t *testing.T) {
	w := newWorld(t)
	v1 := w.ecs.RegisterTaskDefinition("web", w.Push("web", "1", "one"))
	v2 := w.ecs.RegisterTaskDefinition("web", w.Push("web", "2", "two"))
	check(w.service("web", v1, 0).Deploy(v2, embedded.DeploymentSuccessful))
	w.retire(v1)
	check(w.ecs.DeleteTaskDefinition(v1))
	w.ecs.ForgetTaskDefinition(v1)
	found, err := w.Collect(ecs.Config{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"prod/web declared web:2",
		"prod/web declared web:2 web@<two>",
		"prod/web rollback web:1 web@<one>",
		"task-definition/web:2 declared web:2",
	}
	if diff := cmp.Diff(want, w.Lines(found)); diff != "" {
		t.Errorf("uses (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"the deleted task definition web:1 is named by nothing that can start it"}, found.Notes); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
}

// TestForgottenDefinitionInUse: AWS must know a task definition that a service
// names. If it does not, nobody knows what the service would start.
func TestForgottenDefinitionInUse(t *testing.T) {
	w := newWorld(t)
	d := w.ecs.RegisterTaskDefinition("web", "web:1")
	w.service("web", d, 0)
	w.ecs.ForgetTaskDefinition(d)
	_, err := w.Collect(ecs.Config{})
	if err == nil || !strings.HasPrefix(err.Error(), "describe task definition of web:1: ") {
		t.Errorf("error %v, want one about the task definition", err)
	}
}

// TestOldRevision: AWS does not describe revisions from before 25 October 2024.
// Where no task shows what such a service runs, its repositories are kept.
func TestOldRevision(t *testing.T) {
	w := newWorld(t)
	const long = 2 * 365 * 24 * time.Hour
	w.Advance(-long)
	idle := w.ecs.RegisterTaskDefinition("idle", w.Push("idle", "1", "idle"))
	busy := w.ecs.RegisterTaskDefinition("busy", w.Push("busy", "1", "busy"))
	deployed := w.ecs.RegisterTaskDefinition("new", w.Push("deployed", "1", "deployed"))
	w.service("idle", idle, 0)
	w.service("busy", busy, 1)
	s := w.service("deployed", deployed, 0)
	w.Advance(long)
	check(s.Deploy(deployed, embedded.DeploymentSuccessful))
	for _, d := range []string{idle, busy, deployed} {
		w.retire(d)
	}
	found, err := w.Collect(ecs.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, line := range w.Lines(found) {
		if !strings.Contains(line, " running ") && !strings.HasPrefix(line, "task-definition/") {
			got = append(got, line)
		}
	}
	want := []string{
		"prod/busy declared busy:1",
		"prod/deployed declared deployed:1",
		"prod/deployed declared deployed:1 deployed@<deployed>",
		"prod/idle declared idle:1 idle@unknown:digest",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("uses (-want +got):\n%s", diff)
	}
	notes := []string{"service prod/idle was deployed so long ago that AWS does not tell its digests: all images of its repositories are kept until it is deployed again"}
	if diff := cmp.Diff(notes, found.Notes); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
}
