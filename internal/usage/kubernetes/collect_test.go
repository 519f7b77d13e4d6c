package kubernetes

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The source sees every kind, with the rights of Rules and no other.
func TestCollectEverything(t *testing.T) {
	ns := server.Namespace(t)
	apply(t, server, ns, readFile(t, "objects.yaml"))
	debug(t, ns, "web-2-a")
	old := helmRelease("web", "superseded", deployment("web", "registry.example.com/web:1"))
	current := helmRelease("web", "deployed", deployment("web", "registry.example.com/web:2"),
		"apiVersion: v1\nkind: Pod\nmetadata: {name: test}\nspec: {containers: [{name: t, image: registry.example.com/test}]}\n")
	server.Apply(t, ns, helmSecret("web", 1, helmPayload(t, old)))
	server.Apply(t, ns, helmSecret("web", 2, helmPayload(t, current)))

	for _, test := range []struct {
		golden string
		config Config
	}{
		{"workloads.golden", Config{Namespaces: []string{"*"}}},
		{"everything.golden", Config{Helm: true, CustomResources: true}},
	} {
		t.Run(test.golden, func(t *testing.T) {
			account := server.Namespace(t)
			findings, err := sourceFor(reader(t, server, account, test.config), test.config).Collect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			golden(t, test.golden, lines(in(ns, "shop", findings.Observations)))
		})
	}
}

// debug adds an ephemeral container to a pod, as kubectl debug does, and its
// status.
func debug(t *testing.T, ns, name string) {
	t.Helper()
	pods := server.Dynamic().Resource(schema.GroupVersionResource{Version: "v1", Resource: "pods"}).Namespace(ns)
	pod, err := pods.Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	set := func(value any, fields ...string) {
		if err := unstructured.SetNestedField(pod.Object, value, fields...); err != nil {
			t.Fatal(err)
		}
	}
	set([]any{map[string]any{"name": "debugger", "image": "registry.example.com/debug:1"}}, "spec", "ephemeralContainers")
	if pod, err = pods.Update(t.Context(), pod, metav1.UpdateOptions{}, "ephemeralcontainers"); err != nil {
		t.Fatal(err)
	}
	set([]any{map[string]any{"name": "debugger", "image": "registry.example.com/debug:1",
		"imageID": "registry.example.com/debug@" + digest("6a"), "ready": false, "restartCount": int64(0)}}, "status", "ephemeralContainerStatuses")
	if _, err = pods.UpdateStatus(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}
