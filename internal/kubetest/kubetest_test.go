package kubetest

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

var (
	server *Server

	pods        = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	configMaps  = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	deployments = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	s, stop, err := Run(Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer stop()
	if os.Getenv(orphanEnv) != "" {
		return waitToBeKilled(s)
	}
	server = s
	return m.Run()
}

const workload = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: app, image: "registry.example.com/web:1"}]
---
# An empty document is left out.
---
apiVersion: v1
kind: Pod
metadata: {name: web-1}
spec:
  containers: [{name: app, image: "registry.example.com/web:1"}]
status:
  phase: Running
  containerStatuses:
  - name: app
    image: registry.example.com/web:1
    imageID: registry.example.com/web@sha256:2222222222222222222222222222222222222222222222222222222222222222
    ready: true
    restartCount: 0
`

func TestApplyStoresSpecAndStatus(t *testing.T) {
	ns := server.Namespace(t)
	stored := server.Apply(t, ns, workload)

	type want struct{ Kind, Name, Policy, Phase, ImageID string }
	var got []want
	for _, object := range stored {
		gvr := pods
		containers := []string{"spec", "containers"}
		if object.GetKind() == "Deployment" {
			gvr = deployments
			containers = []string{"spec", "template", "spec", "containers"}
		}
		read, err := server.Dynamic().Resource(gvr).Namespace(ns).Get(t.Context(), object.GetName(), metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, want{
			Kind:    read.GetKind(),
			Name:    read.GetName(),
			Policy:  firstField(t, read, "imagePullPolicy", containers...),
			Phase:   stringField(t, read, "status", "phase"),
			ImageID: firstField(t, read, "imageID", "status", "containerStatuses"),
		})
	}
	wanted := []want{
		// The pull policy was not given: the server filled it in.
		{Kind: "Deployment", Name: "web", Policy: "IfNotPresent"},
		{Kind: "Pod", Name: "web-1", Policy: "IfNotPresent", Phase: "Running",
			ImageID: "registry.example.com/web@sha256:" + strings.Repeat("2", 64)},
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("stored objects (-want +got):\n%s", diff)
	}
}

func TestApplyServesCustomResources(t *testing.T) {
	const manifests = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: jobs.batch.example.com}
spec:
  group: batch.example.com
  names: {kind: Job, plural: jobs, singular: job, listKind: JobList}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}
---
apiVersion: batch.example.com/v1
kind: Job
metadata: {name: nightly}
spec: {image: "registry.example.com/job:7", replicas: 3}
status: {phase: Done}
`
	jobs := schema.GroupVersionResource{Group: "batch.example.com", Version: "v1", Resource: "jobs"}
	t.Run("while the test runs", func(t *testing.T) {
		ns := server.Namespace(t)
		server.Apply(t, ns, manifests)
		list, err := server.Dynamic().Resource(jobs).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(list.Items) != 1 {
			t.Fatalf("listed %d custom resources, want 1", len(list.Items))
		}
		got := map[string]any{"spec": list.Items[0].Object["spec"], "status": list.Items[0].Object["status"]}
		want := map[string]any{
			"spec":   map[string]any{"image": "registry.example.com/job:7", "replicas": int64(3)},
			"status": map[string]any{"phase": "Done"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("custom resource (-want +got):\n%s", diff)
		}
	})
	_, err := server.Dynamic().Resource(jobs).List(t.Context(), metav1.ListOptions{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("list after the test that defined the kind: got %v, want NotFound", err)
	}
}

func TestNamespaceGoesWithItsTest(t *testing.T) {
	var ns string
	t.Run("while the test runs", func(t *testing.T) {
		ns = server.Namespace(t)
		server.Apply(t, ns, workload)
		if got := len(list(t, server.Config(), pods, ns).Items); got != 1 {
			t.Errorf("listed %d pods, want 1", got)
		}
	})
	_, err := server.Dynamic().Resource(namespaces).Get(t.Context(), ns, metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("get the namespace after its test: got %v, want NotFound", err)
	}
	for _, gvr := range []schema.GroupVersionResource{pods, deployments} {
		if got := len(list(t, server.Config(), gvr, ns).Items); got != 0 {
			t.Errorf("%d %s are left after their test", got, gvr.Resource)
		}
	}
}

func TestLimitAndContinue(t *testing.T) {
	ns := server.Namespace(t)
	server.Apply(t, ns, configMapManifests(5))
	client := newClient(t, server.Config()).Resource(configMaps).Namespace(ns)

	var pages [][]string
	var token string
	for {
		page, err := client.List(t.Context(), metav1.ListOptions{Limit: 2, Continue: token})
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, names(page))
		if token = page.GetContinue(); token == "" {
			break
		}
	}
	want := [][]string{{"c0", "c1"}, {"c2", "c3"}, {"c4"}}
	if diff := cmp.Diff(want, pages); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
}

func TestServiceAccountRights(t *testing.T) {
	ns, other := server.Namespace(t), server.Namespace(t)
	server.Apply(t, ns, workload)
	_, kubeconfig := server.ServiceAccountConfig(t, ns, "reader", []Rule{
		{Verbs: []string{"list"}, APIGroups: []string{""}, Resources: []string{"pods"}},
		{Verbs: []string{"list"}, APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Namespaces: []string{ns}},
		{Verbs: []string{"get"}, NonResourceURLs: []string{"/metrics"}},
	})
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	badToken := rest.CopyConfig(config)
	badToken.BearerToken = "no-token-of-this-server"

	tests := []struct {
		name      string
		config    *rest.Config
		resource  schema.GroupVersionResource
		namespace string
		reason    metav1.StatusReason // "" is success
		message   []string
	}{
		{name: "granted everywhere", config: config, resource: pods},
		{name: "granted in the namespace", config: config, resource: deployments, namespace: ns},
		{name: "not in another namespace", config: config, resource: deployments, namespace: other,
			reason: metav1.StatusReasonForbidden, message: []string{"cannot list", `"deployments"`, `"apps"`, other}},
		{name: "not in the whole cluster", config: config, resource: deployments,
			reason: metav1.StatusReasonForbidden, message: []string{"cannot list", `"deployments"`, "cluster scope", ns + ":reader"}},
		{name: "not another resource", config: config, resource: configMaps, namespace: ns,
			reason: metav1.StatusReasonForbidden, message: []string{"cannot list", `"configmaps"`}},
		{name: "no valid token", config: badToken, resource: pods, reason: metav1.StatusReasonUnauthorized},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := newClient(t, tt.config).Resource(tt.resource).Namespace(tt.namespace).List(t.Context(), metav1.ListOptions{})
			if tt.reason == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if got := apierrors.ReasonForError(err); got != tt.reason {
				t.Fatalf("got error %v (reason %q), want reason %q", err, got, tt.reason)
			}
			for _, want := range tt.message {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("message %q does not name %q", err, want)
				}
			}
		})
	}
}

func TestExpiredContinueToken(t *testing.T) {
	s := Start(t, Options{NoWatchCache: true})
	ns := s.Namespace(t)
	s.Apply(t, ns, configMapManifests(3))
	client := newClient(t, s.Config()).Resource(configMaps).Namespace(ns)
	first, err := client.List(t.Context(), metav1.ListOptions{Limit: 2})
	if err != nil {
		t.Fatal(err)
	}

	s.ExpireContinueTokens(t)

	_, err = client.List(t.Context(), metav1.ListOptions{Limit: 2, Continue: first.GetContinue()})
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Code != 410 || !apierrors.IsResourceExpired(err) {
		t.Fatalf("second page: got %v, want 410 Expired", err)
	}
	// The answer carries a token with which the list goes on from the state of
	// now, which is not one consistent list any more.
	if status.Status().Continue == "" {
		t.Error("the answer has no token to go on with")
	}
	if got := names(list(t, s.Config(), configMaps, ns)); !cmp.Equal(got, []string{"c0", "c1", "c2"}) {
		t.Errorf("a fresh list holds %v", got)
	}
}

func TestKillRestartStop(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	s, stop, err := Run(Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	killed := s.api.cmd.Process.Pid

	ns := s.Namespace(t)
	s.Apply(t, ns, configMapManifests(3))
	client := newClient(t, s.Config()).Resource(configMaps).Namespace(ns)
	first, err := client.List(t.Context(), metav1.ListOptions{Limit: 2})
	if err != nil {
		t.Fatal(err)
	}
	next := metav1.ListOptions{Limit: 2, Continue: first.GetContinue()}

	s.Kill()
	if _, err := client.List(t.Context(), next); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("list on a killed server: got %v, want connection refused", err)
	}

	s.Restart(t)
	second, err := client.List(t.Context(), next)
	if err != nil {
		t.Fatal(err)
	}
	if got := names(second); !cmp.Equal(got, []string{"c2"}) {
		t.Errorf("second page after the restart holds %v, want [c2]", got)
	}

	pids := []int{s.etcd.cmd.Process.Pid, s.api.cmd.Process.Pid}
	for _, pid := range pids {
		if ended(pid) {
			t.Errorf("process %d has ended before stop", pid)
		}
	}
	stop()
	for _, pid := range append(pids, killed) {
		if !ended(pid) {
			t.Errorf("process %d runs after stop", pid)
		}
	}
	entries, err := os.ReadDir(tmp)
	if err != nil || len(entries) > 0 {
		t.Errorf("stop left %v behind (%v)", entries, err)
	}
}

func TestHelpersLeaveNoGoroutines(t *testing.T) {
	// Connections that other tests' clients keep are theirs.
	before := goleak.IgnoreCurrent()
	t.Run("helpers", func(t *testing.T) {
		ns := server.Namespace(t)
		server.Apply(t, ns, workload)
		server.ServiceAccountConfig(t, ns, "reader", []Rule{{Verbs: []string{"list"}, APIGroups: []string{""}, Resources: []string{"pods"}}})
	})
	if err := goleak.Find(before, IgnoreServer()); err != nil {
		t.Error(err)
	}
}

func configMapManifests(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c%d}\n", i)
	}
	return b.String()
}

func newClient(t *testing.T, config *rest.Config) dynamic.Interface {
	t.Helper()
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func list(t *testing.T, config *rest.Config, gvr schema.GroupVersionResource, namespace string) *unstructured.UnstructuredList {
	t.Helper()
	l, err := newClient(t, config).Resource(gvr).Namespace(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func names(list *unstructured.UnstructuredList) []string {
	var out []string
	for _, item := range list.Items {
		out = append(out, item.GetName())
	}
	return out
}

func stringField(t *testing.T, object *unstructured.Unstructured, path ...string) string {
	t.Helper()
	value, _, err := unstructured.NestedString(object.Object, path...)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// firstField returns a field of the first entry of the list at path, or "".
func firstField(t *testing.T, object *unstructured.Unstructured, field string, path ...string) string {
	t.Helper()
	entries, _, err := unstructured.NestedSlice(object.Object, path...)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) == 0 {
		return ""
	}
	value, _, err := unstructured.NestedString(entries[0].(map[string]any), field)
	if err != nil {
		t.Fatal(err)
	}
	return value
}
