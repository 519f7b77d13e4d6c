package clusters

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/regsweep/regsweep/internal/cli"
	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/kubetest"
	"github.com/regsweep/regsweep/internal/permissions"
)

// TestMain makes the command regsweep for processes that tests start.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"regsweep": func() { os.Exit(cli.Main(cli.OS())) }})
}

const (
	examples = "../../../examples"
	region   = "us-east-1"
	bucket   = "example-bucket"
	patience = 5 * time.Minute // with a process on a busy machine
)

// world is a cluster and an account.
type world struct {
	t       *testing.T
	cluster *kubetest.Server
	aws     *embedded.Server
	url     string
	dir     string
	// names are those of pushed images by digest.
	names map[string]string
}

// newWorld starts a cluster with the namespaces and an account with the
// repositories.
func newWorld(t *testing.T, namespaces, repositories []string) *world {
	t.Helper()
	w := &world{
		t: t, cluster: kubetest.Start(t, kubetest.Options{}), aws: embedded.New(embedded.Options{Clock: time.Now}),
		dir: t.TempDir(), names: map[string]string{},
	}
	server := httptest.NewServer(w.aws)
	t.Cleanup(server.Close)
	w.url = server.URL
	if _, err := w.region().S3().CreateBucket(bucket); err != nil {
		t.Fatal(err)
	}
	for _, name := range namespaces {
		w.cluster.Apply(t, "", "{apiVersion: v1, kind: Namespace, metadata: {name: "+name+"}}")
	}
	for _, name := range repositories {
		w.region().MustCreateRepository(name, embedded.RepositoryOptions{})
	}
	return w
}

func (w *world) region() *embedded.Region {
	return w.aws.Account(embedded.DefaultAccount).Region(region)
}

func (w *world) repo(name string) *embedded.Repository {
	w.t.Helper()
	r, ok := w.region().Repository(name)
	if !ok {
		w.t.Fatalf("no repository %s", name)
	}
	return r
}

// manifest is one image for each name.
func manifest(name string) embedded.Manifest {
	return embedded.NewImage(embedded.ConfigBlob(name, 10), embedded.LayerBlob(name, 90))
}

// push pushes what was made so many minutes ago, and returns its digest.
func (w *world) push(repo, name string, m embedded.Manifest, minutes int, tags ...string) string {
	w.t.Helper()
	at := time.Now().Add(-time.Duration(minutes) * time.Minute)
	digest, err := w.repo(repo).Push(embedded.Push{Manifest: m.Bytes(), Tags: tags, At: at})
	if err != nil {
		w.t.Fatal(err)
	}
	w.names[digest] = name
	return digest
}

// image pushes an ordinary image, whose first tag is its name.
func (w *world) image(repo string, minutes int, tags ...string) string {
	return w.push(repo, tags[0], manifest(repo+tags[0]), minutes, tags...)
}

// left returns the names of the images of a repository, sorted.
func (w *world) left(repo string) (names []string) {
	for _, img := range w.repo(repo).Images() {
		names = append(names, w.names[img.Digest])
	}
	slices.Sort(names)
	return names
}

// example is the manifests of an example, in the cluster.
type example struct {
	w          *world
	name       string
	namespace  string
	account    *rest.Config
	kubeconfig string
	// config is the configuration of the ConfigMap, in a file.
	config string
	args   []string
	env    []string
}

// deploy applies the manifests of an example. What it starts runs with the rights
// that these give to its ServiceAccount.
func (w *world) deploy(name string) *example {
	w.t.Helper()
	e := &example{w: w, name: name, namespace: "regsweep"}
	stored := w.cluster.Apply(w.t, "", readFile(w.t, examples, name, "kubernetes.yaml"))
	var rules []kubetest.Rule
	for _, o := range stored {
		switch o.GetKind() {
		case "ConfigMap":
			text, _, _ := unstructured.NestedString(o.Object, "data", "regsweep.yaml")
			e.write(text)
		case "Deployment":
			e.container(o, "spec", "template", "spec", "containers")
		case "CronJob":
			e.container(o, "spec", "jobTemplate", "spec", "template", "spec", "containers")
		case "Role", "ClusterRole":
			rules = append(rules, rulesOf(w.t, o)...)
		}
	}
	e.account = w.cluster.Config()
	e.account.BearerToken = w.token(e.namespace, "regsweep")
	w.cluster.WaitGranted(w.t, e.account, rules)
	e.kubeconfig = kubetest.WriteKubeconfig(w.t, map[string]*rest.Config{"cluster": e.account})
	return e
}

// write makes a text the configuration. The page listens on any free port.
func (e *example) write(text string) {
	e.w.t.Helper()
	text = strings.Replace(text, "controller: {interval: 30m}", `controller: {interval: 30m, page: {address: "127.0.0.1:0"}}`, 1)
	e.config = filepath.Join(e.w.dir, "regsweep.yaml")
	if err := os.WriteFile(e.config, []byte(text), 0o600); err != nil {
		e.w.t.Fatal(err)
	}
}

// container notes how the only container of a workload is called.
func (e *example) container(o *unstructured.Unstructured, path ...string) {
	e.w.t.Helper()
	containers, _, err := unstructured.NestedSlice(o.Object, path...)
	if err != nil || len(containers) != 1 {
		e.w.t.Fatalf("%s: %d containers: %v", o.GetKind(), len(containers), err)
	}
	c := containers[0].(map[string]any)
	e.args, _, _ = unstructured.NestedStringSlice(c, "args")
	variables, _, _ := unstructured.NestedSlice(c, "env")
	for _, v := range variables {
		if v, ok := v.(map[string]any); ok && v["name"] == "REGSWEEP_JOURNAL" {
			e.env = append(e.env, fmt.Sprintf("REGSWEEP_JOURNAL=%v", v["value"]))
		}
	}
}

// environment is what the container would see, with the rights in AWS of an
// access key.
func (e *example) environment() []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "AWS_ENDPOINT_URL=" + e.w.url, "AWS_REGION=" + region,
		"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
		"XDG_CACHE_HOME=" + filepath.Join(e.w.dir, "cache"), "XDG_STATE_HOME=" + filepath.Join(e.w.dir, "state"),
		"POD_NAME=regsweep-0", "POD_NAMESPACE=" + e.namespace, "POD_UID=00000000-0000-0000-0000-000000000000",
		"KUBECONFIG=" + e.kubeconfig, "REGSWEEP_CONFIG=" + e.config, "GOCOVERDIR=" + os.TempDir(),
	}, e.env...)
}

// allow gives the access key the policy that permissions iam prints, and no other
// right.
func (e *example) allow(purpose string) {
	e.w.t.Helper()
	e.w.aws.AllowAll()
	args := []string{"permissions", "iam", "--for", purpose}
	code, stdout, stderr := e.run(args...)
	if code != 0 {
		e.w.t.Fatalf("%v: exit code %d\n%s", args, code, stderr)
	}
	if err := e.w.aws.SetPolicy("test", stdout); err != nil {
		e.w.t.Fatal(err)
	}
}

// run runs a command to its end.
func (e *example) run(args ...string) (code int, stdout, stderr string) {
	e.w.t.Helper()
	ctx, cancel := context.WithTimeout(e.w.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "regsweep", args...)
	var out, errs bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = e.environment(), &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		e.w.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// process is a command that goes on.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	log *os.File
}

// start runs the container's command until the test ends, or end.
func (e *example) start(more ...string) *process {
	e.w.t.Helper()
	log, err := os.Create(filepath.Join(e.w.t.TempDir(), "log"))
	if err != nil {
		e.w.t.Fatal(err)
	}
	p := &process{t: e.w.t, cmd: exec.Command("regsweep", append(slices.Clone(e.args), more...)...), log: log}
	p.cmd.Env, p.cmd.Stderr, p.cmd.Stdout = e.environment(), log, log
	if err := p.cmd.Start(); err != nil {
		e.w.t.Fatal(err)
	}
	e.w.t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
		_ = log.Close()
	})
	return p
}

// said returns the log up to now.
func (p *process) said() string {
	p.t.Helper()
	text, err := io.ReadAll(io.NewSectionReader(p.log, 0, 1<<30))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

// says waits until the log matches, and returns the first group.
func (p *process) says(expression string) string {
	p.t.Helper()
	var found []string
	eventually(p.t, p.said, func() bool {
		found = regexp.MustCompile(expression).FindStringSubmatch(p.said())
		return found != nil
	})
	return found[len(found)-1]
}

// end tells the process to end and returns its exit code.
func (p *process) end() int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	_ = p.cmd.Wait() // the exit code says it
	return p.cmd.ProcessState.ExitCode()
}

// eventually waits for what another process does.
func eventually(t *testing.T, explain func() string, done func() bool) {
	t.Helper()
	deadline, tick := time.After(patience), time.NewTicker(50*time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline:
			t.Fatalf("it did not happen within %v:\n%s", patience, explain())
		case <-tick.C:
		}
	}
}

// token returns a token of a ServiceAccount, as its pod has one.
func (w *world) token(namespace, name string) string {
	w.t.Helper()
	accounts := w.cluster.Dynamic().Resource(schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}).Namespace(namespace)
	request := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": map[string]any{"name": name}, "spec": map[string]any{},
	}}
	answer, err := accounts.Create(w.t.Context(), request, metav1.CreateOptions{}, "token")
	if err != nil {
		w.t.Fatal(err)
	}
	token, _, _ := unstructured.NestedString(answer.Object, "status", "token")
	return token
}

// rulesOf returns the rules of a role.
func rulesOf(t *testing.T, o *unstructured.Unstructured) (rules []kubetest.Rule) {
	t.Helper()
	var role struct {
		Rules []permissions.Rule `json:"rules"`
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &role); err != nil {
		t.Fatal(err)
	}
	for _, r := range role.Rules {
		rule := kubetest.Rule{Verbs: r.Verbs, APIGroups: r.APIGroups, Resources: r.Resources, ResourceNames: r.ResourceNames}
		if o.GetNamespace() != "" {
			rule.Namespaces = []string{o.GetNamespace()}
		}
		rules = append(rules, rule)
	}
	return rules
}

func readFile(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// pod is a manifest of a pod with one container, and more fields of its spec.
func pod(name, image, more string) string {
	return fmt.Sprintf("---\napiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec: {containers: [{name: app, image: %q}]%s}\n", name, image, more)
}
