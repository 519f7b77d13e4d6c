package cli_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/regsweep/regsweep/internal/embedded"
)

// slowDeletion is an account in which one image goes, and what deletes it is told
// of, and can be held up, in the middle of the call.
type slowDeletion struct {
	*embedded.Server
	repo *embedded.Repository
	// asked is closed when the deletion is asked for, and answer lets it go on.
	asked, answer chan struct{}
	env           []string
	dir           string
}

func newSlowDeletion(t *testing.T) *slowDeletion {
	t.Helper()
	s := &slowDeletion{asked: make(chan struct{}), answer: make(chan struct{}), dir: t.TempDir()}
	var once sync.Once
	s.Server = embedded.New(embedded.Options{Clock: time.Now, Faults: func(_ int, _, operation string) embedded.Fault {
		if operation == "BatchDeleteImage" {
			once.Do(func() { close(s.asked); <-s.answer })
		}
		return embedded.Fault{}
	}})
	s.repo = s.Account(embedded.DefaultAccount).Region("eu-west-1").MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	for name, days := range map[string]int{"old": 50, "new": 1} {
		m := embedded.NewImage(embedded.ConfigBlob(name, 10), embedded.LayerBlob(name, 90))
		s.repo.MustPush(embedded.Push{Manifest: m.Bytes(), Tags: []string{name}, At: time.Now().AddDate(0, 0, -days)})
	}
	server := httptest.NewServer(s)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	config := "version: 1\nregistries: [{name: prod, ecr: {region: eu-west-1}}]\nusage: none\nrules: [{keep: [{youngerThan: 30d}]}]\n"
	path := filepath.Join(s.dir, "regsweep.yaml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s.env = append(os.Environ(),
		"HOME="+s.dir, "TMPDIR="+s.dir, "REGSWEEP_CONFIG="+path, "AWS_ENDPOINT_URL="+server.URL, "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=test",
		"AWS_SECRET_ACCESS_KEY=test", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true")
	return s
}

// output is a stream that can be read while a process writes to it.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	// said is closed when the text has want in it.
	want string
	said chan struct{}
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	before := strings.Contains(o.text.String(), o.want)
	n, err := o.text.Write(b)
	if !before && strings.Contains(o.text.String(), o.want) {
		close(o.said)
	}
	return n, err
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// TestInterruptedApply interrupts an apply in the middle of a call, once and
// twice. Who starts the tests may ignore SIGINT, and the command with them once
// it has stopped listening: the second time is by SIGTERM.
func TestInterruptedApply(t *testing.T) {
	for _, twice := range []bool{false, true} {
		name := map[bool]string{false: "once", true: "twice"}[twice]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSlowDeletion(t)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			cmd := exec.CommandContext(ctx, "regsweep", "apply", "--yes")
			var stdout bytes.Buffer
			stderr := &output{want: "interrupt again to end at once", said: make(chan struct{})}
			cmd.Env, cmd.Stdout, cmd.Stderr = s.env, &stdout, stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			await := func(what string, c <-chan struct{}) {
				t.Helper()
				select {
				case <-c:
				case err := <-ended:
					t.Fatalf("ended before %s: %v\n%s", what, err, stderr)
				}
			}
			interrupt := func(by os.Signal) {
				t.Helper()
				if err := cmd.Process.Signal(by); err != nil {
					t.Fatal(err)
				}
			}
			release := sync.OnceFunc(func() { close(s.answer) })
			defer release()
			await("it deleted anything", s.asked)
			interrupt(os.Interrupt)
			await("it said that it goes on", stderr.said)
			if twice {
				// The call is never answered, and yet it ends.
				interrupt(syscall.SIGTERM)
				err := <-ended
				var exit *exec.ExitError
				if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
					t.Errorf("ended with %v, want the signal (stderr %s)", err, stderr)
				}
				return
			}
			release()
			err := <-ended
			if len(s.repo.Images()) != 1 || !strings.Contains(stdout.String(), "Deleted 1 image") {
				t.Errorf("ended with %v, %d images are left, and the report is %q (stderr %s)", err, len(s.repo.Images()), stdout.String(), stderr)
			}
		})
	}
}

// Whoever is told of an apply that was interrupted reads that it stopped, and how
// much is left; it did not fail.
func TestInterruptedApplyIsTold(t *testing.T) {
	s := newSlowDeletion(t)
	for _, name := range names("more", 105) { // a call takes 100
		m := embedded.NewImage(embedded.ConfigBlob(name, 10), embedded.LayerBlob(name, 90))
		s.repo.MustPush(embedded.Push{Manifest: m.Bytes(), Tags: []string{name}, At: time.Now().AddDate(0, 0, -40)})
	}
	told := make(chan string, 1)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		told <- string(body)
	}))
	t.Cleanup(receiver.Close)
	config, err := os.OpenFile(filepath.Join(s.dir, "regsweep.yaml"), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = config.WriteString("notify: [{webhook: {url: \"" + receiver.URL + "/secret\"}}]\n")
		err = errors.Join(err, config.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "regsweep", "apply", "--yes", "--notify")
	stderr := &output{want: "interrupt again to end at once", said: make(chan struct{})}
	cmd.Env, cmd.Stderr = s.env, stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	release := sync.OnceFunc(func() { close(s.answer) })
	defer release()
	for _, c := range []<-chan struct{}{s.asked, stderr.said} {
		select {
		case <-c:
		case err := <-ended:
			t.Fatalf("ended too early: %v\n%s", err, stderr)
		}
		if c == s.asked {
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
	}
	release()
	var exit *exec.ExitError
	if err := <-ended; !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Fatalf("ended with %v, want exit code 3\n%s", err, stderr)
	}
	select {
	case text := <-told:
		if !strings.Contains(text, "regsweep apply: 100 images deleted, stopped before the end, 6 images left for later") || strings.Contains(text, "failed") {
			t.Error(text)
		}
	default:
		t.Errorf("nobody was told\n%s", stderr)
	}
}

// TestDemoCleansUpWhenNobodyReads lets the reader of the demo go away after its
// first line, as head does.
func TestDemoCleansUpWhenNobodyReads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "regsweep", "demo")
	cmd.Env = append(os.Environ(), "HOME="+dir, "TMPDIR="+dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(stdout, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if err := stdout.Close(); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("ended with %v, want exit code 1", err)
	}
	if stderr.Len() > 0 {
		t.Errorf("it says %q to nobody", stderr.String())
	}
	left, err := filepath.Glob(filepath.Join(dir, "regsweep-demo-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
