//go:build unix

package command

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/usage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, c Config, dir string) *source {
	t.Helper()
	sources, err := c.Open("inventory", usage.Env{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if len(sources) != 1 || sources[0].Name() != "inventory" {
		t.Fatalf("got %v", sources)
	}
	return sources[0].(*source)
}

func shell(script string) Config { return Config{Run: []string{"sh", "-c", script}} }

func declared(holder string, references ...string) []usage.Observation {
	var all []usage.Observation
	for _, r := range references {
		all = append(all, usage.Observation{Holder: holder, State: image.Declared, Asked: r})
	}
	return all
}

func TestOpen(t *testing.T) {
	tests := []struct {
		name   string
		config Config
		want   string
	}{
		{"no program", Config{}, "run: "},
		{"empty program", Config{Run: []string{"", "x"}}, "run: "},
		{"negative timeout", Config{Run: []string{"true"}, Timeout: -1}, "timeout: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if s, err := tt.config.Open("c", usage.Env{}); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got %v, %v, want %q", s, err, tt.want)
			}
		})
	}
	if got := open(t, Config{Run: []string{"true"}}, "").timeout; got != 30*time.Second {
		t.Errorf("the default timeout is %s, want 30s", got)
	}
	if got := open(t, Config{Run: []string{"true"}, Timeout: time.Minute}, "").timeout; got != time.Minute {
		t.Errorf("the timeout is %s, want 1m", got)
	}
}

func TestLines(t *testing.T) {
	output := "\ufeff# what we run\n" +
		"images.example.com/web:1\r\n" +
		"\n   \t\n" +
		"  images.example.com/api  # the old one\n" +
		"\t# nothing\n" +
		"nginx"
	path := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(path, []byte(output), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := open(t, Config{Run: []string{"cat", path}}, "").Collect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := declared("cat", "images.example.com/web:1", "images.example.com/api", "nginx")
	if diff := cmp.Diff(want, got.Observations); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What is no list of references names images that would be missed.
func TestOutputThatIsNoList(t *testing.T) {
	for name, output := range map[string]string{
		"a JSON array":            `["images.example.com/web:1"]`,
		"quoted":                  `"images.example.com/web:1"`,
		"a YAML list":             "- images.example.com/web:1",
		"two on a line":           "images.example.com/web:1 images.example.com/api:1",
		"a name before":           "web\timages.example.com/web:1",
		"a URL":                   "https://images.example.com/web:1",
		"an error of the program": "Unable to connect to the server",
		"a digest that was cut":   "images.example.com/web@sha256:0123456789ab",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := open(t, Config{Run: []string{"printf", "%s\n", output}}, "").Collect(t.Context())
			var failed *Error
			if !errors.As(err, &failed) {
				t.Errorf("error = %v, want an *Error", err)
			}
		})
	}
}

func TestNoOutputIsNoError(t *testing.T) {
	got, err := open(t, Config{Run: []string{"true"}}, "").Collect(t.Context())
	if err != nil || got.Observations != nil {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestRunsInTheFolderOfTheConfigurationWithoutAShell(t *testing.T) {
	dir := t.TempDir()
	script := "#!/bin/sh\ncat list\nprintf '%s\\n' \"$@\"\n"
	if err := os.WriteFile(filepath.Join(dir, "in-use.sh"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "list"), []byte("nginx:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := open(t, Config{Run: []string{"./in-use.sh", "$HOME;id", "*"}}, dir).Collect(t.Context())
	if err == nil || !strings.Contains(err.Error(), `line 2 of its output: "$HOME;id"`) {
		t.Errorf("error = %v, want one of line 2, which is no reference", err)
	}
	if diff := cmp.Diff(declared("in-use.sh", "nginx:1", "$HOME;id", "*"), got.Observations); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

const snapshotJSON = `{"schema":"regsweep.usage/v1","createdAt":"2026-11-20T08:00:00Z",
"sources":[{"name":"nomad","uses":1,"status":"STATUS","detail":"DETAIL"}],
"uses":[{"source":"nomad","state":"running","reference":"nginx:1","holder":"nomad/web"}]}`

func printSnapshot(t *testing.T, text string) *source {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return open(t, Config{Run: []string{"cat", path}}, "")
}

func TestSnapshot(t *testing.T) {
	text := strings.NewReplacer("STATUS", "ok", "DETAIL", "").Replace(snapshotJSON)
	got, err := printSnapshot(t, "\ufeff\n"+text).Collect(t.Context())
	want := usage.Findings{Observations: []usage.Observation{{Holder: "nomad/web", State: image.Running, Asked: "nginx:1"}}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestSnapshotWithAGap(t *testing.T) {
	text := strings.NewReplacer("STATUS", "gap", "DETAIL", "denied").Replace(snapshotJSON)
	got, err := printSnapshot(t, text).Collect(t.Context())
	if _, ok := errors.AsType[*Error](err); !ok || !strings.Contains(err.Error(), "nomad is a gap: denied") {
		t.Errorf("the gap is lost: %v", err)
	}
	if len(got.Observations) != 1 {
		t.Errorf("got %v, want the use beside the gap", got)
	}
}

func TestSnapshotOfAFailedCommandStillProtects(t *testing.T) {
	text := strings.NewReplacer("STATUS", "gap", "DETAIL", "denied").Replace(snapshotJSON)
	c := shell(`printf %s "$1"; exit 4`)
	c.Run = append(c.Run, "sh", text)
	got, err := open(t, c, "").Collect(t.Context())
	if _, ok := errors.AsType[*exec.ExitError](err); !ok || !strings.Contains(err.Error(), "nomad is a gap: denied") {
		t.Errorf("got %v, want the exit status and the gap", err)
	}
	if len(got.Observations) != 1 {
		t.Errorf("got %v, want the use beside the errors", got)
	}
}

func TestSnapshotCutOff(t *testing.T) {
	got, err := printSnapshot(t, snapshotJSON[:100]).Collect(t.Context())
	if !errors.Is(err, io.ErrUnexpectedEOF) || len(got.Observations) != 0 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestFailures(t *testing.T) {
	tests := []struct {
		name, script string
		message      string
		found        []usage.Observation
	}{
		{"exit status", "exit 3", "run sh: exit status 3", nil},
		{"with the last line of stderr", "echo one >&2; echo 'two  ' >&2; echo >&2; exit 3", "run sh: exit status 3: two", nil},
		{"with what it found", "printf 'nginx:1\\nnginx:'; exit 1", "run sh: exit status 1", declared("sh", "nginx:1")},
		{"with half a snapshot", `echo '{"schema":'; exit 1`, "run sh: exit status 1", nil},
		{"signal", "kill -9 $$", "run sh: signal: killed", nil},
		{"a line without end", "yes x | tr -d '\\n' | head -c 5000 >&2; exit 1", "run sh: exit status 1: " + strings.Repeat("x", 300) + "…", nil},
		{"no text", `printf 'a\377b\303' >&2; exit 1`, "run sh: exit status 1: ab", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := open(t, shell(tt.script), "").Collect(t.Context())
			if _, ok := errors.AsType[*exec.ExitError](err); !ok || err.Error() != tt.message {
				t.Errorf("got %v, want %s", err, tt.message)
			}
			if diff := cmp.Diff(tt.found, got.Observations); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestProgramThatIsNotThere(t *testing.T) {
	for _, program := range []string{"./missing", "no-such-program-anywhere"} {
		_, err := open(t, Config{Run: []string{program}}, t.TempDir()).Collect(t.Context())
		if failure, ok := errors.AsType[*Error](err); !ok || failure.Program != program {
			t.Errorf("%s: %v", program, err)
		}
	}
}

func TestTooMuchOutput(t *testing.T) {
	s := open(t, Config{Run: []string{"yes", "nginx:1"}}, "")
	s.maxOutput = 20
	got, err := s.Collect(t.Context())
	tooMuch, ok := errors.AsType[*TooMuchError](err)
	if !ok || tooMuch.Limit != 20 || err.Error() != "run yes: it printed more than 20 bytes" {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(declared("yes", "nginx:1", "nginx:1"), got.Observations); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAsMuchOutputAsAllowed(t *testing.T) {
	s := open(t, shell("printf 12345678"), "")
	s.maxOutput = 8
	if got, err := s.Collect(t.Context()); err != nil || len(got.Observations) != 1 {
		t.Errorf("got %v, %v", got, err)
	}
}

// lifeline returns a path, and a channel that is closed when every process that
// has the path open for writing has ended.
func lifeline(t *testing.T) (path string, ended <-chan struct{}) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f, err := os.Open(path)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		if _, err := io.Copy(io.Discard, f); err != nil {
			t.Error(err)
		}
	}()
	return path, done
}

func TestTimeout(t *testing.T) {
	c := shell("exec sleep 600")
	c.Timeout = 50 * time.Millisecond
	_, err := open(t, c, "").Collect(t.Context())
	timeout, ok := errors.AsType[*TimeoutError](err)
	if !ok || timeout.Timeout != c.Timeout || err.Error() != "run sh: it did not end within 50ms" {
		t.Errorf("got %v", err)
	}
}

func TestCancelEndsTheWholeGroup(t *testing.T) {
	path, ended := lifeline(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	// It asks to be cancelled as soon as all of it runs.
	ready := filepath.Join(t.TempDir(), "ready")
	if err := syscall.Mkfifo(ready, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		if f, err := os.Open(ready); err == nil {
			f.Close()
		}
		cancel()
	}()
	c := shell(`exec 3>"$1"; echo nginx:1; echo stuck >&2; sh -c 'sleep 600 & sleep 600' & echo >"$2"; wait`)
	c.Run = append(c.Run, "sh", path, ready)
	got, err := open(t, c, "").Collect(ctx)
	if !errors.Is(err, context.Canceled) || err.Error() != "run sh: context canceled: stuck" {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(declared("sh", "nginx:1"), got.Observations); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	<-ended
}

func TestSuccessLeavesNoProcessBehind(t *testing.T) {
	path, ended := lifeline(t)
	c := shell(`exec 3>"$1"; sleep 600 >/dev/null 2>&1 & echo nginx:1`)
	c.Run = append(c.Run, "sh", path)
	got, err := open(t, c, "").Collect(t.Context())
	if err != nil || len(got.Observations) != 1 {
		t.Errorf("got %v, %v", got, err)
	}
	<-ended
}

func TestOutputThatStaysOpenIsAnError(t *testing.T) {
	path, ended := lifeline(t)
	c := shell(`exec 3>"$1"; sleep 600 & echo nginx:1`)
	c.Run = append(c.Run, "sh", path)
	got, err := open(t, c, "").Collect(t.Context())
	if !errors.Is(err, errOutputOpen) || len(got.Observations) != 1 {
		t.Errorf("got %v, %v", got, err)
	}
	<-ended
}
