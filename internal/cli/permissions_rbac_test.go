package cli_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/regsweep/regsweep/internal/kubetest"
	"github.com/regsweep/regsweep/internal/permissions"
)

// kubernetesConfig is a configuration that reads clusters only. That of the
// registry is not called.
func kubernetesConfig(source string) string {
	return fmt.Sprintf("registries: [{ecr: {region: eu-west-1, account: \"111122223333\"}}]\nusage: [{kubernetes: {contexts: [reader]%s}}]\n", source)
}

// TestRolesOfClusters reads a real cluster by the printed roles, applied as they
// are: that is enough. Without any one resource of them the source is a gap.
func TestRolesOfClusters(t *testing.T) {
	setEnvironment(t)
	server := kubetest.Start(t, kubetest.Options{})
	shop, empty := server.Namespace(t), server.Namespace(t)
	server.Apply(t, shop, cluster)
	for _, test := range []struct {
		name, source string
		uses         []string // of which some must be found
		resources    int
	}{
		{"the whole cluster", "", []string{"Deployment/web", "Rollout/canary"}, 11},
		{"namespaces", fmt.Sprintf(", namespaces: [%s, %s]", shop, empty), []string{"Deployment/web", "Rollout/canary"}, 12},
		{"Helm", ", helm: true", []string{"Deployment/web"}, 12},
		{"custom resources", ", customResources: true", []string{"Deployment/web", "Widget/gear"}, 1},
		{"custom resources in a namespace", fmt.Sprintf(", customResources: true, namespaces: [%s, %s]", shop, empty), []string{"Widget/gear"}, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := kubernetesConfig(test.source)
			account := server.Namespace(t)
			reader, kubeconfig := server.ServiceAccountConfig(t, account, "reader", nil)
			if o := readCluster(t, config, kubeconfig); o.Code != 4 {
				t.Fatalf("without any role: exit code %d\n%s", o.Code, o.Stdout)
			}
			o := runCLI(t, config, "permissions", "rbac", "--name", account, "--service-account", account+"/reader")
			if o.Code != 0 || o.Stderr != "" {
				t.Fatalf("exit code %d\n%s", o.Code, o.Stderr)
			}
			rules := rulesOf(t, server.Apply(t, "", o.Stdout))
			server.WaitGranted(t, reader, rules)
			if o = readCluster(t, config, kubeconfig); o.Code != 0 {
				t.Fatalf("with the printed roles: exit code %d\n%s", o.Code, o.Stdout)
			}
			for _, use := range test.uses {
				if !strings.Contains(o.Stdout, shop+"/"+use) {
					t.Errorf("the use %s was not found:\n%s", use, o.Stdout)
				}
			}

			left := map[[2]string]bool{}
			for _, rule := range rules {
				for _, resource := range rule.Resources {
					if left[[2]string{rule.APIGroups[0], resource}] {
						continue // in another namespace
					}
					left[[2]string{rule.APIGroups[0], resource}] = true
					less := withoutResource(rules, rule.APIGroups, resource)
					_, kubeconfig := server.ServiceAccountConfig(t, server.Namespace(t), "reader", less)
					if o := readCluster(t, config, kubeconfig); o.Code != 4 || resource != "*" && !strings.Contains(o.Stdout, resource) {
						t.Errorf("without %s of %q: exit code %d\n%s", resource, rule.APIGroups, o.Code, o.Stdout)
					}
				}
			}
			if len(left) != test.resources {
				t.Errorf("%d resources were left out, want %d", len(left), test.resources)
			}
		})
	}
}

// withoutResource returns the rules without a resource of a group.
func withoutResource(rules []kubetest.Rule, groups []string, resource string) (less []kubetest.Rule) {
	for _, r := range rules {
		if slices.Equal(r.APIGroups, groups) {
			r.Resources = slices.DeleteFunc(slices.Clone(r.Resources), func(s string) bool { return s == resource })
		}
		if len(r.Resources) > 0 {
			less = append(less, r)
		}
	}
	return less
}

// readCluster reads what is in use.
func readCluster(t *testing.T, config, kubeconfig string) outcome {
	t.Helper()
	t.Setenv("KUBECONFIG", kubeconfig)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	return runCLI(t, config, "usage", "--all")
}

// rulesOf returns the rules of the roles among the objects.
func rulesOf(t *testing.T, objects []*unstructured.Unstructured) (rules []kubetest.Rule) {
	t.Helper()
	for _, o := range objects {
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
	}
	return rules
}

// cluster is a workload, one of Argo Rollouts, and a custom resource.
const cluster = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: app, image: "registry.example.com/web:1"}]}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: rollouts.argoproj.io}
spec:
  group: argoproj.io
  scope: Namespaced
  names: {plural: rollouts, singular: rollout, kind: Rollout, listKind: RolloutList}
  versions:
  - name: v1alpha1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
---
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: canary}
spec:
  selector: {matchLabels: {app: canary}}
  template:
    metadata: {labels: {app: canary}}
    spec: {containers: [{name: app, image: "registry.example.com/canary:1"}]}
---
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
---
apiVersion: example.com/v1
kind: Widget
metadata: {name: gear}
spec: {image: "registry.example.com/gear:1"}
`
