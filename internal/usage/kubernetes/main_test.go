package kubernetes

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/regsweep/regsweep/internal/kubetest"
	"github.com/regsweep/regsweep/internal/usage"
)

var update = flag.Bool("update", false, "write the golden files")

// server is the API server of this package's tests. A test that breaks its
// server has one of its own.
var server *kubetest.Server

func TestMain(m *testing.M) {
	flag.Parse()
	// The fuzzer runs this binary as its worker, and needs no server.
	if f := flag.Lookup("test.fuzzworker"); f != nil && f.Value.String() == "true" {
		os.Exit(m.Run())
	}
	s, stop, err := kubetest.Run(kubetest.Options{Flags: []string{"--feature-gates=ImageVolumeWithDigest=true"}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	server = s
	code := m.Run()
	stop()
	os.Exit(code)
}

// sourceFor returns the source for a configuration of the cluster.
func sourceFor(config *rest.Config, c Config) *source {
	return &source{name: "kubernetes/test", config: c, cluster: cluster{
		name: "test",
		load: func() (*rest.Config, error) { return config, nil },
	}}
}

// reader returns the configuration of a ServiceAccount that has exactly the
// rights that Rules names, in the whole cluster or in the namespaces of c.
func reader(t *testing.T, s *kubetest.Server, ns string, c Config) *rest.Config {
	t.Helper()
	config, _ := s.ServiceAccountConfig(t, ns, "reader", rbac(c))
	return config
}

func rbac(c Config) []kubetest.Rule {
	var rules []kubetest.Rule
	for _, r := range Rules(c) {
		rule := kubetest.Rule{Verbs: r.Verbs, APIGroups: r.APIGroups, Resources: r.Resources}
		if !c.AllNamespaces() {
			rule.Namespaces = c.namespaces()
		}
		rules = append(rules, rule)
	}
	return rules
}

var placeholder = regexp.MustCompile(`(uid|digest|hex)\(([^)]*)\)`)

// apply creates the objects of a YAML stream one by one, so that each can name
// the UIDs of those above it.
func apply(t *testing.T, s *kubetest.Server, ns, manifests string) {
	t.Helper()
	uids := map[string]string{}
	for _, document := range strings.Split(manifests, "\n---\n") {
		document = placeholder.ReplaceAllStringFunc(document, func(match string) string {
			m := placeholder.FindStringSubmatch(match)
			switch m[1] {
			case "digest":
				return digest(m[2])
			case "hex":
				return strings.Repeat(m[2], 32)
			}
			if uids[m[2]] == "" && !strings.Contains(match, "Kind/name") {
				t.Fatalf("no object %s above", m[2])
			}
			return uids[m[2]]
		})
		for _, o := range s.Apply(t, ns, document) {
			uids[o.GetKind()+"/"+o.GetName()] = string(o.GetUID())
		}
	}
}

func digest(xx string) string { return "sha256:" + strings.Repeat(xx, 32) }

// deployment returns a manifest, with no replica.
func deployment(name, image string) string {
	return fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s}
spec:
  replicas: 0
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec: {containers: [{name: app, image: %[2]q}]}
`, name, image)
}

// helmPayload packs a release as Helm does, without the base64 of the Secret.
func helmPayload(t testing.TB, rel any) string {
	t.Helper()
	data, err := json.Marshal(rel)
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(packed.Bytes())
}

// helmSecret returns the manifest of a Secret with one revision of a release.
func helmSecret(name string, revision int, payload string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Secret
type: helm.sh/release.v1
metadata: {name: sh.helm.release.v1.%s.v%d, labels: {owner: helm, name: %s, version: "%d"}}
stringData: {release: %q}
`, name, revision, name, revision, payload)
}

// helmRelease returns the JSON form of a release.
func helmRelease(name, status, manifest string, hooks ...string) map[string]any {
	var h []any
	for i, hook := range hooks {
		h = append(h, map[string]any{"path": fmt.Sprintf("templates/hook%d.yaml", i), "manifest": hook})
	}
	return map[string]any{"name": name, "info": map[string]any{"status": status}, "manifest": manifest, "hooks": h,
		"chart": map[string]any{"templates": []any{map[string]any{"data": "aW1hZ2U6IHt7IC5WYWx1ZXMuaW1hZ2UgfX0="}}}}
}

// in returns the observations of one namespace, with its name replaced.
func in(ns, name string, all []usage.Observation) []usage.Observation {
	var found []usage.Observation
	for _, o := range all {
		if rest, ok := strings.CutPrefix(o.Holder, ns+"/"); ok {
			o.Holder = name + "/" + rest
			found = append(found, o)
		}
	}
	return found
}

// lines renders observations for people.
func lines(all []usage.Observation) string {
	var b strings.Builder
	for _, o := range all {
		fmt.Fprintf(&b, "%-8s %s %s", o.State, o.Holder, o.Asked)
		if o.Got != "" {
			fmt.Fprintf(&b, " -> %s", o.Got)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// asked returns what the observations ask for, sorted.
func asked(all []usage.Observation) []string {
	var refs []string
	for _, o := range all {
		refs = append(refs, o.Asked)
	}
	slices.Sort(refs)
	return refs
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
