package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/kubetest"
	"github.com/regsweep/regsweep/internal/usage"
)

// roundTripper sends requests by a function, over the transport next.
type roundTripper struct {
	next http.RoundTripper
	send func(*http.Request) (*http.Response, error)
}

func (r roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return r.send(req) }

// WrappedRoundTripper lets client-go close the idle connections.
func (r roundTripper) WrappedRoundTripper() http.RoundTripper { return r.next }

// watched calls before ahead of each request of a configuration.
func watched(config *rest.Config, before func(*http.Request)) *rest.Config {
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper{next, func(r *http.Request) (*http.Response, error) {
			before(r)
			return next.RoundTrip(r)
		}}
	})
	return config
}

func TestCollectLeavesNoGoroutine(t *testing.T) {
	before := goleak.IgnoreCurrent()
	if _, err := sourceFor(server.Config(), Config{CustomResources: true}).Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := goleak.Find(before, kubetest.IgnoreServer()); err != nil {
		t.Error(err)
	}
}

func TestCollectSaysWhoItIs(t *testing.T) {
	var agents atomic.Value
	config := watched(server.Config(), func(r *http.Request) { agents.Store(r.Header.Get("User-Agent")) })
	if _, err := sourceFor(config, Config{}).Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := agents.Load(); got != "regsweep" {
		t.Errorf("user agent %q, want regsweep", got)
	}
}

func TestCollectNamedNamespaces(t *testing.T) {
	a, b, empty := server.Namespace(t), server.Namespace(t), server.Namespace(t)
	server.Apply(t, a, deployment("a", "registry.example.com/a:1"))
	server.Apply(t, b, deployment("b", "registry.example.com/b:1"))
	everywhere := []kubetest.Rule{{Verbs: []string{"list", "get"}, APIGroups: []string{"*"}, Resources: []string{"*"}}}
	wide, _ := server.ServiceAccountConfig(t, a, "wide", everywhere)

	t.Run("only those, with rights only there", func(t *testing.T) {
		c := Config{Namespaces: []string{a, empty, a}}
		findings, err := sourceFor(reader(t, server, a, c), c).Collect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := []usage.Observation{{Holder: a + "/Deployment/a", State: image.Declared, Asked: "registry.example.com/a:1"}}
		if diff := cmp.Diff(want, findings.Observations); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("one of them does not exist", func(t *testing.T) {
		findings, err := sourceFor(wide, Config{Namespaces: []string{b, "no-such-namespace"}}).Collect(t.Context())
		if err == nil || !strings.Contains(err.Error(), "namespace no-such-namespace does not exist") {
			t.Errorf("error %v, want one that names the namespace", err)
		}
		if got := asked(findings.Observations); !slices.Equal(got, []string{"registry.example.com/b:1"}) {
			t.Errorf("found %v beside the error", got)
		}
	})
	t.Run("no rights in one of them", func(t *testing.T) {
		config := reader(t, server, b, Config{Namespaces: []string{b}})
		findings, err := sourceFor(config, Config{Namespaces: []string{a, b}}).Collect(t.Context())
		var denied *AccessError
		if !errors.As(err, &denied) || denied.Namespace != a || !slices.Contains(denied.Resources, "cronjobs.batch") {
			t.Errorf("error %v, want an AccessError for namespace %s", err, a)
		}
		if got := asked(findings.Observations); !slices.Equal(got, []string{"registry.example.com/b:1"}) {
			t.Errorf("found %v beside the error", got)
		}
	})
	t.Run("cluster-scoped custom resources are told to be outside", func(t *testing.T) {
		server.Apply(t, a, strings.NewReplacer("Namespaced", "Cluster", "widgets", "plants", "Widget", "Plant", "widget", "plant").Replace(widgetCRD))
		server.Apply(t, a, "apiVersion: example.com/v1\nkind: Plant\nmetadata: {name: fern}\nspec: {image: registry.example.com/fern}\n")
		named := Config{Namespaces: []string{a}, CustomResources: true}
		findings, err := sourceFor(wide, named).Collect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(findings.Notes) != 1 || !strings.Contains(findings.Notes[0], "1 cluster-scoped") {
			t.Errorf("notes %q, want one about 1 cluster-scoped kind", findings.Notes)
		}
		findings, err = sourceFor(wide, Config{CustomResources: true}).Collect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := usage.Observation{Holder: "Plant/fern", State: image.Declared, Asked: "registry.example.com/fern"}
		if !slices.Contains(findings.Observations, want) || len(findings.Notes) != 0 {
			t.Errorf("the whole cluster: %v, notes %q", findings.Observations, findings.Notes)
		}
	})
}

const widgetCRD = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

// One kind that is denied is an error that names it, and what else there is is
// found all the same.
func TestCollectDeniedKind(t *testing.T) {
	ns := server.Namespace(t)
	server.Apply(t, ns, deployment("web", "registry.example.com/web:1"))
	server.Apply(t, ns, "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: registry.example.com/p:1}]}\n")
	server.Apply(t, ns, widgetCRD)
	server.Apply(t, ns, "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\nspec: {image: registry.example.com/w}\n")

	for _, test := range []struct {
		name   string
		config Config
		denied string
		found  []string
	}{
		{"a workload", Config{}, "deployments.apps", []string{"registry.example.com/p:1"}},
		{"Helm releases", Config{Helm: true}, "secrets", []string{"registry.example.com/p:1", "registry.example.com/web:1"}},
		{"a custom resource", Config{CustomResources: true}, "widgets.example.com", []string{"registry.example.com/p:1", "registry.example.com/web:1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			account := server.Namespace(t)
			var rules []kubetest.Rule
			resource, group, _ := strings.Cut(test.denied, ".")
			for _, r := range Rules(Config{Helm: test.config.Helm}) {
				if r.APIGroups[0] == group {
					r.Resources = slices.DeleteFunc(r.Resources, func(s string) bool { return s == resource })
				}
				rules = append(rules, kubetest.Rule{Verbs: r.Verbs, APIGroups: r.APIGroups, Resources: r.Resources})
			}
			config, _ := server.ServiceAccountConfig(t, account, "reader", rules)
			findings, err := sourceFor(config, test.config).Collect(t.Context())
			var denied *AccessError
			if !errors.As(err, &denied) {
				t.Fatalf("error %v, want an AccessError", err)
			}
			if denied.Verb != "list" || denied.Namespace != "" || !slices.Equal(denied.Resources, []string{test.denied}) {
				t.Errorf("AccessError %+v, want list of %s", denied, test.denied)
			}
			for _, want := range []string{"list " + test.denied, "in all namespaces", "ClusterRole", "reader"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("message lacks %q: %v", want, err)
				}
			}
			if got := asked(in(ns, "", findings.Observations)); !slices.Equal(got, test.found) {
				t.Errorf("found %v beside the error, want %v", got, test.found)
			}
		})
	}
}

// More pods than fit in two pages are all found, in as many calls as there are
// pages.
func TestCollectPages(t *testing.T) {
	const pods = 2*pageSize + 1
	ns := server.Namespace(t)
	create := server.Dynamic().Resource(schema.GroupVersionResource{Version: "v1", Resource: "pods"}).Namespace(ns)
	var workers errgroup.Group
	workers.SetLimit(16)
	for i := range pods {
		workers.Go(func() error {
			_, err := create.Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "v1", "kind": "Pod",
				"metadata": map[string]any{"name": fmt.Sprintf("p%04d", i)},
				"spec": map[string]any{"containers": []any{map[string]any{
					"name": "c", "image": fmt.Sprintf("registry.example.com/app:%d", i)}}},
			}}, metav1.CreateOptions{})
			return err
		})
	}
	if err := workers.Wait(); err != nil {
		t.Fatal(err)
	}
	var pages atomic.Int64
	config := watched(server.Config(), func(r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/pods") {
			pages.Add(1)
		}
	})
	findings, err := sourceFor(config, Config{Namespaces: []string{ns}}).Collect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := len(findings.Observations); got != pods {
		t.Errorf("%d observations, want %d", got, pods)
	}
	if pages.Load() != 3 {
		t.Errorf("%d calls, want 3", pages.Load())
	}
}

func TestCollectCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	config := watched(server.Config(), func(r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/deployments") {
			cancel()
		}
	})
	_, err := sourceFor(config, Config{}).Collect(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	if _, err := sourceFor(config, Config{}).Collect(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: error %v, want context.Canceled", err)
	}
}
