package deploytest

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	sigsyaml "sigs.k8s.io/yaml"
)

// accepts makes the server check an object as if it were applied.
func accepts(t *testing.T, o *unstructured.Unstructured) {
	t.Helper()
	gvk := o.GroupVersionKind()
	plural := strings.ToLower(gvk.Kind) + "s"
	if gvk.Kind == "NetworkPolicy" {
		plural = "networkpolicies"
	}
	client := server.Dynamic().Resource(schema.GroupVersionResource{Group: gvk.Group, Version: gvk.Version, Resource: plural})
	dry := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict}
	apply := metav1.ApplyOptions{DryRun: []string{metav1.DryRunAll}, FieldManager: "deploytest", Force: true}
	var err, applyErr error
	if ns := o.GetNamespace(); ns != "" {
		_, err = client.Namespace(ns).Create(t.Context(), o, dry)
		_, applyErr = client.Namespace(ns).Apply(t.Context(), o.GetName(), o, apply)
	} else {
		_, err = client.Create(t.Context(), o, dry)
		_, applyErr = client.Apply(t.Context(), o.GetName(), o, apply)
	}
	for _, err := range []error{err, applyErr} {
		if err != nil {
			t.Errorf("%s %s: %v", gvk.Kind, o.GetName(), err)
		}
	}
}

// podOf returns the pod of the workload among the objects.
func podOf(t *testing.T, all []*unstructured.Unstructured) map[string]any {
	t.Helper()
	path := []string{"spec", "template"}
	for _, o := range all {
		switch o.GetKind() {
		case "CronJob":
			path = append([]string{"spec", "jobTemplate"}, path...)
			fallthrough
		case "Deployment":
			pod, found, err := unstructured.NestedMap(o.Object, path...)
			if !found || err != nil {
				t.Fatalf("%s %s has no pod: %v", o.GetKind(), o.GetName(), err)
			}
			return pod
		}
	}
	t.Fatal("no workload")
	return nil
}

func container(t *testing.T, pod map[string]any) map[string]any {
	t.Helper()
	containers, _, err := unstructured.NestedSlice(pod, "spec", "containers")
	if err != nil || len(containers) != 1 {
		t.Fatalf("%d containers, want one: %v", len(containers), err)
	}
	return containers[0].(map[string]any)
}

func argsOf(t *testing.T, pod map[string]any) []string {
	t.Helper()
	args, _, err := unstructured.NestedStringSlice(container(t, pod), "args")
	if err != nil {
		t.Fatal(err)
	}
	return args
}

// hardened creates the pod in a namespace that enforces the Pod Security Standard
// "restricted", and checks what that does not ask for.
func hardened(t *testing.T, pod map[string]any) {
	t.Helper()
	ns := server.Namespace(t)
	namespaces := server.Dynamic().Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"})
	label := []byte(`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"restricted"}}}`)
	if _, err := namespaces.Patch(t.Context(), ns, types.MergePatchType, label, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	podWith := func(spec any) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "regsweep", "namespace": ns}, "spec": spec,
		}}
	}
	// The server enforces it a little later: then it refuses a pod that asks for more.
	pods := server.Dynamic().Resource(schema.GroupVersionResource{Version: "v1", Resource: "pods"}).Namespace(ns)
	privileged := podWith(map[string]any{"hostNetwork": true, "containers": []any{map[string]any{"name": "a", "image": "registry.example.com/a"}}})
	err := wait.PollUntilContextCancel(t.Context(), 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		_, err := pods.Create(ctx, privileged, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if apierrors.IsForbidden(err) {
			return true, nil
		}
		return false, err
	})
	if err != nil {
		t.Fatal(err)
	}
	accepts(t, podWith(pod["spec"]))
	c := container(t, pod)
	if readOnly, _, _ := unstructured.NestedBool(c, "securityContext", "readOnlyRootFilesystem"); !readOnly {
		t.Error("the root file system can be written to")
	}
	if _, found, _ := unstructured.NestedMap(c, "resources", "requests"); !found {
		t.Error("no resources are requested")
	}
	grace, _, _ := unstructured.NestedFieldNoCopy(pod, "spec", "terminationGracePeriodSeconds")
	if seconds, ok := grace.(int64); !ok || seconds < 30 {
		t.Errorf("terminationGracePeriodSeconds is %v, want at least 30", grace)
	}
	// Where it writes, there is a volume.
	mounts, _, _ := unstructured.NestedSlice(c, "volumeMounts")
	for _, want := range []string{"/tmp", "/var/cache/regsweep", "/var/lib/regsweep"} {
		if !slices.ContainsFunc(mounts, func(m any) bool {
			return m.(map[string]any)["mountPath"] == want && m.(map[string]any)["readOnly"] == nil
		}) {
			t.Errorf("no volume at %s", want)
		}
	}
}

// configOf returns the path of a file with the configuration among the objects.
func configOf(t *testing.T, all []*unstructured.Unstructured) string {
	t.Helper()
	text, found, err := unstructured.NestedString(find(t, all, "ConfigMap").Object, "data", "regsweep.yaml")
	if !found || err != nil {
		t.Fatalf("the ConfigMap has no regsweep.yaml: %v", err)
	}
	path := filepath.Join(t.TempDir(), "regsweep.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// right is one thing that somebody may do.
type right struct{ Account, Namespace, Group, Resource, Name, Verb string }

// sameRoles compares the roles among the objects with those that permissions rbac
// prints for the configuration.
func sameRoles(t *testing.T, all []*unstructured.Unstructured, account, config string, flags []string, ns string) {
	t.Helper()
	args := []string{"permissions", "rbac", "--config", config, "--service-account", ns + "/" + account}
	for _, flag := range flags {
		args = append(args, strings.ReplaceAll(flag, "NAMESPACE", ns))
	}
	printed := objects(t, ownRoles(regsweep(t, nil, args...)))
	given := rightsOf(t, all)
	for _, o := range all {
		if strings.HasSuffix(o.GetKind(), "RoleBinding") && len(given) == 0 {
			t.Errorf("%s %s gives nobody anything", o.GetKind(), o.GetName())
		}
	}
	if diff := gocmp.Diff(rightsOf(t, printed), given); diff != "" {
		t.Errorf("rights (-permissions rbac +manifests):\n%s", diff)
	}
}

// ownRoles returns those of the printed documents that are for the cluster that
// regsweep runs in. A comment before the first of each cluster names it.
func ownRoles(text string) string {
	var own []string
	ours := false
	for _, document := range strings.Split(text, "---\n") {
		if strings.HasPrefix(document, "# ") {
			ours = strings.HasPrefix(document, "# The cluster that regsweep runs in")
		}
		if ours {
			own = append(own, document)
		}
	}
	return strings.Join(own, "---\n")
}

// rightsOf returns what the ServiceAccounts that are bound to the roles among the
// objects may do, sorted.
func rightsOf(t *testing.T, all []*unstructured.Unstructured) (rights []right) {
	t.Helper()
	for _, binding := range all {
		if !strings.HasSuffix(binding.GetKind(), "RoleBinding") {
			continue
		}
		var b struct {
			RoleRef  struct{ Kind, Name string }
			Subjects []struct{ Kind, Name, Namespace string }
		}
		convert(t, binding, &b)
		for _, role := range all {
			if role.GetKind() != b.RoleRef.Kind || role.GetName() != b.RoleRef.Name || role.GetNamespace() != binding.GetNamespace() {
				continue
			}
			var r struct {
				Rules []struct{ APIGroups, Resources, ResourceNames, Verbs []string }
			}
			convert(t, role, &r)
			for _, s := range b.Subjects {
				for _, rule := range r.Rules {
					names := rule.ResourceNames
					if len(names) == 0 {
						names = []string{""}
					}
					for _, group := range rule.APIGroups {
						for _, resource := range rule.Resources {
							for _, verb := range rule.Verbs {
								for _, name := range names {
									rights = append(rights, right{s.Kind + " " + s.Namespace + "/" + s.Name, role.GetNamespace(), group, resource, name, verb})
								}
							}
						}
					}
				}
			}
		}
	}
	slices.SortFunc(rights, func(a, b right) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return slices.Compact(rights)
}

func convert(t *testing.T, from *unstructured.Unstructured, to any) {
	t.Helper()
	text, err := from.MarshalJSON()
	if err == nil {
		err = sigsyaml.Unmarshal(text, to)
	}
	if err != nil {
		t.Fatalf("%s %s: %v", from.GetKind(), from.GetName(), err)
	}
}
