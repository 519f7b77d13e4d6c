package deploytest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// helmLabels are the lines with labels that say that Helm made an object.
var helmLabels = regexp.MustCompile(`(?m)^ *(helm\.sh/chart|app\.kubernetes\.io/managed-by):.*\n`)

// plainHeader begins the plain manifests.
const plainHeader = `# regsweep controller, planning only: kubectl apply --server-side -f regsweep.yaml
# The objects are those of the Helm chart with its default values; a test keeps
# them so. Change the configuration in the ConfigMap and the role in AWS of the
# ServiceAccount.
`

// baseFiles are the files of the kustomize base by the kinds in them.
var baseFiles = map[string]string{
	"ServiceAccount": "serviceaccount.yaml", "Deployment": "deployment.yaml", "Service": "service.yaml",
	"PodDisruptionBudget": "poddisruptionbudget.yaml", "NetworkPolicy": "networkpolicy.yaml",
	"ClusterRole": "rbac.yaml", "ClusterRoleBinding": "rbac.yaml", "Role": "rbac.yaml", "RoleBinding": "rbac.yaml",
}

// TestPlainManifestsAndKustomizeAreTheChart compares three forms of the same
// objects: the chart with its default values, the plain manifests and the
// kustomize base. With -update it writes the latter two.
func TestPlainManifestsAndKustomizeAreTheChart(t *testing.T) {
	rendered := helmLabels.ReplaceAllString(render(t, "", "chart", chart, "regsweep", "regsweep"), "")
	namespace := read(t, "deploy/kustomize/base/namespace.yaml")
	if *update {
		writeManifests(t, rendered, namespace)
	}
	want := byName(objects(t, rendered+"\n---\n"+namespace))
	plain := read(t, "deploy/kubernetes/regsweep.yaml")
	if diff := cmp.Diff(want, byName(objects(t, plain))); diff != "" {
		t.Errorf("deploy/kubernetes (-chart +manifests), write it anew with -update:\n%s", diff)
	}
	base := render(t, "", "kustomize", root+"/deploy/kustomize/base")
	if diff := cmp.Diff(want, byName(objects(t, base))); diff != "" {
		t.Errorf("deploy/kustomize/base (-chart +kustomize), write it anew with -update:\n%s", diff)
	}
}

func writeManifests(t *testing.T, rendered, namespace string) {
	t.Helper()
	documents := strings.Split(strings.TrimPrefix(rendered, "---\n"), "\n---\n")
	files := map[string]string{"kubernetes/regsweep.yaml": plainHeader + namespace}
	for _, document := range documents {
		text := strings.TrimSpace(document) + "\n"
		files["kubernetes/regsweep.yaml"] += "---\n" + text
		o := objects(t, text)[0]
		path := "kustomize/base/" + baseFiles[o.GetKind()]
		if o.GetKind() == "ConfigMap" {
			config, _, _ := unstructured.NestedString(o.Object, "data", "regsweep.yaml")
			files["kustomize/base/regsweep.yaml"] = config
			continue
		}
		if files[path] != "" {
			text = "---\n" + text
		}
		files[path] += text
	}
	for path, text := range files {
		if err := os.WriteFile(filepath.Join(root, "deploy", path), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func byName(all []*unstructured.Unstructured) map[string]map[string]any {
	named := map[string]map[string]any{}
	for _, o := range all {
		named[o.GetKind()+" "+o.GetNamespace()+"/"+o.GetName()] = o.Object
	}
	return named
}

// TestManifestsAreAccepted applies the plain manifests and the kustomize overlay
// to the API server; their roles are those that permissions rbac prints.
func TestManifestsAreAccepted(t *testing.T) {
	for _, test := range []struct{ name, stream string }{
		{"plain manifests", read(t, "deploy/kubernetes/regsweep.yaml")},
		{"the overlay apply", render(t, "", "kustomize", root+"/deploy/kustomize/overlays/apply")},
	} {
		t.Run(test.name, func(t *testing.T) {
			// A namespace of this test's own, since it cannot be made twice.
			ns := server.Namespace(t)
			all := objects(t, regexp.MustCompile(`(?m)(^ *namespace: )regsweep$`).ReplaceAllString(test.stream, "${1}"+ns))
			for _, o := range all {
				accepts(t, o)
			}
			hardened(t, podOf(t, all))
			sameRoles(t, all, "regsweep", configOf(t, all), []string{"--controller", "--lease", ns + "/regsweep"}, ns)
		})
	}
}
