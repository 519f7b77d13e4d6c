package deploytest

import (
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
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
  cache: {existingClaim: cache}
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
		// Only a literal true is true here: with false as a default, the program
		// reads neither Secrets nor custom resources.
		name: "rights that the environment decides on", release: "regsweep",
		values: `
kind: cronjob
config: |
  version: 1
  registries: [{ecr: {region: eu-west-1}}]
  usage:
    - kubernetes: {helm: "${env:HELM:-false}", customResources: "${env:CUSTOM_RESOURCES:-false}"}
`,
		kinds: "ClusterRole ClusterRoleBinding ConfigMap CronJob NetworkPolicy ServiceAccount",
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
		{"nobody's ServiceAccount", "serviceAccount: {create: false}", "name yours with serviceAccount.name"},
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

// TestClaims checks that the volumes that may outlive the pod are claims where the
// values name these, and else empty at each start.
func TestClaims(t *testing.T) {
	for _, test := range []struct{ name, values, cache, state string }{
		{"defaults", "", "", ""},
		{"both", "volumes: {cache: {existingClaim: a}, state: {existingClaim: b}}", "a", "b"},
		{"of a CronJob only the cache", "{kind: cronjob, volumes: {cache: {existingClaim: a}}}", "a", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			pod := podOf(t, objects(t, render(t, test.values, "chart", chart, "regsweep", "default", "-")))
			volumes, _, err := unstructured.NestedSlice(pod, "spec", "volumes")
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, v := range volumes {
				volume := v.(map[string]any)
				claim, _, _ := unstructured.NestedString(volume, "persistentVolumeClaim", "claimName")
				if _, empty := volume["emptyDir"]; empty != (claim == "") && volume["name"] != "config" {
					t.Errorf("%v is not just one kind of volume", volume)
				}
				got[volume["name"].(string)] = claim
			}
			want := map[string]string{"config": "", "tmp": "", "cache": test.cache, "state": test.state}
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
		})
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
