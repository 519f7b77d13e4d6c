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

const chart = root + "/deploy/helm/regsweep"

// valueSets are values of the chart, with what must come of them.
var valueSets = []struct {
	name, values string
	release      string
	kinds        string // what is rendered, sorted
	args         string // of the container
	// rbac are the flags of "permissions rbac" that print the same.
	rbac []string
}{
	{
		name: "defaults", release: "regsweep",
		kinds: "ClusterRole ClusterRoleBinding ConfigMap Deployment NetworkPolicy PodDisruptionBudget Role RoleBinding Service ServiceAccount",
		args:  "controller --lease-name=regsweep --jitter=1m --log-format=json",
		rbac:  []string{"--controller", "--lease", "NAMESPACE/regsweep"},
	},
	{
		name: "a controller with everything", release: "sweep",
		values: `
image: {repository: registry.example.com/regsweep, digest: "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}
imagePullSecrets: [{name: pull}]
journal: s3://example-bucket/journal/
serviceAccount:
  name: sweeper
  annotations: {eks.amazonaws.com/role-arn: "arn:aws:iam::111122223333:role/regsweep"}
controller: {replicas: 1, jitter: 30s, tag: true, port: 9090}
config: |
  version: 1
  registries: [{ecr: {region: eu-west-1}}]
  usage:
    - kubernetes: {namespaces: [EXTRA, default], helm: true}
    - name: all
      kubernetes: {customResources: true}
    - name: other
      kubernetes: {contexts: [other], kubeconfig: /etc/kube/config}
    - ecs: {}
  mode: apply
  controller: {schedule: "0 3 * * *", page: {address: ":9090"}}
serviceMonitor: {enabled: true, labels: {release: prometheus}}
networkPolicy:
  ingressFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
  extraEgress: [{to: [{ipBlock: {cidr: 192.0.2.0/24}}]}]
podDisruptionBudget: {maxUnavailable: 50%}
extraArgs: [-v]
env: [{name: NOTIFY_URL, valueFrom: {secretKeyRef: {name: notify, key: url}}}]
volumes:
  state: {existingClaim: journal}
  extra: [{name: kube, secret: {secretName: kube}}]
  extraMounts: [{name: kube, mountPath: /etc/kube, readOnly: true}]
podAnnotations: {example.com/a: b}
podLabels: {team: platform}
nodeSelector: {kubernetes.io/os: linux}
tolerations: [{key: x, operator: Exists}]
affinity: {nodeAffinity: {}}
priorityClassName: system-cluster-critical
terminationGracePeriodSeconds: 60
`,
		kinds: "ClusterRole ClusterRoleBinding ConfigMap Deployment NetworkPolicy PodDisruptionBudget Role Role Role RoleBinding RoleBinding RoleBinding Service ServiceAccount ServiceMonitor",
		args:  "controller --lease-name=sweep-regsweep --jitter=30s --tag --log-format=json -v",
		rbac:  []string{"--controller", "--lease", "NAMESPACE/sweep-regsweep"},
	},
	{
		name: "a CronJob that applies", release: "regsweep",
		values: `
kind: cronjob
cronjob: {apply: true, notify: true, schedule: "10 6 */3 * *", timeZone: Europe/Berlin, leaseWait: 5m}
envFrom: [{secretRef: {name: aws-credentials}}]
`,
		kinds: "ClusterRole ClusterRoleBinding ConfigMap CronJob NetworkPolicy Role RoleBinding ServiceAccount",
		args:  "apply --yes --lease=NAMESPACE/regsweep --lease-wait=5m --notify --log-format=json",
		rbac:  []string{"--lease", "NAMESPACE/regsweep"},
	},
	{
		name: "a CronJob that plans", release: "regsweep",
		values: `
kind: cronjob
config: |
  version: 1
  registries: [{ecr: {region: eu-west-1}}]
  usage: [{kubernetes: {namespaces: [EXTRA], customResources: true}}]
`,
		kinds: "ConfigMap CronJob NetworkPolicy Role RoleBinding ServiceAccount",
		args:  "plan --log-format=json",
	},
	{
		name: "a tagger", release: "regsweep",
		values: `
kind: tagger
tagger: {apply: true, interval: 10m, namespaces: ["prod-*"], sources: [kubernetes]}
networkPolicy: {enabled: false}
config: |
  version: 1
  registries: [{ecr: {region: eu-west-1}}]
  usage: [{kubernetes: {customResources: true, namespaces: [EXTRA, default]}}]
`,
		kinds: "ConfigMap Deployment Role Role RoleBinding RoleBinding ServiceAccount",
		args:  "tag --watch --interval=10m --yes --namespace=prod-* --source=kubernetes --log-format=json",
		rbac:  []string{"--watch"},
	},
	{
		name: "no cluster is read and somebody else makes the account", release: "regsweep",
		values: `
kind: cronjob
serviceAccount: {create: false, name: mine}
config: |
  version: 1
  registries: [{ecr: {region: eu-west-1}}]
  usage: none
`,
		kinds: "ConfigMap CronJob NetworkPolicy",
		args:  "plan --log-format=json",
	},
}

// TestChart renders the chart by Helm with several sets of values. The linter has
// nothing to say, the API server takes every object, with strict validation and
// the strictest Pod Security Standard, the configuration is one, and the roles
// are those that permissions rbac prints.
func TestChart(t *testing.T) {
	server.Apply(t, "", serviceMonitorCRD)
	for _, set := range valueSets {
		t.Run(set.name, func(t *testing.T) {
			ns, extra := server.Namespace(t), server.Namespace(t)
			fill := strings.NewReplacer("NAMESPACE", ns, "EXTRA", extra)
			values := fill.Replace(set.values)
			if said := render(t, values, "lint", chart, "-"); said != "" {
				t.Errorf("helm lint:\n%s", said)
			}
			all := objects(t, render(t, values, "chart", chart, set.release, ns, "-"))
			var names []string
			for _, o := range all {
				names = append(names, o.GetKind())
				accepts(t, o)
			}
			slices.Sort(names)
			if diff := gocmp.Diff(set.kinds, strings.Join(names, " ")); diff != "" {
				t.Errorf("kinds (-want +got):\n%s", diff)
			}
			pod := podOf(t, all)
			if diff := gocmp.Diff(fill.Replace(set.args), strings.Join(argsOf(t, pod), " ")); diff != "" {
				t.Errorf("arguments (-want +got):\n%s", diff)
			}
			hardened(t, pod)
			account, _, _ := unstructured.NestedString(pod, "spec", "serviceAccountName")
			sameRoles(t, all, account, configOf(t, all), set.rbac, ns)
		})
	}
}

// TestChartRefuses gives the chart values that make no sense.
func TestChartRefuses(t *testing.T) {
	for _, test := range []struct{ name, values, says string }{
		{"an unknown kind", "kind: daemon", "/kind"},
		{"an unknown value", "controler: {replicas: 3}", "controler"},
		{"too little time to end", "terminationGracePeriodSeconds: 10", "/terminationGracePeriodSeconds"},
		{"a digest that is none", "image: {digest: latest}", "/image/digest"},
		{"a journal without a key", "journal: s3://bucket", "/journal"},
		{"a configuration that is none", "config: \"rules: []\"", "/config"},
		{"a configuration that is no YAML", "config: \"version: 1\\na: [\"", "config is no YAML"},
		{"a ServiceMonitor without a Service", "{serviceMonitor: {enabled: true}, service: {enabled: false}}", "needs service.enabled"},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, err := tryRender(t, test.values, "chart", chart, "regsweep", "default", "-")
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("rendered, with the error %v, want %q:\n%s", err, test.says, out)
			}
		})
	}
}

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

// serviceMonitorCRD is as much of the kind of the Prometheus Operator as is used.
const serviceMonitorCRD = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: servicemonitors.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  scope: Namespaced
  names: {plural: servicemonitors, singular: servicemonitor, kind: ServiceMonitor, listKind: ServiceMonitorList}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        required: [spec]
        properties:
          spec:
            type: object
            required: [selector, endpoints]
            properties:
              selector: {type: object, properties: {matchLabels: {type: object, additionalProperties: {type: string}}}}
              endpoints:
                type: array
                items:
                  type: object
                  properties: {port: {type: string}, path: {type: string}, interval: {type: string, pattern: "^[0-9]+(s|m|h)$"}, scrapeTimeout: {type: string}}
`
