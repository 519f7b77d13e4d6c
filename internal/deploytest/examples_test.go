package deploytest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// TestExamplesAreTheChart compares the manifests of the examples that run in a
// cluster with what the chart makes of their values and configuration; with
// -update it writes them. The API server takes them, and their roles are those
// that permissions rbac prints. What they do is tested in internal/examples.
func TestExamplesAreTheChart(t *testing.T) {
	namespace := read(t, "deploy/kustomize/base/namespace.yaml")
	for _, test := range []struct {
		name, config, values, manifests string
		rbac                            []string
	}{
		{"kube-ecr-cleanup-controller", "regsweep.yaml", "values.yaml", "kubernetes.yaml", []string{"--controller", "--lease", "NAMESPACE/regsweep"}},
		{"kube-ecr-tagger", "regsweep.yaml", "values.yaml", "kubernetes.yaml", []string{"--watch"}},
		{"kube-ecr-tagger", "regsweep-one-tag.yaml", "values.yaml", "", []string{"--watch"}},
		{"kubernetes-cronjob", "regsweep.yaml", "values.yaml", "kubernetes.yaml", []string{"--lease", "NAMESPACE/regsweep"}},
		{"kubernetes-cronjob", "regsweep.yaml", "values-secret.yaml", "", []string{"--lease", "NAMESPACE/regsweep"}},
	} {
		t.Run(test.name+" "+test.config+" "+test.values, func(t *testing.T) {
			values := map[string]any{}
			if err := yaml.Unmarshal([]byte(read(t, "examples", test.name, test.values)), &values); err != nil {
				t.Fatal(err)
			}
			values["config"] = read(t, "examples", test.name, test.config)
			text, err := yaml.Marshal(values)
			if err != nil {
				t.Fatal(err)
			}
			if said := render(t, string(text), "lint", chart, "-"); said != "" {
				t.Errorf("helm lint:\n%s", said)
			}
			rendered := helmLabels.ReplaceAllString(render(t, string(text), "chart", chart, "regsweep", "regsweep", "-"), "")
			if test.manifests != "" {
				path := filepath.Join(root, "examples", test.name, test.manifests)
				if *update {
					header := "# Made of " + test.config + " and " + test.values + " by the Helm chart of deploy/helm; a test keeps it so.\n"
					content := header + namespace + strings.TrimSpace(rendered) + "\n"
					if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, got := byName(objects(t, namespace+rendered)), byName(objects(t, read(t, "examples", test.name, test.manifests)))
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s (-chart +file), write it anew with -update:\n%s", test.manifests, diff)
				}
			}
			ns := server.Namespace(t)
			all := objects(t, regexp.MustCompile(`((?m)^ *namespace: |--lease=)regsweep\b`).ReplaceAllString(rendered, "${1}"+ns))
			for _, o := range all {
				if o.GetNamespace() == "" || o.GetNamespace() == ns {
					accepts(t, o)
				}
			}
			hardened(t, podOf(t, all))
			sameRoles(t, all, "regsweep", configOf(t, all), test.rbac, ns)
		})
	}
}

// TestExamplesInClustersExpectUses checks that what deletes in a cluster, where
// nothing remembers the last run, expects uses of each of its sources.
func TestExamplesInClustersExpectUses(t *testing.T) {
	for _, name := range []string{"kube-ecr-cleanup-controller", "kubernetes-cronjob"} {
		t.Run(name, func(t *testing.T) {
			var config struct{ Usage []struct{ AtLeast int } }
			if err := yaml.Unmarshal([]byte(read(t, "examples", name, "regsweep.yaml")), &config); err != nil {
				t.Fatal(err)
			}
			if len(config.Usage) == 0 {
				t.Fatal("no usage sources")
			}
			for i, source := range config.Usage {
				if source.AtLeast < 1 {
					t.Errorf("usage[%d] has no atLeast", i)
				}
			}
		})
	}
}
