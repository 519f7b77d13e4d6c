package crash_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/cli"
	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/kinds"
)

// here runs the command in this process.
func (w *world) here(dir string, args ...string) (exit int, output string) {
	var out bytes.Buffer
	exit = cli.Main(cli.World{
		Args: append(args, "--config", filepath.Join(dir, "regsweep.yaml")), Stdin: &bytes.Buffer{}, Stdout: &out, Stderr: &out,
		LookupEnv: func(name string) (string, bool) {
			value, ok := map[string]string{"HOME": dir}[name]
			return value, ok
		},
		Now: time.Now, Kinds: kinds.All(),
		AWS: awsapi.Options{
			Region: "eu-west-1", HTTPClient: w.server.Client(), Random: func() float64 { return 0 },
			Credentials: credentials.NewStaticCredentialsProvider("test", "secret", ""),
		},
	})
	return exit, out.String()
}

// fill writes the files that the command reads.
func (w *world) fill(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for file, text := range map[string]string{"regsweep.yaml": configuration, "uses.json": w.snapshot()} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestEveryCallOfTheJournalFails lets each call for a journal in Amazon S3 be
// refused, or be cut off when it has acted. A refusal stops the run, but for the
// reading in the beginning; what is cut off is repeated. The next run does the rest.
func TestEveryCallOfTheJournalFails(t *testing.T) {
	apply := []string{"apply", "--yes", "--journal", "s3://journals/runs"}
	run := func(t *testing.T, n int, fault embedded.Fault) (w *world, dir string, before map[string]string, exit, calls int, output string) {
		t.Helper()
		w = newWorld()
		dir = w.fill(t)
		before = w.state()
		var asked atomic.Int64
		w.server.SetFaults(func(_ int, service, _ string) embedded.Fault {
			if service == "s3" && asked.Add(1) == int64(n) {
				return fault
			}
			return embedded.Fault{}
		})
		exit, output = w.here(dir, apply...)
		w.server.SetFaults(nil)
		return w, dir, before, exit, int(asked.Load()), output
	}
	reference, _, _, exit, calls, output := run(t, 0, embedded.Fault{})
	if exit != 0 || calls < 20 {
		t.Fatalf("exit code %d after %d calls\n%s", exit, calls, output)
	}
	want := reference.state()
	for _, kind := range []struct {
		name  string
		fault embedded.Fault
		stops bool
	}{
		{"refused", embedded.Fault{Kind: embedded.FaultError, Code: "AccessDenied", Status: 403}, true},
		{"cut off", embedded.Fault{Kind: embedded.FaultDropAfter}, false},
	} {
		t.Run(kind.name, func(t *testing.T) {
			exits := map[int]int{}
			for n := 1; n <= calls; n++ {
				w, dir, before, exit, _, output := run(t, n, kind.fault)
				exits[exit]++
				where := fmt.Sprintf("call %d of %d for the journal", n, calls)
				after := w.state()
				for name := range want {
					if _, there := after[name]; !there {
						t.Errorf("%s: %s was lost", where, name)
					}
				}
				// The first call reads which journals there are; that is a warning. A run
				// that says that it has done nothing can have put the tag that comes
				// before a mark is taken: which repository is first is not fixed.
				same := slices.Equal(slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after)))
				if stops := kind.stops && n > 1; stops != (exit != 0) || exit == 1 && !same {
					t.Errorf("%s: exit code %d\n%s", where, exit, output)
				}
				if exit, output := w.here(dir, apply...); exit != 0 {
					t.Errorf("%s: the next run ends with exit code %d\n%s", where, exit, output)
				}
				if diff := cmp.Diff(want, w.state()); diff != "" {
					t.Errorf("%s: after the next run (-undisturbed +got):\n%s", where, diff)
				}
			}
			t.Logf("%d calls for the journal: exit codes %v", calls, exits)
		})
	}
}
