package kubetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
)

// settleTimeout bounds waiting for the API server to act on what it stored: usually
// some milliseconds, and more where other tests run at the same time.
const settleTimeout = 3 * time.Minute

var (
	namespaces = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	crds       = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
)

// Namespace creates a namespace with a name of its own and returns the name.
// When the test ends, the namespace goes with all that is in it, unless the
// server was killed by then.
func (s *Server) Namespace(t testing.TB) string {
	t.Helper()
	defer s.transport.CloseIdleConnections()
	ns, err := s.dynamic.Resource(namespaces).Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1",
		"kind":       "Namespace",
		"metadata":   map[string]any{"generateName": "test-"},
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("create namespace: %v", err)
	}
	name := ns.GetName()
	s.cleanup(t, func(ctx context.Context) error { return s.deleteNamespace(ctx, name) })
	return name
}

// Apply creates the objects of a YAML stream, in order, and returns them as
// the server stored them.
//
//   - A namespaced object without metadata.namespace goes to namespace.
//   - An object with a status gets that status by a second call, as a
//     controller or kubelet would write it.
//   - A CustomResourceDefinition is waited for until the server serves its
//     kind, so that its resources can follow in the same stream.
//   - A cluster-scoped object is deleted when the test ends; the others go with
//     their namespace.
//
// An object that exists already is an error.
func (s *Server) Apply(t testing.TB, namespace, manifests string) []*unstructured.Unstructured {
	t.Helper()
	defer s.transport.CloseIdleConnections()
	objects, err := parse(manifests)
	if err != nil {
		t.Fatalf("parse manifests: %v", err)
	}
	stored := make([]*unstructured.Unstructured, len(objects))
	for i, object := range objects {
		what := fmt.Sprintf("%s %s (document %d)", object.GetKind(), object.GetName(), i+1)
		client, namespaced, err := s.clientFor(object, namespace)
		if err != nil {
			t.Fatalf("create %s: %v", what, err)
		}
		status, hasStatus := object.Object["status"]
		created, err := client.Create(t.Context(), object, metav1.CreateOptions{})
		if err != nil {
			t.Fatalf("create %s: %v", what, err)
		}
		if !namespaced {
			s.deleteAtEnd(t, client, created)
		}
		if hasStatus {
			created.Object["status"] = status
			if created, err = client.UpdateStatus(t.Context(), created, metav1.UpdateOptions{}); err != nil {
				t.Fatalf("update status of %s: %v", what, err)
			}
		}
		if isCRD(created) {
			if err := s.waitServed(t.Context(), created, true); err != nil {
				t.Fatalf("wait until %s is served: %v", what, err)
			}
		}
		stored[i] = created
	}
	return stored
}

// parse reads the documents of a YAML stream and leaves out empty ones.
func parse(manifests string) ([]*unstructured.Unstructured, error) {
	const buffer = 4096 // how much is looked at to tell JSON from YAML
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(manifests), buffer)
	var objects []*unstructured.Unstructured
	for {
		var document runtime.RawExtension
		if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
			return objects, nil
		} else if err != nil {
			return nil, err
		}
		if len(document.Raw) == 0 || string(document.Raw) == "null" {
			continue
		}
		var object unstructured.Unstructured
		if err := object.UnmarshalJSON(document.Raw); err != nil {
			return nil, err
		}
		objects = append(objects, &object)
	}
}

// clientFor returns the client for the object's kind, in its own namespace or
// else the given one, and tells whether the kind is namespaced.
func (s *Server) clientFor(object *unstructured.Unstructured, namespace string) (dynamic.ResourceInterface, bool, error) {
	gvk := object.GroupVersionKind()
	list, err := s.discovery.ServerResourcesForGroupVersion(gvk.GroupVersion().String())
	if err != nil {
		return nil, false, fmt.Errorf("discover %s: %w", gvk.GroupVersion(), err)
	}
	for _, r := range list.APIResources {
		if r.Kind != gvk.Kind || strings.Contains(r.Name, "/") {
			continue
		}
		client := s.dynamic.Resource(gvk.GroupVersion().WithResource(r.Name))
		if !r.Namespaced {
			return client, false, nil
		}
		if own := object.GetNamespace(); own != "" {
			namespace = own
		}
		return client.Namespace(namespace), true, nil
	}
	return nil, false, fmt.Errorf("the server knows no kind %s in %s", gvk.Kind, gvk.GroupVersion())
}

// deleteAtEnd deletes a cluster-scoped object when the test ends.
func (s *Server) deleteAtEnd(t testing.TB, client dynamic.ResourceInterface, object *unstructured.Unstructured) {
	s.cleanup(t, func(ctx context.Context) error {
		err := client.Delete(ctx, object.GetName(), metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete %s %s: %w", object.GetKind(), object.GetName(), err)
		}
		if isCRD(object) {
			// Or the next test would discover a kind that is on its way out.
			return s.waitServed(ctx, object, false)
		}
		return nil
	})
}

// deleteNamespace does what a cluster's namespace controller would do: empties
// the namespace and takes the finalizer off, without which it would stay.
func (s *Server) deleteNamespace(ctx context.Context, name string) error {
	client := s.dynamic.Resource(namespaces)
	if err := client.Delete(ctx, name, metav1.DeleteOptions{}); apierrors.IsNotFound(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("delete namespace %s: %w", name, err)
	}
	lists, err := s.discovery.ServerPreferredNamespacedResources()
	if err != nil {
		return fmt.Errorf("empty namespace %s: discover resources: %w", name, err)
	}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return fmt.Errorf("empty namespace %s: %w", name, err)
		}
		for _, r := range list.APIResources {
			if !slices.Contains(r.Verbs, "deletecollection") {
				continue
			}
			now, background := int64(0), metav1.DeletePropagationBackground
			err := s.dynamic.Resource(gv.WithResource(r.Name)).Namespace(name).DeleteCollection(ctx,
				metav1.DeleteOptions{GracePeriodSeconds: &now, PropagationPolicy: &background}, metav1.ListOptions{})
			// A custom resource's kind may have gone since it was discovered.
			if err != nil && !apierrors.IsNotFound(err) {
				return fmt.Errorf("empty namespace %s of %s: %w", name, r.Name, err)
			}
		}
	}
	ns, err := client.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("finalize namespace %s: %w", name, err)
	}
	unstructured.RemoveNestedField(ns.Object, "spec", "finalizers")
	if _, err := client.Update(ctx, ns, metav1.UpdateOptions{}, "finalize"); err != nil {
		return fmt.Errorf("finalize namespace %s: %w", name, err)
	}
	return nil
}

func isCRD(object *unstructured.Unstructured) bool {
	return object.GroupVersionKind().GroupKind() == schema.GroupKind{Group: crds.Group, Kind: "CustomResourceDefinition"}
}

// waitServed waits until the server serves every served version of a
// CustomResourceDefinition, or none of them, in both forms of discovery: they
// are filled at different moments.
func (s *Server) waitServed(ctx context.Context, crd *unstructured.Unstructured, want bool) error {
	group, _, err := unstructured.NestedString(crd.Object, "spec", "group")
	if err != nil {
		return err
	}
	plural, _, err := unstructured.NestedString(crd.Object, "spec", "names", "plural")
	if err != nil {
		return err
	}
	versions, _, err := unstructured.NestedSlice(crd.Object, "spec", "versions")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	for _, version := range versions {
		v, ok := version.(map[string]any)
		if !ok || v["served"] != true {
			continue
		}
		gvr := schema.GroupVersionResource{Group: group, Version: fmt.Sprint(v["name"]), Resource: plural}
		err := wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
			return s.served(ctx, gvr, want)
		})
		if err != nil {
			return fmt.Errorf("%s: served %t: %w", gvr, want, err)
		}
	}
	return nil
}

// served tells whether both forms of discovery and, if wanted, a list say what
// is wanted of gvr.
func (s *Server) served(ctx context.Context, gvr schema.GroupVersionResource, want bool) (bool, error) {
	single, err := s.discovery.ServerResourcesForGroupVersion(gvr.GroupVersion().String())
	if err != nil && !apierrors.IsNotFound(err) {
		return false, err
	}
	if (err == nil && lists(single, gvr)) != want {
		return false, nil
	}
	_, all, err := s.discovery.ServerGroupsAndResources()
	if failed := (*discovery.ErrGroupDiscoveryFailed)(nil); err != nil && !errors.As(err, &failed) {
		return false, err
	}
	found := slices.ContainsFunc(all, func(l *metav1.APIResourceList) bool { return lists(l, gvr) })
	if found != want || !want {
		return found == want, nil
	}
	_, err = s.dynamic.Resource(gvr).List(ctx, metav1.ListOptions{Limit: 1})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

func lists(l *metav1.APIResourceList, gvr schema.GroupVersionResource) bool {
	return l.GroupVersion == gvr.GroupVersion().String() &&
		slices.ContainsFunc(l.APIResources, func(r metav1.APIResource) bool { return r.Name == gvr.Resource })
}

// cleanup runs f when the test ends, unless the server is killed by then: what
// it holds goes with it.
func (s *Server) cleanup(t testing.TB, f func(context.Context) error) {
	t.Cleanup(func() {
		if !s.running() {
			return
		}
		defer s.transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), settleTimeout)
		defer cancel()
		if err := f(ctx); err != nil {
			t.Errorf("clean up after the test: %v", err)
		}
	})
}
