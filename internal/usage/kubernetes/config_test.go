package kubernetes

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/regsweep/regsweep/internal/kubetest"
	"github.com/regsweep/regsweep/internal/usage"
)

// env is a world with these variables and this folder.
func env(dir string, variables map[string]string) usage.Env {
	return usage.Env{Dir: dir, Getenv: func(name string) string { return variables[name] }}
}

// contexts writes a kubeconfig with these contexts and returns its path. The
// first is the current one, unless it is "".
func contexts(t *testing.T, dir string, names ...string) string {
	t.Helper()
	config := clientcmdapi.NewConfig()
	config.CurrentContext = names[0]
	for _, name := range names {
		if name == "" {
			continue
		}
		config.Clusters[name] = &clientcmdapi.Cluster{Server: "https://" + name + ".example.com"}
		config.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: "t"}
		config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	}
	path := filepath.Join(dir, "config")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestConfigIsYAML(t *testing.T) {
	var got Config
	err := yaml.Unmarshal([]byte(`{contexts: [prod, staging], kubeconfig: k, namespaces: ["*"], helm: true, customResources: true}`), &got)
	want := Config{Contexts: []string{"prod", "staging"}, Kubeconfig: "k", Namespaces: []string{"*"}, Helm: true, CustomResources: true}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	ab := contexts(t, filepath.Join(dir, "ab"), "a", "b")
	c := contexts(t, filepath.Join(dir, "c"), "c")
	none := contexts(t, filepath.Join(dir, "none"), "", "x", "y")
	stale := contexts(t, filepath.Join(dir, "stale"), "here")
	file, err := clientcmd.LoadFromFile(stale)
	if err != nil {
		t.Fatal(err)
	}
	file.CurrentContext = "gone"
	if err := clientcmd.WriteToFile(*file, stale); err != nil {
		t.Fatal(err)
	}
	garbage := filepath.Join(dir, "garbage")
	if err := os.WriteFile(garbage, []byte("{{{"), 0o600); err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(dir, "home")
	contexts(t, filepath.Join(home, ".kube"), "athome")
	list := func(paths ...string) string { return strings.Join(paths, string(filepath.ListSeparator)) }

	for name, test := range map[string]struct {
		config Config
		env    map[string]string
		want   []string // names
		errs   []string
	}{
		"the current context of the named file": {config: Config{Kubeconfig: ab}, want: []string{"kubernetes/a"}},
		"a relative file":                       {config: Config{Kubeconfig: "c/config"}, want: []string{"kubernetes/c"}},
		"two contexts":                          {config: Config{Kubeconfig: ab, Contexts: []string{"b", "a"}}, want: []string{"kubernetes/b", "kubernetes/a"}},
		"KUBECONFIG":                            {env: map[string]string{"KUBECONFIG": c, "HOME": home}, want: []string{"kubernetes/c"}},
		"KUBECONFIG is a list":                  {config: Config{Contexts: []string{"c", "b"}}, env: map[string]string{"KUBECONFIG": list(ab, "/no/such/file", c)}, want: []string{"kubernetes/c", "kubernetes/b"}},
		"the home folder":                       {env: map[string]string{"HOME": home}, want: []string{"kubernetes/athome"}},
		"a wrong context": {config: Config{Kubeconfig: ab, Contexts: []string{"a", "prod"}},
			errs: []string{`has no context "prod", only a, b`, ab}},
		"a context twice":             {config: Config{Kubeconfig: ab, Contexts: []string{"a", "a"}}, errs: []string{`contexts[1]: "a" is named twice`}},
		"no current context":          {config: Config{Kubeconfig: none}, errs: []string{"has no current context: set contexts to some of x, y"}},
		"the current context is gone": {env: map[string]string{"KUBECONFIG": stale}, errs: []string{`has no context "gone", only here`}},
		"no file":                     {config: Config{Kubeconfig: "nowhere"}, errs: []string{filepath.Join(dir, "nowhere")}},
		"no file at all":              {env: map[string]string{"HOME": dir}, errs: []string{"has no contexts"}},
		"no home":                     {errs: []string{"has no contexts"}},
		"not YAML":                    {config: Config{Kubeconfig: garbage}, errs: []string{garbage}},
		"patterns and contexts are told at once": {config: Config{Kubeconfig: ab, Contexts: []string{"prod"}, Namespaces: []string{"team-*", "shop", "Shop", ""}},
			errs: []string{`namespaces[0]: "team-*": a pattern other than "*" is not possible`, `namespaces[2]: "Shop" is not the name of a namespace`,
				`namespaces[3]: "" is not`, `has no context "prod"`}},
		"a pattern beside all of them": {config: Config{Kubeconfig: ab, Namespaces: []string{"*", "team-?"}}, errs: []string{`namespaces[1]: "team-?"`}},
	} {
		t.Run(name, func(t *testing.T) {
			sources, err := test.config.Open("kubernetes", env(dir, test.env))
			if (err != nil) != (len(test.errs) > 0) {
				t.Fatalf("error %v", err)
			}
			for _, want := range test.errs {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not hold %q", err, want)
				}
			}
			var names []string
			for _, s := range sources {
				names = append(names, s.Name())
			}
			if diff := cmp.Diff(test.want, names); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
		})
	}
}

// Inside a pod the cluster is the pod's own, unless somebody names another.
func TestOpenInCluster(t *testing.T) {
	dir := t.TempDir()
	elsewhere := contexts(t, filepath.Join(dir, "kube"), "elsewhere")
	pod := filepath.Join(dir, "pod")
	if err := os.Mkdir(pod, 0o700); err != nil {
		t.Fatal(err)
	}
	inside, _ := server.ServiceAccountConfig(t, server.Namespace(t), "inside", rbac(Config{}))
	for name, data := range map[string][]byte{"token": []byte(inside.BearerToken), "ca.crt": inside.CAData} {
		if err := os.WriteFile(filepath.Join(pod, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	host, port, err := net.SplitHostPort(strings.TrimPrefix(inside.Host, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port, "HOME": dir}

	for name, test := range map[string]struct {
		config Config
		set    map[string]string
		podDir string
		want   string
	}{
		"nothing else":               {podDir: pod, want: inCluster},
		"a kubeconfig is configured": {config: Config{Kubeconfig: elsewhere}, podDir: pod, want: "elsewhere"},
		"a context is configured":    {config: Config{Contexts: []string{"elsewhere"}}, set: map[string]string{"KUBECONFIG": elsewhere}, podDir: pod, want: "elsewhere"},
		"KUBECONFIG is set":          {set: map[string]string{"KUBECONFIG": elsewhere}, podDir: pod, want: "elsewhere"},
		"no token is mounted":        {set: map[string]string{"HOME": filepath.Dir(contexts(t, filepath.Join(dir, ".kube"), "elsewhere"))}, podDir: dir, want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			all := maps.Clone(variables)
			maps.Copy(all, test.set)
			clusters, err := test.config.clusters(env(dir, all), test.podDir)
			if test.want == "" {
				if err == nil || !strings.Contains(err.Error(), "has no contexts") {
					t.Errorf("error %v, clusters %v", err, clusters)
				}
				return
			}
			if err != nil || len(clusters) != 1 || clusters[0].name != test.want {
				t.Fatalf("error %v, clusters %v, want %s", err, clusters, test.want)
			}
		})
	}

	t.Run("it works", func(t *testing.T) {
		clusters, err := Config{}.clusters(env(dir, variables), pod)
		if err != nil {
			t.Fatal(err)
		}
		s := &source{name: "kubernetes/in-cluster", cluster: clusters[0]}
		if _, err := s.Collect(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(pod, "token")); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Collect(t.Context()); err == nil || !strings.Contains(err.Error(), "token is gone") {
			t.Errorf("without the token: error %v", err)
		}
	})
}

// The whole way: a kubeconfig, its ServiceAccount, and credentials that a
// program prints, which is how EKS does it.
func TestOpenAndCollect(t *testing.T) {
	ns := server.Namespace(t)
	server.Apply(t, ns, deployment("web", "registry.example.com/web:1"))
	config, path := server.ServiceAccountConfig(t, ns, "reader", rbac(Config{}))
	collect := func(t *testing.T) {
		t.Helper()
		sources, err := Config{Kubeconfig: path}.Open("kubernetes", env("", nil))
		if err != nil {
			t.Fatal(err)
		}
		findings, err := sources[0].Collect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := asked(in(ns, "", findings.Observations)); !slices.Equal(got, []string{"registry.example.com/web:1"}) {
			t.Errorf("found %v", got)
		}
	}
	t.Run("a token", collect)

	t.Run("a program that prints one", func(t *testing.T) {
		printed := filepath.Join(t.TempDir(), "credential.json")
		credential := fmt.Sprintf(`{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":%q}}`, config.BearerToken)
		if err := os.WriteFile(printed, []byte(credential), 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := clientcmd.LoadFromFile(path)
		if err != nil {
			t.Fatal(err)
		}
		file.AuthInfos["reader"] = &clientcmdapi.AuthInfo{Exec: &clientcmdapi.ExecConfig{
			APIVersion: "client.authentication.k8s.io/v1", Command: "cat", Args: []string{printed}, InteractiveMode: clientcmdapi.NeverExecInteractiveMode}}
		if err := clientcmd.WriteToFile(*file, path); err != nil {
			t.Fatal(err)
		}
		collect(t)
		file.AuthInfos["reader"].Exec.Command = "no-such-program"
		if err := clientcmd.WriteToFile(*file, path); err != nil {
			t.Fatal(err)
		}
		sources, err := Config{Kubeconfig: path}.Open("kubernetes", env("", nil))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sources[0].Collect(t.Context()); err == nil || !strings.Contains(err.Error(), "cluster reader") || !strings.Contains(err.Error(), "no-such-program") {
			t.Errorf("error %v, want one that names the context and the program", err)
		}
	})
}

func TestCollectUnreachable(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "https://" + listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	path := kubetest.WriteKubeconfig(t, map[string]*rest.Config{"prod": {Host: address}})
	sources, err := Config{Kubeconfig: path, Namespaces: []string{"a", "b"}}.Open("kubernetes", env("", nil))
	if err != nil {
		t.Fatal(err)
	}
	findings, err := sources[0].Collect(t.Context())
	var unreachable *UnreachableError
	if !errors.As(err, &unreachable) {
		t.Fatalf("error %v, want an UnreachableError", err)
	}
	if want := "cluster prod (" + address + ") cannot be reached: "; !strings.HasPrefix(err.Error(), want) || strings.Count(err.Error(), "\n") > 0 {
		t.Errorf("message %q, want one line that begins %q", err, want)
	}
	if len(findings.Observations) > 0 {
		t.Errorf("found %v in a cluster that is not there", findings.Observations)
	}
}

func TestRules(t *testing.T) {
	core := []string{"pods", "replicationcontrollers", "podtemplates"}
	apps := PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"deployments", "statefulsets", "daemonsets", "replicasets", "controllerrevisions"}, Verbs: []string{"list"}}
	batch := PolicyRule{APIGroups: []string{"batch"}, Resources: []string{"jobs", "cronjobs"}, Verbs: []string{"list"}}
	argo := PolicyRule{APIGroups: []string{"argoproj.io"}, Resources: []string{"rollouts"}, Verbs: []string{"list"}}
	all := PolicyRule{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"list"}}
	exists := PolicyRule{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"get"}}
	rule := func(resources ...string) PolicyRule {
		return PolicyRule{APIGroups: []string{""}, Resources: resources, Verbs: []string{"list"}}
	}
	for name, test := range map[string]struct {
		config Config
		want   []PolicyRule
	}{
		"the default":      {want: []PolicyRule{rule(core...), apps, batch, argo}},
		"named namespaces": {config: Config{Namespaces: []string{"shop"}}, want: []PolicyRule{rule(core...), apps, batch, argo, exists}},
		"Helm releases":    {config: Config{Namespaces: []string{"*"}, Helm: true}, want: []PolicyRule{rule(append(core, "secrets")...), apps, batch, argo}},
		"everything":       {config: Config{Helm: true, CustomResources: true}, want: []PolicyRule{all}},
		"everything there": {config: Config{Namespaces: []string{"shop"}, CustomResources: true}, want: []PolicyRule{all, exists}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Rules(test.config)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
