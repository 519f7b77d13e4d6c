package ecrcleaner_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/cli"
	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/kinds"
	"github.com/regsweep/regsweep/internal/lambdarun"
	"github.com/regsweep/regsweep/internal/lambdatest"
)

func TestMain(m *testing.M) { lambdatest.Main(m) }

// example is the folder that users copy.
var example = filepath.Join("..", "..", "..", "examples", "aws-ecr-cleaner")

// nightly is what the schedule sends.
const nightly = `{"version":"0","id":"00000000-0000-0000-0000-000000000000","detail-type":"Scheduled Event","source":"aws.events",
"account":"111122223333","time":"2026-01-02T00:00:00Z","region":"eu-west-1","resources":["arn:aws:events:eu-west-1:111122223333:rule/nightly"],"detail":{}}`

// world is an account with repositories.
type world struct {
	*embedded.Server
	region *embedded.Region
}

func newWorld() *world {
	srv := embedded.New(embedded.Options{Clock: time.Now})
	return &world{srv, srv.Account(embedded.DefaultAccount).Region("eu-west-1")}
}

// repository makes a repository with these resource tags, and an image tagged d10
// that is 10 days old, and so on.
func (w *world) repository(name string, tags map[string]string, days ...int) *embedded.Repository {
	repo := w.region.MustCreateRepository(name, embedded.RepositoryOptions{})
	repo.SetTags(tags)
	for _, d := range days {
		w.push(repo, d, fmt.Sprintf("d%d", d))
	}
	return repo
}

func (w *world) push(repo *embedded.Repository, days int, tags ...string) string {
	seed := fmt.Sprint(repo.Name(), tags)
	m := embedded.NewImage(embedded.ConfigBlob(seed, 100), embedded.LayerBlob(seed, 1000))
	return repo.MustPush(embedded.Push{Manifest: m.Bytes(), Tags: tags, At: time.Now().AddDate(0, 0, -days)})
}

// left has the tags of the images that are there, by repository.
func (w *world) left() map[string]string {
	left := map[string]string{}
	for _, repo := range w.region.Repositories() {
		var all []string
		for _, img := range repo.Images() {
			slices.Sort(img.Tags)
			all = append(all, strings.Join(img.Tags, "+"))
		}
		slices.Sort(all)
		left[repo.Name()] = strings.Join(all, " ")
	}
	return left
}

func (w *world) function(t *testing.T, env ...string) *lambdatest.Function {
	t.Helper()
	dir := t.TempDir()
	content, err := os.ReadFile(filepath.Join(example, "regsweep.yaml"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "regsweep.yaml"), content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return lambdatest.Regsweep(t, w.Server, dir, env...)
}

// night invokes the function as the schedule does.
func night(t *testing.T, f *lambdatest.Function) lambdarun.Result {
	t.Helper()
	answer, err := f.Invoke(t.Context(), []byte(nightly))
	if err != nil {
		t.Fatalf("%v\n%s", err, f.Log())
	}
	var r lambdarun.Result
	if err := json.Unmarshal(answer, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

var enabled = map[string]string{"BoxCleanerEnabled": "true"}

func with(key, value string) map[string]string {
	return map[string]string{"BoxCleanerEnabled": "true", key: value}
}

// fill makes one repository for each of the original's rules and each of its
// faults, and returns what is to be left of each.
func (w *world) fill(t *testing.T) map[string]string {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	w.repository("default", enabled, 10, 29, 31, 90)
	w.repository("keeps-7", with("BoxCleanerKeepDays", "7"), 5, 10, 90)
	w.repository("keeps-60", with("BoxCleanerKeepDays", "60"), 10, 40, 90)
	w.repository("not-opted-in", nil, 10, 90, 400)
	w.repository("opted-out", map[string]string{"BoxCleanerEnabled": "false"}, 10, 90)
	// A number that is none holds the repository.
	w.repository("bad-number", with("BoxCleanerKeepDays", "thirty"), 10, 90, 400)
	w.repository("negative", with("BoxCleanerKeepDays", "-1"), 10, 90)

	// What is in use, by every kind of reference that the original missed.
	aliases := w.repository("aliases", enabled, 10)
	w.push(aliases, 90, "stable", "v1", "v1.2")
	pinned := w.repository("pinned", enabled, 10, 90)
	both := w.repository("tag-and-digest", enabled, 10, 90)
	latest := w.repository("implicit-latest", enabled, 10, 90)
	w.push(latest, 80, "latest")
	standalone := w.repository("standalone-task", enabled, 10, 90)
	rollout := w.repository("rollout", enabled, 10, 80, 90)
	versions := w.repository("lambda-version", enabled, 10, 80, 90)
	runner := w.repository("app-runner", enabled, 10, 90)

	digest := func(repo *embedded.Repository, tag string) string {
		img, ok := repo.Image(tag)
		if !ok {
			t.Fatalf("there is no %s:%s", repo.Name(), tag)
		}
		return repo.URI() + "@" + img.Digest
	}
	ecs := w.region.ECS()
	cluster := embedded.Must(ecs.CreateCluster("shop"))
	service := func(name, image string) *embedded.ECSService {
		return embedded.Must(cluster.CreateService(embedded.ECSServiceOptions{Name: name, TaskDefinition: ecs.RegisterTaskDefinition(name, image), DesiredCount: 1}))
	}
	service("aliases", aliases.URI()+":v1")
	service("pinned", digest(pinned, "d90"))
	service("both", strings.Replace(digest(both, "d90"), "@", ":d90@", 1))
	service("latest", latest.URI())
	embedded.Must(cluster.RunTask(ecs.RegisterTaskDefinition("standalone", standalone.URI()+":d90")))
	moving := service("rollout", rollout.URI()+":d90")
	must(moving.Deploy(ecs.RegisterTaskDefinition("rollout", rollout.URI()+":d80"), embedded.DeploymentInProgress))
	function := embedded.Must(w.region.Lambda().CreateFunction("orders", versions.URI()+":d90"))
	function.Publish()
	must(function.UpdateCode(versions.URI() + ":d80"))
	embedded.Must(w.region.AppRunner().CreateService("webshop", runner.URI()+":d90"))

	return map[string]string{
		"default": "d10 d29", "keeps-7": "d5", "keeps-60": "d10 d40", "not-opted-in": "d10 d400 d90", "opted-out": "d10 d90",
		"bad-number": "d10 d400 d90", "negative": "d10 d90",
		"aliases": "d10 stable+v1+v1.2", "pinned": "d10 d90", "tag-and-digest": "d10 d90", "implicit-latest": "d10 latest",
		"standalone-task": "d10 d90", "rollout": "d10 d80 d90", "lambda-version": "d10 d80 d90", "app-runner": "d10 d90",
	}
}

func TestNight(t *testing.T) {
	w := newWorld()
	want := w.fill(t)
	r := night(t, w.function(t, "DRY_RUN=false"))
	if diff := cmp.Diff(want, w.left()); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	// The bad numbers are said, and the exit code says that something is held.
	if text := fmt.Sprint(r.Warnings.Some, r.Gaps.Some); r.ExitCode != 4 || !strings.Contains(text, "bad-number") || !strings.Contains(text, "thirty") || !strings.Contains(text, "negative") {
		t.Errorf("exit code %d, told %s", r.ExitCode, text)
	}
	if r.Applied.Deleted != 2+2+1+1 {
		t.Errorf("%d deleted", r.Applied.Deleted)
	}
}

// Only DRY_RUN=false deletes. What is neither true nor false is refused, and
// nothing happens.
func TestDryRun(t *testing.T) {
	w := newWorld()
	w.fill(t)
	before := w.left()
	for _, env := range [][]string{nil, {"DRY_RUN=true"}, {"DRY_RUN="}} {
		if r := night(t, w.function(t, env...)); r.Op != "plan" || r.Totals.Delete != 6 {
			t.Errorf("%v: %s, %d would go", env, r.Op, r.Totals.Delete)
		}
	}
	for _, env := range [][]string{
		{"DRY_RUN=no"}, {"DRY_RUN=0"}, {"DRY_RUN=False "}, {"DRY_RUN=false", "DEFAULT_KEEP_DAYS=a month"}, {"DRY_RUN=false", "DEFAULT_KEEP_DAYS=-3"},
	} {
		_, err := w.function(t, env...).Invoke(t.Context(), []byte(nightly))
		var failed *lambdatest.Error
		if !errors.As(err, &failed) || failed.Type != lambdarun.TypeConfiguration {
			t.Errorf("%v: %v", env, err)
		}
	}
	if diff := cmp.Diff(before, w.left()); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

func TestDefaultKeepDays(t *testing.T) {
	w := newWorld()
	w.repository("default", enabled, 10, 29, 31, 90)
	w.repository("own", with("BoxCleanerKeepDays", "80"), 10, 90)
	night(t, w.function(t, "DRY_RUN=false", "DEFAULT_KEEP_DAYS=15"))
	if diff := cmp.Diff(map[string]string{"default": "d10", "own": "d10"}, w.left()); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

// A repository with more old images than one call takes away is done in one night,
// also where calls are throttled: nobody has to run it again.
func TestMany(t *testing.T) {
	w := newWorld()
	repo := w.repository("many", enabled, 1)
	for i := range 230 {
		w.push(repo, 40+i, fmt.Sprintf("old-%d", i))
	}
	w.SetRate("ecr:BatchDeleteImage", embedded.Rate{PerSecond: 5, Burst: 1})
	r := night(t, w.function(t, "DRY_RUN=false"))
	if diff := cmp.Diff(map[string]string{"many": "d1"}, w.left()); diff != "" || r.ExitCode != 0 {
		t.Errorf("exit code %d, left (-want +got):\n%s", r.ExitCode, diff)
	}
}

// A source that cannot be read holds everything: nobody knows what is in use.
func TestUnknownUsage(t *testing.T) {
	w := newWorld()
	w.fill(t)
	before := w.left()
	w.Deny(lambdatest.AccessKeyID, "apprunner:ListServices", "*")
	r := night(t, w.function(t, "DRY_RUN=false"))
	if r.ExitCode != 4 || r.Applied.Deleted != 0 || r.Gaps.Count == 0 || !strings.Contains(r.Gaps.Some[0], "apprunner:ListServices") {
		t.Errorf("got %+v", r)
	}
	if diff := cmp.Diff(before, w.left()); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

// The role that the README prints is enough.
func TestRole(t *testing.T) {
	env := map[string]string{"AWS_REGION": "eu-west-1", "DRY_RUN": "false"}
	var out, errs bytes.Buffer
	code := cli.Main(cli.World{
		Args:  []string{"permissions", "iam", "--for", "lambda", "--function", "ecr-cleaner", "--config", filepath.Join(example, "regsweep.yaml")},
		Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Now: time.Now, Kinds: kinds.All(),
		LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	})
	if code != 0 {
		t.Fatal(errs.String())
	}
	w := newWorld()
	want := w.fill(t)
	if err := w.SetPolicy(lambdatest.AccessKeyID, out.String()); err != nil {
		t.Fatal(err)
	}
	night(t, w.function(t, "DRY_RUN=false"))
	if diff := cmp.Diff(want, w.left()); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}
