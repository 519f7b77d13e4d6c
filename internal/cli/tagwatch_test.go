package cli_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/kubetest"
)

// program is a running command whose log is read line by line.
type program struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string
	log   strings.Builder
}

// startProgram starts the command in a process of its own, which ends with the
// test.
func startProgram(t *testing.T, env []string, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &program{t: t, cmd: exec.CommandContext(ctx, "regsweep", args...), lines: make(chan string, 1000)}
	p.cmd.Env = append(os.Environ(), env...)
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(stderr); s.Scan(); {
			p.lines <- s.Text()
		}
		_, _ = io.Copy(io.Discard, stderr)
	}()
	t.Cleanup(cancel)
	return p
}

// says waits for a line of the log that has all of the texts.
func (p *program) says(texts ...string) {
	p.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case line, ok := <-p.lines:
			fmt.Fprintln(&p.log, line)
			if !ok {
				p.t.Fatalf("the program ended before it said %q:\n%s", texts, p.log.String())
			}
			found := true
			for _, text := range texts {
				found = found && strings.Contains(line, text)
			}
			if found {
				return
			}
		case <-deadline:
			p.t.Fatalf("the program did not say %q:\n%s", texts, p.log.String())
		}
	}
}

// signal tells the program to end.
func (p *program) signal() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
}

// end tells the program to end and returns its exit code.
func (p *program) end() int {
	p.t.Helper()
	p.signal()
	return p.wait()
}

// wait waits for the end of a program and returns its exit code.
func (p *program) wait() int {
	p.t.Helper()
	for line := range p.lines {
		fmt.Fprintln(&p.log, line)
	}
	_ = p.cmd.Wait() // the exit code says it
	return p.cmd.ProcessState.ExitCode()
}

// patience guards against waiting for ever. It measures nothing.
const patience = 5 * time.Minute

// TestTagWatch runs tag --watch against a real API server: what is there when it
// begins gets a mark, and so does what lives shorter than three seconds, also
// after the API server was away. A pod that reports the digest of a platform
// marks the index.
func TestTagWatch(t *testing.T) {
	server := kubetest.Start(t, kubetest.Options{})
	shop, jobs := server.Namespace(t), server.Namespace(t)
	srv := embedded.New(embedded.Options{Clock: time.Now})
	region := srv.Account(embedded.DefaultAccount).Region("eu-west-1")
	web := region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	image := func(name string) embedded.Manifest {
		return embedded.NewImage(embedded.ConfigBlob(name, 10), embedded.LayerBlob(name, 90))
	}
	push := func(m embedded.Manifest, tags ...string) string {
		return embedded.Must(web.Push(embedded.Push{Manifest: m.Bytes(), Tags: tags}))
	}
	for _, name := range []string{"deployed", "nightly", "long", "brief", "longer", "late", "unused"} {
		push(image(name), name)
	}
	amd64 := push(image("amd64"))
	index := push(embedded.NewIndex(image("amd64").Descriptor().On("linux", "amd64")), "multi")
	aws := httptest.NewServer(srv)
	defer aws.Close()
	dir := t.TempDir()
	config := filepath.Join(dir, "regsweep.yaml")
	if err := os.WriteFile(config, []byte("version: 1\nregistries: [{ecr: {region: eu-west-1}}]\nusage: [{kubernetes: {}}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	reference := web.URI()
	server.Apply(t, shop, workload("Deployment", "web", reference+":deployed"))
	server.Apply(t, jobs, workload("CronJob", "report", reference+":nightly"))
	p := startProgram(t, []string{
		"AWS_ENDPOINT_URL=" + aws.URL, "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test",
		"AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull, "AWS_EC2_METADATA_DISABLED=true", "AWS_PROFILE=",
		"XDG_CACHE_HOME=" + filepath.Join(dir, "cache"), "XDG_STATE_HOME=" + filepath.Join(dir, "state"),
		"KUBECONFIG=" + server.Kubeconfig(),
	}, "tag", "--watch", "--yes", "--interval", "1h", "--config", config)
	p.says("msg=tagged", "image=") // both at the beginning, in the order of digests
	p.says("msg=tagged", "image=")

	brief := func(name, image string) {
		t.Helper()
		server.Apply(t, jobs, workload("Job", name, image))
		deleteNow(t, server, schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}, jobs, name)
	}
	// Once it tells of a Job that stays, it tells of all that come after that.
	server.Apply(t, jobs, workload("Job", "long", reference+":long"))
	p.says("msg=tagged", "image=long")
	brief("brief", reference+":brief")
	p.says("msg=tagged", "image=brief", "inUseBy=kubernetes/kubetest/"+jobs+"/Job/brief")

	server.Apply(t, shop, fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: multi}
spec: {containers: [{name: app, image: %q}]}
status:
  phase: Running
  containerStatuses: [{name: app, image: %[1]q, imageID: %[2]q, ready: true, restartCount: 0, state: {}, lastState: {}}]
`, reference+":gone", reference+"@"+amd64))
	p.says("msg=tagged", "image=multi", "digest="+index)

	server.Kill()
	p.says("level=WARN", "connection lost")
	server.Restart(t)
	server.Apply(t, jobs, workload("Job", "longer", reference+":longer"))
	p.says("msg=tagged", "image=longer")
	brief("late", reference+":late")
	p.says("msg=tagged", "image=late")
	if code := p.end(); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.log.String())
	}
	for _, img := range web.Images() {
		marks := 0
		for _, tag := range img.Tags {
			if strings.HasPrefix(tag, "in-use-") {
				marks++
			}
		}
		want := 1
		if img.Digest == amd64 || len(img.Tags) == 1 && img.Tags[0] == "unused" {
			want = 0
		}
		if marks != want {
			t.Errorf("%s %v has %d marks, want %d", img.Digest, img.Tags, marks, want)
		}
	}
}

// workload returns a manifest of a kind that runs one container.
func workload(kind, name, image string) string {
	pod := fmt.Sprintf("{restartPolicy: Never, containers: [{name: app, image: %q}]}", image)
	switch kind {
	case "Deployment":
		return fmt.Sprintf("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: %s}\nspec: {selector: {matchLabels: {app: x}}, template: {metadata: {labels: {app: x}}, spec: {containers: [{name: app, image: %q}]}}}\n", name, image)
	case "CronJob":
		return fmt.Sprintf("apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: %s}\nspec: {schedule: \"0 0 * * *\", jobTemplate: {spec: {template: {spec: %s}}}}\n", name, pod)
	default:
		return fmt.Sprintf("apiVersion: batch/v1\nkind: Job\nmetadata: {name: %s}\nspec: {template: {spec: %s}}\n", name, pod)
	}
}

func deleteNow(t *testing.T, server *kubetest.Server, kind schema.GroupVersionResource, namespace, name string) {
	t.Helper()
	now, policy := int64(0), metav1.DeletePropagationBackground
	err := server.Dynamic().Resource(kind).Namespace(namespace).Delete(t.Context(), name, metav1.DeleteOptions{GracePeriodSeconds: &now, PropagationPolicy: &policy})
	if err != nil {
		t.Fatal(err)
	}
}
