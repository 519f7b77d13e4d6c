package faults_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/regsweep/regsweep/internal/cli"
	"github.com/regsweep/regsweep/internal/embedded"
)

// asCommand is set in the environment of processes that are the command itself.
const asCommand = "REGSWEEP_FAULTS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		os.Exit(cli.Main(cli.OS()))
	}
	goleak.VerifyTestMain(m)
}

// process runs the command in a process of its own, over loopback, and returns
// its exit code and what it printed.
func process(t *testing.T, dir, url string, args ...string) (exit int, output string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &out
	cmd.Env = []string{
		asCommand + "=1", "HOME=" + dir, "AWS_ENDPOINT_URL=" + url, "AWS_REGION=eu-west-1",
		"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "GOCOVERDIR=" + dir,
	}
	err = cmd.Run()
	var code *exec.ExitError
	if err != nil && !errors.As(err, &code) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

// TestProcess makes some of the runs with the real command, over the network
// and with the real client's patience.
func TestProcess(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind, action string
		// paged is for a page after the first. nth is 1 while planning and 2 when
		// apply asks again; what is changed is asked for once.
		paged bool
		nth   int
		exit  int
		// saved applies a saved plan.
		saved bool
	}{
		{kind: "access denied", action: "ecs:ListTasks", nth: 1, exit: held},
		{kind: "access denied", action: "ecs:ListTasks", nth: 2, exit: held},
		{kind: "access denied", action: "lambda:ListAliases", nth: 2, exit: held, saved: true},
		{kind: "access denied", action: "ecr:BatchDeleteImage", nth: 1, exit: partial},
		{kind: "access denied", action: "ecr:DescribeRepositories", nth: 1, exit: failed},
		{kind: "expired token", action: "ecr:DescribeImages", nth: 1, exit: failed},
		{kind: "expired token", action: "ecr:BatchDeleteImage", nth: 1, exit: stopped, saved: true},
		{kind: "repeated page token", action: "ecs:ListTaskDefinitions", paged: true, nth: 1, exit: held},
		{kind: "repeated page token", action: "ecr:DescribeImages", paged: true, nth: 2, exit: held},
		{kind: "throttled", action: "lambda:GetFunction", nth: 1, exit: done},
		{kind: "internal error", action: "tag:GetResources", paged: true, nth: 1, exit: done},
		{kind: "dropped before", action: "s3:GetObject", nth: 1, exit: done},
		{kind: "dropped after", action: "ecr:BatchDeleteImage", nth: 1, exit: done},
		{kind: "dropped after", action: "ecr:UpdateImageStorageClass", nth: 1, exit: done, saved: true},
		{kind: "truncated", action: "ecr:DescribeImages", paged: true, nth: 1, exit: done},
		{kind: "truncated", action: "s3:GetObject", nth: 2, exit: done},
		{kind: "malformed", action: "lambda:ListFunctions", paged: true, nth: 1, exit: done},
		{kind: "hangs", action: "ecr:DescribeImages", paged: true, nth: 1, exit: done},
	} {
		name := fmt.Sprintf("%s/%s %d", tt.kind, tt.action, tt.nth)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := faultKinds[slices.IndexFunc(faultKinds, func(k kind) bool { return k.name == tt.kind })]
			w := newWorld(time.Now)
			before := w.now()
			var hit atomic.Bool
			server := httptest.NewServer(newWire(w.server, func(c seen) embedded.Fault {
				if c.action == tt.action && c.paged == tt.paged && c.nth == tt.nth && hit.CompareAndSwap(false, true) {
					return k.onCall(c)
				}
				return embedded.Fault{}
			}))
			defer server.Close()
			dir := t.TempDir()
			must(os.WriteFile(filepath.Join(dir, "regsweep.yaml"), []byte(configuration), 0o600))
			args := []string{"apply", "--yes"}
			if tt.saved {
				if exit, output := process(t, dir, server.URL, "plan", "--out", "plan.json"); exit != done {
					t.Fatalf("plan: exit code %d\n%s", exit, output)
				}
				args = append(args, "plan.json")
			}
			exit, output := process(t, dir, server.URL, args...)
			after := w.now()
			if !hit.Load() || !is(exit, tt.exit) {
				t.Errorf("exit code %d, want %d; something went wrong: %t\n%s", exit, tt.exit, hit.Load(), output)
			}
			if lost := w.lost(before, after); len(lost) > 0 {
				t.Errorf("lost: %v", lost)
			}
			if finished := maps.Equal(after, w.clean(before)); finished != (exit == done) {
				t.Errorf("all is done: %t, and the exit code is %d\n%s", finished, exit, output)
			}
			if exit, output := process(t, dir, server.URL, "apply", "--yes"); exit != done {
				t.Errorf("the next run ends with exit code %d\n%s", exit, output)
			}
			if diff := cmp.Diff(w.clean(before), w.now()); diff != "" {
				t.Errorf("after the next run (-want +got):\n%s", diff)
			}
		})
	}
}
