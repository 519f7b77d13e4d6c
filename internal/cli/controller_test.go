package cli_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/kubetest"
	"github.com/regsweep/regsweep/internal/lease"
)

// gate is in front of an account. It knows which process deletes, by its access
// key, and holds deletions when it is told to.
type gate struct {
	http.Handler
	mu sync.Mutex
	// deletes has who called, in order.
	deletes []string
	// closed lets no deletion through until it is opened.
	closed chan struct{}
	// arrived gets who wants to delete.
	arrived chan string
}

var accessKey = regexp.MustCompile(`Credential=([^/]*)/`)

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".BatchDeleteImage") {
		who := ""
		if m := accessKey.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
			who = m[1]
		}
		g.mu.Lock()
		g.deletes = append(g.deletes, who)
		closed := g.closed
		g.mu.Unlock()
		select {
		case g.arrived <- who:
		default:
		}
		if closed != nil {
			<-closed
		}
	}
	g.Handler.ServeHTTP(w, r)
}

// hold lets no deletion through until the function is called.
func (g *gate) hold() (release func()) {
	closed := make(chan struct{})
	g.mu.Lock()
	g.closed = closed
	g.mu.Unlock()
	return func() {
		g.mu.Lock()
		g.closed = nil
		g.mu.Unlock()
		close(closed)
	}
}

func (g *gate) calls() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.deletes)
}

// wait waits until a process wants to delete.
func (g *gate) wait(t *testing.T, who string) {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case got := <-g.arrived:
			if got == who {
				return
			}
		case <-deadline:
			t.Fatalf("%s deleted nothing", who)
		}
	}
}

// inCluster is an account, a cluster and a configuration that belong together.
type inCluster struct {
	*gate
	server    *kubetest.Server
	namespace string
	repo      *embedded.Repository
	url       string
	config    string
	state     string
}

const controllerRules = `
registries: [{ecr: {region: eu-west-1}}]
usage: [{kubernetes: {}}]
rules: [{keep: [{youngerThan: 10d}]}]
controller: {interval: 1h, page: {address: "127.0.0.1:0"}}
`

func newInCluster(t *testing.T, server *kubetest.Server, config string) *inCluster {
	t.Helper()
	srv := embedded.New(embedded.Options{Clock: time.Now})
	region := srv.Account(embedded.DefaultAccount).Region("eu-west-1")
	c := &inCluster{
		gate: &gate{Handler: srv, arrived: make(chan string, 100)}, server: server, namespace: server.Namespace(t),
		repo: region.MustCreateRepository("apps/web", embedded.RepositoryOptions{}), state: t.TempDir(),
	}
	aws := httptest.NewServer(c.gate)
	t.Cleanup(aws.Close)
	c.url = aws.URL
	c.config = filepath.Join(c.state, "regsweep.yaml")
	c.write(t, config)
	return c
}

func (c *inCluster) write(t *testing.T, config string) {
	t.Helper()
	if err := os.WriteFile(c.config, []byte("version: 1\n"+config), 0o600); err != nil {
		t.Fatal(err)
	}
}

// push pushes an image for each name, a month old but for "fresh".
func (c *inCluster) push(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		m := embedded.NewImage(embedded.ConfigBlob(name, 10), embedded.LayerBlob(name, 90))
		at := time.Now().AddDate(0, -1, 0)
		if name == "fresh" {
			at = time.Now()
		}
		if _, err := c.repo.Push(embedded.Push{Manifest: m.Bytes(), Tags: []string{name}, At: at}); err != nil {
			t.Fatal(err)
		}
	}
}

func (c *inCluster) left() (tags []string) {
	for _, img := range c.repo.Images() {
		tags = append(tags, img.Tags...)
	}
	slices.Sort(tags)
	return tags
}

// start starts a process with an access key and a kubeconfig of its own.
func (c *inCluster) start(t *testing.T, key, kubeconfig string, args ...string) *program {
	t.Helper()
	p := startProgram(t, []string{
		"AWS_ENDPOINT_URL=" + c.url, "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=" + key, "AWS_SECRET_ACCESS_KEY=test",
		"AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull, "AWS_EC2_METADATA_DISABLED=true", "AWS_PROFILE=",
		"XDG_CACHE_HOME=" + filepath.Join(c.state, "cache"+key), "XDG_STATE_HOME=" + c.state, "KUBECONFIG=" + kubeconfig,
	}, append(args, "--config", c.config)...)
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
	})
	return p
}

// account makes a ServiceAccount with exactly the printed roles.
func (c *inCluster) account(t *testing.T, args ...string) (kubeconfig string, rules []kubetest.Rule) {
	t.Helper()
	bearer, kubeconfig := c.server.ServiceAccountConfig(t, c.namespace, "regsweep", nil)
	content, err := os.ReadFile(c.config)
	if err != nil {
		t.Fatal(err)
	}
	o := runCLI(t, strings.TrimPrefix(string(content), "version: 1\n"), append([]string{"permissions", "rbac", "--name", c.namespace,
		"--service-account", c.namespace + "/regsweep", "--lease", c.namespace + "/regsweep"}, args...)...)
	if o.Code != 0 {
		t.Fatalf("permissions rbac: exit code %d\n%s", o.Code, o.Stderr)
	}
	rules = rulesOf(t, c.server.Apply(t, "", o.Stdout))
	c.server.WaitGranted(t, bearer, rules)
	return kubeconfig, rules
}

func (c *inCluster) controller(t *testing.T, key, kubeconfig string) *program {
	t.Helper()
	return c.start(t, key, kubeconfig, "controller", "--lease-namespace", c.namespace, "--jitter", "0s")
}

var leaseKind = schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}

// holder returns who has the Lease.
func (c *inCluster) holder(t *testing.T) string {
	t.Helper()
	o, err := c.server.Dynamic().Resource(leaseKind).Namespace(c.namespace).Get(t.Context(), "regsweep", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	holder, _, _ := unstructured.NestedString(o.Object, "spec", "holderIdentity")
	return holder
}

// take gives the Lease to somebody else.
func (c *inCluster) take(t *testing.T, holder string, renewed time.Time) {
	t.Helper()
	leases := c.server.Dynamic().Resource(leaseKind).Namespace(c.namespace)
	spec := map[string]any{"holderIdentity": holder, "leaseDurationSeconds": int64(15), "renewTime": renewed.UTC().Format("2006-01-02T15:04:05.000000Z"),
		"acquireTime": renewed.UTC().Format("2006-01-02T15:04:05.000000Z")}
	for range 20 { // the holder writes it too
		o, err := leases.Get(t.Context(), "regsweep", metav1.GetOptions{})
		if err == nil {
			o.Object["spec"] = spec
			_, err = leases.Update(t.Context(), o, metav1.UpdateOptions{})
		} else {
			o = &unstructured.Unstructured{Object: map[string]any{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
				"metadata": map[string]any{"name": "regsweep"}, "spec": spec}}
			_, err = leases.Create(t.Context(), o, metav1.CreateOptions{})
		}
		if err == nil {
			return
		}
	}
	t.Fatal("the Lease cannot be taken")
}

// events returns all Events in the namespace, a line for each: what it is about,
// the reason and the message.
func (c *inCluster) events(t *testing.T) string {
	t.Helper()
	list, err := c.server.Dynamic().Resource(schema.GroupVersionResource{Version: "v1", Resource: "events"}).Namespace(c.namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, o := range list.Items {
		reason, _, _ := unstructured.NestedString(o.Object, "reason")
		message, _, _ := unstructured.NestedString(o.Object, "message")
		kind, _, _ := unstructured.NestedString(o.Object, "involvedObject", "kind")
		fmt.Fprintf(&all, "%s %s: %s\n", kind, reason, message)
	}
	return all.String()
}

var listening = regexp.MustCompile(`msg=listening address=(\S+)`)

// get asks the server of a controller that has said where it listens.
func (p *program) get(path string) (body string) {
	p.t.Helper()
	m := listening.FindStringSubmatch(p.log.String())
	if m == nil {
		p.t.Fatalf("it does not listen:\n%s", p.log.String())
	}
	defer http.DefaultClient.CloseIdleConnections()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, "http://"+m[1]+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(content)
}

func names(prefix string, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("%s%03d", prefix, i))
	}
	return all
}

// TestControllers runs two controllers as their own ServiceAccount with exactly
// the printed roles. The one that leads is killed in mid-apply: the other follows,
// and nothing is deleted by both. Told to end in mid-apply it
// finishes the call in flight, closes its journal and gives the Lease back.
func TestControllers(t *testing.T) {
	setEnvironment(t)
	server := kubetest.Start(t, kubetest.Options{})
	c := newInCluster(t, server, controllerRules+"mode: apply\n")
	c.push(t, append(names("old", 450), "used", "fresh")...)
	server.Apply(t, c.namespace, workload("Deployment", "web", c.repo.URI()+":used"))
	kubeconfig, _ := c.account(t, "--controller")

	release := c.hold()
	a := c.controller(t, "AKIAFIRST", kubeconfig)
	a.says("msg=leading")
	b := c.controller(t, "AKIASECOND", kubeconfig)
	b.says("msg=listening")
	c.wait(t, "AKIAFIRST")
	if body := b.get("/readyz"); !strings.Contains(body, "waiting for "+c.namespace+"/regsweep") {
		t.Errorf("/readyz of the second: %s", body)
	}
	if body := a.get("/metrics"); !strings.Contains(body, "regsweep_leader 1") {
		t.Error("the first does not say that it leads")
	}
	if err := a.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = a.cmd.Wait() // it was killed
	release()
	release = c.hold()
	b.says("msg=leading")
	c.wait(t, "AKIASECOND")
	before := len(c.left())
	b.signal()
	for !strings.Contains(b.get("/readyz"), "[-] stopping: ") { // until it knows
	}
	release()
	if code := b.wait(); code != 0 {
		t.Errorf("exit code %d\n%s", code, b.log.String())
	}
	if n := before - len(c.left()); n != 100 {
		t.Errorf("%d images were deleted after the signal, want those of the call in flight", n)
	}
	if !strings.Contains(b.log.String(), "result=stopped") {
		t.Errorf("log:\n%s", b.log.String())
	}
	if h := c.holder(t); h != "" {
		t.Errorf("the Lease is held by %q after the end", h)
	}
	if calls := c.calls(); !slices.IsSorted(calls) {
		t.Errorf("both deleted at the same time: %v", calls)
	}

	// The next goes on at once, and is done. It knows the name of its pod.
	t.Setenv("POD_NAME", "regsweep-0")
	t.Setenv("POD_NAMESPACE", c.namespace)
	third := c.controller(t, "AKIATHIRD", kubeconfig)
	third.says(`msg="run ended"`, "result=ok", "failed=0")
	if diff := cmp.Diff([]string{"fresh", "used"}, c.left()); diff != "" {
		t.Error(diff)
	}
	if body := third.get("/"); !strings.Contains(body, "images deleted") || !strings.Contains(body, "apps/web") {
		t.Errorf("the page:\n%s", body)
	}
	events := c.events(t)
	for _, event := range []string{
		"Lease Leading: ", "Lease RunStopped: the process was told to end", "Lease ImagesDeleted: 100 images deleted",
		"Pod Leading: ", "Pod RunCompleted: regsweep controller: ", "Pod ImagesDeleted: ",
	} {
		if !strings.Contains(events, event) {
			t.Errorf("no Event %q in\n%s", event, events)
		}
	}
	if code := third.end(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	journals, err := filepath.Glob(filepath.Join(c.state, "regsweep", "journal", "*"))
	if err != nil || len(journals) == 0 {
		t.Fatalf("journals: %v %v", journals, err)
	}
	ended := 0
	for _, path := range journals {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(content), `"end":`) {
			ended++
		}
	}
	if ended != len(journals)-1 { // all but that of the one that was killed
		t.Errorf("%d of %d journals were closed", ended, len(journals))
	}
}

// Without any one of the printed roles the controller says which verb on what it
// misses.
func TestControllerRights(t *testing.T) {
	setEnvironment(t)
	server := kubetest.Start(t, kubetest.Options{})
	c := newInCluster(t, server, controllerRules)
	c.push(t, "old", "fresh")
	full, rules := c.account(t, "--controller")
	server.Apply(t, c.namespace, workload("Deployment", "web", c.repo.URI()+":fresh"))
	p := c.start(t, "AKIAFULL", full, "controller", "--lease-namespace", c.namespace, "--tag")
	p.says(`msg="run ended"`, "result=ok", "toDelete=1")
	if !strings.Contains(p.log.String(), "would be tagged") {
		p.says(`msg="would be tagged"`, "image=fresh")
	}
	c.write(t, controllerRules+"mode: aply\n")
	p.says("configuration refused", "regsweep.yaml:7:7: mode: must be plan or apply")
	if body := p.get("/readyz"); !strings.Contains(body, "[-] config: refused") {
		t.Errorf("/readyz: %s", body)
	}
	if code := p.end(); code != 0 || strings.Contains(p.log.String(), "denied") {
		t.Errorf("exit code %d\n%s", code, p.log.String())
	}
	c.write(t, controllerRules)
	if got := c.events(t); !strings.Contains(got, "Lease ConfigRefused: the configuration before stays: ") || !strings.Contains(got, "must be plan or apply") {
		t.Errorf("Events:\n%s", got)
	}
	for i, test := range []struct {
		group, resource, verb string
		says                  string
	}{
		{"coordination.k8s.io", "leases", "create", "create leases.coordination.k8s.io in namespace "},
		{"coordination.k8s.io", "leases", "get", "get leases.coordination.k8s.io in namespace "},
		{"coordination.k8s.io", "leases", "update", "update leases.coordination.k8s.io in namespace "},
		{"", "events", "create", "create events in namespace "},
		{"", "pods", "watch", "watch pods"},
	} {
		t.Run(test.verb+" "+test.resource, func(t *testing.T) {
			less := withoutVerb(rules, test.group, test.resource, test.verb)
			other := server.Namespace(t)
			for n := range less { // each has a Lease of its own, which is not there yet
				if len(less[n].Namespaces) > 0 {
					less[n].Namespaces = []string{other}
				}
			}
			_, kubeconfig := server.ServiceAccountConfig(t, other, "regsweep", less)
			p := c.start(t, fmt.Sprint("AKIALESS", i), kubeconfig, "controller", "--lease-namespace", other)
			p.says(test.says, "access denied")
			if code := p.end(); code != 0 {
				t.Errorf("exit code %d\n%s", code, p.log.String())
			}
		})
	}
}

// withoutVerb returns the rules without a verb on a resource.
func withoutVerb(rules []kubetest.Rule, group, resource, verb string) (less []kubetest.Rule) {
	for _, r := range rules {
		if r.APIGroups[0] == group && slices.Contains(r.Resources, resource) && slices.Contains(r.Verbs, verb) {
			narrow := r
			narrow.Resources = []string{resource}
			narrow.Verbs = slices.DeleteFunc(slices.Clone(r.Verbs), func(v string) bool { return v == verb })
			if len(narrow.Verbs) > 0 {
				less = append(less, narrow)
			}
			r.Resources = slices.DeleteFunc(slices.Clone(r.Resources), func(s string) bool { return s == resource })
		}
		if len(r.Resources) > 0 {
			less = append(less, r)
		}
	}
	return less
}

// TestApplyLease applies under a Lease, with exactly the printed roles: a held one
// is waited for as long as it is said, and one that is lost stops the run before
// the next call.
func TestApplyLease(t *testing.T) {
	setEnvironment(t)
	server := kubetest.Start(t, kubetest.Options{})
	c := newInCluster(t, server, controllerRules)
	c.push(t, append(names("old", 250), "used", "fresh")...)
	server.Apply(t, c.namespace, workload("Deployment", "web", c.repo.URI()+":used"))
	kubeconfig, _ := c.account(t)
	apply := func(key string, args ...string) *program {
		return c.start(t, key, kubeconfig, append([]string{"apply", "--yes", "--lease", c.namespace + "/regsweep"}, args...)...)
	}

	c.take(t, "somebody", time.Now())
	for _, args := range [][]string{nil, {"--lease-wait", "3s"}} {
		p := apply("AKIAHELD", args...)
		p.says("the Lease "+c.namespace+"/regsweep is held by somebody since ", "renewed")
		if code := p.wait(); code != 1 {
			t.Errorf("exit code %d\n%s", code, p.log.String())
		}
	}

	c.take(t, "", time.Now())
	release := c.hold()
	p := apply("AKIALOST")
	c.wait(t, "AKIALOST")
	c.take(t, "somebody", time.Now())
	p.says("ending when the calls in flight are answered") // it has tried to renew it
	release()
	p.says("stopped before the next call: the Lease " + c.namespace + "/regsweep was lost to somebody")
	if code := p.wait(); code != 3 || len(c.left()) != 152 {
		t.Errorf("exit code %d, %d images are left\n%s", code, len(c.left()), p.log.String())
	}

	c.take(t, "killed", time.Now().Add(-time.Hour)) // who held it is gone
	began := time.Now()
	p = apply("AKIADONE")
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.log.String())
	}
	if took := time.Since(began); took < lease.Duration {
		t.Errorf("the Lease was taken after %v", took)
	}
	if diff := cmp.Diff([]string{"fresh", "used"}, c.left()); diff != "" || c.holder(t) != "" {
		t.Errorf("held by %q; %s", c.holder(t), diff)
	}
}
