// Package crash_test kills applies: a real process, at each of its calls and at
// each record of its journal. The run after it must finish what the first began.
package crash_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/journal"
	"github.com/regsweep/regsweep/internal/objects"
)

// command builds the command, once for all tests: hundreds of processes run it,
// and this program with its race detector takes four times as long to start.
var command = sync.OnceValues(func() (string, error) {
	path := filepath.Join(binaries, "regsweep")
	out, err := exec.Command("go", "build", "-o", path, "github.com/regsweep/regsweep/cmd/regsweep").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the command: %w\n%s", err, out)
	}
	return path, nil
})

// binaries is the folder of the command.
var binaries string

func TestMain(m *testing.M) {
	var err error
	if binaries, err = os.MkdirTemp("", "regsweep-crash-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := os.RemoveAll(binaries); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		os.Exit(code)
	}))
}

// wire lies between processes and the account, and kills one at a call.
type wire struct {
	account http.Handler

	mu sync.Mutex
	// process is the one that is to be killed.
	process *os.Process
	// at is the number of the call, from 1, at which it is killed; 0 is none.
	at int
	// acted says that the account acts before.
	acted  bool
	calls  []string
	killed bool
}

// ServeHTTP answers a call, if the process lives.
func (w *wire) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.calls = append(w.calls, name(r))
	hit := len(w.calls) == w.at
	dead := w.killed
	w.killed = w.killed || hit
	process := w.process
	w.mu.Unlock()
	switch {
	case dead: // it was sent before, and came late
		panic(http.ErrAbortHandler)
	case !hit:
		w.account.ServeHTTP(out, r)
		return
	case w.acted:
		w.account.ServeHTTP(httptest.NewRecorder(), r)
	}
	if err := process.Kill(); err != nil {
		panic(fmt.Errorf("kill the process: %w", err))
	}
	panic(http.ErrAbortHandler)
}

// killAt says at which call the next process is to be killed; 0 is none.
func (w *wire) killAt(at int, acted bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at, w.acted, w.killed = at, acted, false
}

// seen returns the calls until now, and whether the process was killed.
func (w *wire) seen() (calls []string, killed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.calls), w.killed
}

// name names a call.
func name(r *http.Request) string {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		_, operation, _ := strings.Cut(target, ".")
		return operation
	}
	return r.Method + " " + r.URL.Path
}

// rig is an account and a folder in which processes run.
type rig struct {
	*world
	wire *wire
	url  string
	dir  string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	w := newWorld()
	r := &rig{world: w, wire: &wire{account: w.server}, dir: t.TempDir()}
	server := httptest.NewUnstartedServer(r.wire)
	server.Config.ErrorLog = nil
	server.Start()
	t.Cleanup(server.Close)
	r.url = server.URL
	for file, text := range map[string]string{"regsweep.yaml": configuration, "uses.json": w.snapshot()} {
		if err := os.WriteFile(filepath.Join(r.dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// run runs the command in a process of its own and returns its exit code, -1 for
// one that was killed, and what it printed.
func (r *rig) run(t *testing.T, args ...string) (exit int, output string) {
	t.Helper()
	path, err := command()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = r.dir, &out, &out
	cmd.Env = []string{
		"HOME=" + r.dir, "AWS_ENDPOINT_URL=" + r.url, "AWS_REGION=eu-west-1",
		"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
	}
	r.wire.mu.Lock() // no call is answered before it is known who makes it
	err = cmd.Start()
	r.wire.process = cmd.Process
	r.wire.mu.Unlock()
	if err == nil {
		err = cmd.Wait()
	}
	var code *exec.ExitError
	if err != nil && !errors.As(err, &code) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

// plan saves a plan.
func (r *rig) plan(t *testing.T) {
	t.Helper()
	if exit, output := r.run(t, "plan", "--out", "plan.json"); exit != 0 {
		t.Fatalf("plan: exit code %d\n%s", exit, output)
	}
	r.wire.mu.Lock()
	defer r.wire.mu.Unlock()
	r.wire.calls = nil
}

// mode is how the applies are run.
type mode struct {
	name string
	// journal is the place, and again what the second apply is given.
	journal []string
	again   []string
}

var modes = []mode{
	{"a journal in Amazon S3, and the same plan again", []string{"--journal", "s3://journals/runs"}, []string{"plan.json"}},
	{"a journal in files, and a new plan", nil, nil},
}

// apply are the arguments of an apply.
func (m mode) apply(plan ...string) []string {
	return slices.Concat([]string{"apply", "--yes"}, m.journal, plan)
}

// TestKilledAtEveryCall kills an apply at each of its calls, before and after
// the account acted. With a journal in Amazon S3 the calls have the records of
// the journal among them.
func TestKilledAtEveryCall(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			reference := newRig(t)
			before := reference.state()
			reference.plan(t)
			if exit, output := reference.run(t, m.apply("plan.json")...); exit != 0 {
				t.Fatalf("exit code %d\n%s", exit, output)
			}
			calls, _ := reference.wire.seen()
			want := reference.state()
			check(t, before, want)
			kills, unfinished := 0, 0
			for at := 1; at <= len(calls); at++ {
				for _, acted := range []bool{false, true} {
					if killed, left := kill(t, m, at, acted, want); killed {
						kills++
						unfinished += left
					}
				}
			}
			if kills < 2*len(calls)-8 || unfinished == 0 {
				t.Errorf("%d kills at %d calls, of which %d left a family half done", kills, len(calls), unfinished)
			}
			t.Logf("%d kills at %d calls, of which %d left a family half done", kills, len(calls), unfinished)
		})
	}
}

// check makes sure that an undisturbed run does all that there is to do.
func check(t *testing.T, before, after map[string]string) {
	t.Helper()
	var gone []string
	for name := range before {
		if _, there := after[name]; !there {
			gone = append(gone, name)
		}
	}
	slices.Sort(gone)
	want := []string{
		"apps/api/gone", "apps/api/gone-too", "apps/web/first", "apps/web/old", "apps/web/old-amd", "apps/web/old-amd-sbom",
		"apps/web/old-amd-sbom-signed", "apps/web/old-arm", "apps/web/old-inner", "apps/web/old-other", "apps/web/own",
		"apps/web/second", "apps/web/shared",
	}
	if diff := cmp.Diff(want, gone); diff != "" {
		t.Fatalf("what goes (-want +got):\n%s", diff)
	}
	for name, state := range map[string]string{
		"apps/api/unmarked": "[regsweep-condemned-… v4]", "apps/web/in-use": "[regsweep-kept-… v4]", "cold/jobs/frozen": "ARCHIVED",
	} {
		if !strings.Contains(after[name], state) {
			t.Fatalf("%s is %s, want %s", name, after[name], state)
		}
	}
}

// kill lets an apply be killed at a call, and another one finish. It reports
// whether the first came to that call, and whether it left a family half done.
func kill(t *testing.T, m mode, at int, acted bool, want map[string]string) (killed bool, unfinished int) {
	t.Helper()
	r := newRig(t)
	r.plan(t)
	r.wire.killAt(at, acted)
	exit, output := r.run(t, m.apply("plan.json")...)
	calls, dead := r.wire.seen()
	where := fmt.Sprintf("killed at call %d (%s), acted: %t", at, calls[min(at, len(calls))-1], acted)
	if !dead {
		if exit != 0 {
			t.Errorf("%s: not killed, and the exit code is %d\n%s", where, exit, output)
		}
		return false, 0
	}
	if exit != -1 {
		t.Fatalf("%s: exit code %d\n%s", where, exit, output)
	}
	middle := r.state()
	if _, root := middle["apps/web/old"]; !root {
		if _, member := middle["apps/web/old-other"]; member {
			unfinished = 1
		}
	}
	r.wire.killAt(0, false)
	exit, output = r.run(t, m.apply(m.again...)...)
	if exit != 0 || strings.Contains(output, "failed") {
		t.Errorf("%s: the next run ends with exit code %d\n%s", where, exit, output)
	}
	if diff := cmp.Diff(want, r.state()); diff != "" {
		t.Errorf("%s: after the next run (-undisturbed +got):\n%s\n%s", where, diff, output)
	}
	for name := range want {
		if _, there := middle[name]; !there {
			t.Errorf("%s: %s was lost", where, name)
		}
	}
	r.journals(t, m, where)
	return true, unfinished
}

// journals checks what the journals tell together: each image that is gone was
// written down, with its manifest, and none was deleted twice. Where the next run
// had something to do, it is known of each what became of it.
func (r *rig) journals(t *testing.T, m mode, where string) {
	t.Helper()
	if m.journal != nil {
		return // read by a process of its own elsewhere
	}
	place, err := journal.Open(filepath.Join(r.dir, ".local", "state", "regsweep", "journal"), objects.Env{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	h, err := place.History(t.Context(), journal.Filter{Event: func(*journal.Event) bool { return true }})
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	done, written := map[image.Digest]int{}, map[string]bool{}
	answered := len(h.Runs) > 0 && !h.Runs[len(h.Runs)-1].Interrupted
	for i, run := range h.Runs {
		if answered && run.Interrupted && run.FinishedBy != h.Runs[len(h.Runs)-1].Run {
			t.Errorf("%s: run %d is interrupted, and finished by %q", where, i, run.FinishedBy)
		}
		for _, e := range run.Events {
			if e.Action != journal.Delete {
				continue
			}
			if answered && e.Outcome == journal.Unknown {
				t.Errorf("%s: it is not known what became of %s", where, e.Digest)
			}
			written[e.Digest.String()] = true
			if e.Outcome == journal.Done {
				done[e.Digest]++
			}
		}
	}
	for d, times := range done {
		if times > 1 {
			t.Errorf("%s: %s was deleted %d times", where, d, times)
		}
	}
	there := r.state()
	for digest, name := range r.names {
		gone := !slices.ContainsFunc(slices.Collect(maps.Keys(there)), func(key string) bool { return strings.HasSuffix(key, "/"+name) })
		if gone && !written[digest] {
			t.Errorf("%s: %s is gone, and no journal has it", where, name)
		}
		if d, err := image.ParseDigest(digest); gone && answered && (err != nil || done[d] != 1) {
			t.Errorf("%s: %s is gone, and was deleted %d times (%v)", where, name, done[d], err)
		}
	}
}
