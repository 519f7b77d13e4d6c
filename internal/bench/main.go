// Command bench measures whole runs of regsweep against an embedded AWS account
// with a latency and quotas: wall time, calls against the fewest possible,
// throttling and the peak memory of the regsweep process alone.
//
//	go run ./internal/bench -repositories 200 -images 500 -latency 20ms
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/regsweep/regsweep/internal/embedded"
)

func main() {
	var w world
	flag.IntVar(&w.repositories, "repositories", 200, "number of repositories")
	flag.IntVar(&w.images, "images", 500, "images in each, of which a fifth are indexes over two others")
	flag.DurationVar(&w.latency, "latency", 20*time.Millisecond, "time that each call takes at least")
	flag.Float64Var(&w.quota, "quota", 0, "calls a second of each operation; 0 means no limit")
	growth := flag.Bool("growth", false, "measure accounts from 1,000 to 1,000,000 images instead")
	binary := flag.String("regsweep", "", "the binary to measure (default: built from this checkout)")
	flag.Parse()
	worlds := []world{w}
	if *growth {
		worlds = nil
		for _, size := range [][2]int{{10, 100}, {100, 100}, {100, 1000}, {1, 100_000}, {1000, 1000}} {
			worlds = append(worlds, world{size[0], size[1], w.latency, w.quota})
		}
	}
	if err := run(worlds, *binary); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(worlds []world, binary string) error {
	dir, err := os.MkdirTemp("", "regsweep-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if binary == "" {
		binary = filepath.Join(dir, "regsweep")
		build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "./cmd/regsweep")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("build regsweep: %w", err)
		}
	}
	fmt.Printf("%s, %s/%s, %d CPUs; %v a call, quota %s\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(),
		worlds[0].latency, worlds[0].quotaText())
	fmt.Println("| account | run | wall s | CPU s | CPU µs/image | peak MiB | allocated B/image | calls | fewest | ratio | throttled | by operation |")
	fmt.Println("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|")
	for _, w := range worlds {
		if err := w.run(dir, binary); err != nil {
			return err
		}
	}
	return nil
}

// run measures all runs on one account.
func (w world) run(parent, binary string) error {
	dir, err := os.MkdirTemp(parent, "world-")
	if err != nil {
		return err
	}
	srv := w.fill()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: srv, ReadHeaderTimeout: time.Minute}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	defer func() {
		_ = server.Close()
		<-done
	}()
	if err := w.write(dir); err != nil {
		return err
	}
	images := w.repositories * w.images
	for _, r := range []struct {
		name string
		args []string
	}{
		{"floor", []string{"version"}},
		{"plan, first", []string{"plan", "-o", "json", "--out", filepath.Join(dir, "plan.json")}},
		{"plan, second", []string{"plan", "-o", "json"}},
		{"apply", []string{"apply", "--yes", "-o", "json", "--journal", filepath.Join(dir, "journal.jsonl")}},
	} {
		srv.ResetStats()
		m, err := measure(dir, binary, listener.Addr().String(), r.args)
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		stats := srv.Stats()
		calls, throttled := 0, 0
		for action, n := range stats.Calls {
			calls += n
			throttled += stats.Throttled[action]
		}
		fewest := w.fewest(r.name, m.deleted)
		ratio := "–"
		if fewest > 0 {
			ratio = fmt.Sprintf("%.2f", float64(calls)/float64(fewest))
		}
		fmt.Printf("| %d × %d | %s | %.2f | %.2f | %.1f | %.0f | %d | %d | %d | %s | %d | %s |\n", w.repositories, w.images, r.name,
			m.wall.Seconds(), m.cpu.Seconds(), float64(m.cpu.Microseconds())/float64(images), float64(m.peak)/(1<<20),
			m.allocated/int64(images), calls, fewest, ratio, throttled, byOperation(stats))
	}
	return nil
}

// measured is what one run cost.
type measured struct {
	wall, cpu time.Duration
	peak      int64 // bytes
	allocated int64 // bytes, as the run itself tells with -v
	deleted   []int // images by repository, of an apply
}

func measure(dir, binary, address string, args []string) (measured, error) {
	cmd := exec.Command(binary, append(args, "-v", "--log-format", "json")...)
	cmd.Dir = dir
	cmd.Env = []string{
		"AWS_ENDPOINT_URL=http://" + address, "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=bench", "AWS_SECRET_ACCESS_KEY=bench",
		"AWS_EC2_METADATA_DISABLED=true", "XDG_CACHE_HOME=" + filepath.Join(dir, "cache"), "HOME=" + dir,
	}
	var stdout, stderr bytes.Buffer
	cmd.Stderr = &stderr
	if args[0] == "apply" {
		cmd.Stdout = &stdout
	}
	started := time.Now()
	if err := cmd.Start(); err != nil {
		return measured{}, err
	}
	exited := make(chan struct{})
	peak := make(chan int64)
	go func() { peak <- watchPeak(cmd.Process.Pid, exited) }()
	err := cmd.Wait()
	m := measured{wall: time.Since(started)}
	close(exited)
	m.peak = <-peak
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return m, err
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		return m, fmt.Errorf("exit code %d: %s", code, stderr.String())
	}
	m.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	for line := range strings.Lines(stderr.String()) {
		var log struct{ AllocatedBytes int64 }
		if json.Unmarshal([]byte(line), &log) == nil {
			m.allocated = max(m.allocated, log.AllocatedBytes)
		}
	}
	if stdout.Len() > 0 {
		var report struct{ Repositories []struct{ Deleted int } }
		if err := json.Unmarshal(stdout.Bytes(), &report); err != nil {
			return m, fmt.Errorf("read the report: %w", err)
		}
		for _, r := range report.Repositories {
			m.deleted = append(m.deleted, r.Deleted)
		}
	}
	return m, nil
}

// watchPeak returns the peak resident size of a process in bytes, as Linux tells
// it (VmHWM), or 0 elsewhere. The maximum that wait4 returns is of no use: it
// has that of the process which started this one in it, and that one holds the
// whole account.
func watchPeak(pid int, exited <-chan struct{}) (peak int64) {
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err == nil {
			if _, rest, ok := strings.Cut(string(status), "VmHWM:"); ok {
				var kib int64
				if _, err := fmt.Sscan(rest, &kib); err == nil {
					peak = max(peak, kib*1024)
				}
			}
		}
		select {
		case <-exited:
			return peak
		case <-ticker.C:
		}
	}
}

// world is the account to measure on.
type world struct {
	repositories, images int
	latency              time.Duration
	quota                float64
}

func (w world) quotaText() string {
	if w.quota == 0 {
		return "none"
	}
	return fmt.Sprintf("%g/s", w.quota)
}

const day = 24 * time.Hour

// fill makes the account. In each repository of every five images one is an
// index over two of the others.
func (w world) fill() *embedded.Server {
	now := time.Now()
	srv := embedded.New(embedded.Options{Clock: time.Now})
	region := srv.Account(embedded.DefaultAccount).Region("eu-west-1")
	for r := range w.repositories {
		repo := region.MustCreateRepository(fmt.Sprintf("team%02d/app%05d", r%40, r), embedded.RepositoryOptions{})
		for i := 0; i < w.images; i += 5 {
			at := now.Add(-time.Duration(float64(90*day) * float64(i) / float64(w.images)))
			push := func(m embedded.Manifest, tags ...string) embedded.Descriptor {
				repo.MustPush(embedded.Push{Manifest: m.Bytes(), Tags: tags, At: at})
				return m.Descriptor()
			}
			image := func(n int) embedded.Manifest {
				seed := fmt.Sprintf("%d-%d", r, i+n)
				return embedded.NewImage(embedded.ConfigBlob(seed, 2000), embedded.LayerBlob("base", 30e6), embedded.LayerBlob(seed, 9e6))
			}
			amd64, arm64 := push(image(0)), push(image(1))
			push(embedded.NewIndex(amd64.On("linux", "amd64"), arm64.On("linux", "arm64")), fmt.Sprintf("v1.%d.0", i))
			push(image(3), fmt.Sprintf("main-%07x", r*w.images+i))
			push(image(4), fmt.Sprintf("pr-%d", i))
		}
	}
	srv.SetLatency(w.latency)
	if w.quota > 0 {
		for _, op := range []string{"DescribeRepositories", "DescribeImages", "BatchGetImage", "BatchDeleteImage"} {
			srv.SetRate("ecr:"+op, embedded.Rate{PerSecond: w.quota, Burst: max(1, int(w.quota))})
		}
	}
	return srv
}

// write writes the configuration and what is in use.
func (w world) write(dir string) error {
	uses := []map[string]string{}
	for r := range min(w.repositories, 500) {
		uses = append(uses, map[string]string{
			"source": "cluster", "state": "running", "holder": fmt.Sprintf("cluster/app/%d", r),
			"reference": fmt.Sprintf("%s.dkr.ecr.eu-west-1.amazonaws.com/team%02d/app%05d:v1.%d.0", embedded.DefaultAccount, r%40, r, (w.images-1)/5*5),
		})
	}
	snapshot, err := json.Marshal(map[string]any{
		"schema": "regsweep.usage/v1", "createdAt": time.Now().UTC().Format(time.RFC3339), "uses": uses,
		"sources": []map[string]any{{"name": "cluster", "uses": len(uses), "status": "ok", "detail": ""}},
	})
	if err != nil {
		return err
	}
	config := fmt.Sprintf(`version: 1
registries: [{name: prod, ecr: {region: eu-west-1, account: %q}}]
usage: [{snapshot: {path: uses.json}}]
protect: [{tags: [latest]}]
rules:
  - {name: previews, tags: ["pr-*"], keep: [{newest: 3}, {youngerThan: 14d}]}
  - {name: rest, keep: [{newest: 10}, {youngerThan: 30d}]}
limits: {maxDeletes: 10000000}
`, embedded.DefaultAccount)
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "uses.json"), snapshot, 0o600),
		os.WriteFile(filepath.Join(dir, "regsweep.yaml"), []byte(config), 0o600),
	)
}

// fewest returns the fewest calls that can do the work of a run, or 0 where
// that is not known: one page for 1,000 repositories or images, a hundred
// manifests of indexes never seen, and a hundred deletions a call. An apply plans
// and reads what it will delete from again. Its journal has the manifest of each
// image that goes, so that it also reads a hundred of these a call. An image goes
// in a call after that of the index that lists it, so that there are two where
// anything is deleted.
func (w world) fewest(run string, deleted []int) int {
	pages := func(n, size int) int { return (n + size - 1) / size }
	plan := pages(w.repositories, 1000) + w.repositories*pages(w.images, 1000)
	switch run {
	case "plan, first":
		return plan + w.repositories*pages(w.images/5, 100)
	case "plan, second":
		return plan
	case "apply":
		n := plan + pages(w.repositories, 1000)
		for _, d := range deleted {
			n += pages(w.images, 1000)
			if d > 0 {
				n += pages(d, 100) + max(2, pages(d, 100))
			}
		}
		return n
	}
	return 0
}

// byOperation lists the calls of a run.
func byOperation(stats embedded.Stats) string {
	var parts []string
	for _, action := range slices.Sorted(maps.Keys(stats.Calls)) {
		parts = append(parts, fmt.Sprintf("%s %d", strings.TrimPrefix(action, "ecr:"), stats.Calls[action]))
	}
	return strings.Join(parts, ", ")
}
