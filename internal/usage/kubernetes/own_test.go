package kubernetes

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOwn(t *testing.T) {
	pod, bare := t.TempDir(), t.TempDir()
	for path, content := range map[string]string{
		filepath.Join(pod, "token"): "secret", filepath.Join(pod, "namespace"): "ops\n", filepath.Join(bare, "token"): "secret",
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kubeconfig := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(kubeconfig, []byte(`
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://cluster.example.com"}}]
users: [{name: u, user: {token: x}}]
contexts: [{name: here, context: {cluster: c, user: u, namespace: shop}}, {name: plain, context: {cluster: c, user: u}}]
current-context: here
`), 0o600); err != nil {
		t.Fatal(err)
	}
	inside := map[string]string{"KUBERNETES_SERVICE_HOST": "192.0.2.1", "KUBERNETES_SERVICE_PORT": "443"}
	for _, test := range []struct {
		name, dir, kubeconfig, host, namespace, fails string
		env                                           map[string]string
	}{
		{name: "in a pod", dir: pod, env: inside, host: "https://192.0.2.1:443", namespace: "ops"},
		{name: "in a pod that reads other clusters", dir: pod, env: inside, kubeconfig: kubeconfig, host: "https://192.0.2.1:443", namespace: "ops"},
		{name: "in a pod without the file", dir: bare, env: inside, host: "https://192.0.2.1:443", namespace: "default"},
		{name: "kubeconfig", dir: pod, kubeconfig: kubeconfig, host: "https://cluster.example.com", namespace: "shop"},
		{name: "neither", dir: pod, kubeconfig: os.DevNull, fails: "this is no pod with a ServiceAccount"},
	} {
		t.Run(test.name, func(t *testing.T) {
			config, namespace, err := own(func(name string) string {
				if name == "KUBECONFIG" {
					return test.kubeconfig
				}
				return test.env[name]
			}, test.dir)
			if test.fails != "" {
				if err == nil || !strings.Contains(err.Error(), test.fails) {
					t.Fatalf("error %v, want %q", err, test.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if config.Host != test.host || namespace != test.namespace {
				t.Errorf("%s in %s, want %s in %s", namespace, config.Host, test.namespace, test.host)
			}
		})
	}
}

func TestContexts(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "token"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "config")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const clusters = `
apiVersion: v1
kind: Config
contexts:
- {name: b-shop, context: {cluster: b, namespace: shop}}
- {name: c, context: {cluster: c}}
- {name: b, context: {cluster: b}}
- {name: a, context: {cluster: a}}
`
	inside := map[string]string{"KUBERNETES_SERVICE_HOST": "192.0.2.1", "KUBERNETES_SERVICE_PORT": "443"}
	for _, test := range []struct {
		name, kubeconfig, fails string
		env                     map[string]string
		want                    []string
	}{
		{name: "one for each cluster, the current one first", kubeconfig: file(clusters + "current-context: b-shop\n"), want: []string{"b-shop", "a", "c"}},
		{name: "no current one", kubeconfig: file(clusters), want: []string{"a", "b", "c"}},
		{name: "in a pod", env: inside},
		{name: "in a pod, with a kubeconfig", env: inside, kubeconfig: file(clusters), want: []string{"a", "b", "c"}},
		{name: "no file", kubeconfig: filepath.Join(dir, "none")},
		{name: "no kubeconfig", kubeconfig: file("{"), fails: "read kubeconfig"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := contextsOf(func(name string) string {
				if name == "KUBECONFIG" {
					return test.kubeconfig
				}
				return test.env[name]
			}, dir)
			if (err != nil) != (test.fails != "") || err != nil && !strings.Contains(err.Error(), test.fails) {
				t.Fatalf("error %v, want %q", err, test.fails)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
