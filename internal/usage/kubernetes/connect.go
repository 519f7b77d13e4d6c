package kubernetes

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/connrotation"
)

const (
	// dialTimeout bounds connecting to an API server.
	dialTimeout = 10 * time.Second
	userAgent   = "regsweep"
	// inCluster is the name of the cluster that the program itself runs in.
	inCluster = "in-cluster"
	// serviceAccountDir is where Kubernetes mounts a pod's credentials
	// (https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/).
	serviceAccountDir = "/var/run/secrets/kubernetes.io/serviceaccount"
)

// client calls one API server.
type client struct {
	rest   *rest.RESTClient
	http   *http.Client
	dialer *connrotation.Dialer
	// cluster names the context and the server in errors.
	cluster string
}

// newClient makes a client and sends nothing. There is no limit on the client's
// side: the API server has its own (priority and fairness), and client-go waits
// as its 429 answers say.
func newClient(name string, config *rest.Config) (*client, error) {
	config = dynamic.ConfigFor(config) // plain JSON
	config.UserAgent = userAgent
	config.QPS, config.Burst = -1, -1
	dialer := connrotation.NewDialer((&net.Dialer{Timeout: dialTimeout}).DialContext)
	config.Dial = dialer.DialContext
	config.WarningHandler = rest.NoWarnings{}
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", name, err)
	}
	restClient, err := rest.UnversionedRESTClientForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", name, err)
	}
	return &client{rest: restClient, http: httpClient, dialer: dialer, cluster: fmt.Sprintf("cluster %s (%s)", name, config.Host)}, nil
}

// close ends the connections: also one that a request which was broken off has
// not given back yet.
func (c *client) close() {
	utilnet.CloseIdleConnectionsFor(c.http.Transport)
	c.dialer.CloseAll()
}

// kubeconfig is where contexts are read from.
type kubeconfig struct {
	// explicit is the file that the configuration names, or "".
	explicit string
	// chain is what kubectl would read, merged: earlier files win.
	chain []string
}

// findKubeconfig follows kubectl: KUBECONFIG is a list of files, and the
// default is ~/.kube/config.
func findKubeconfig(explicit, dir string, getenv func(string) string) kubeconfig {
	if explicit != "" {
		if !filepath.IsAbs(explicit) {
			explicit = filepath.Join(dir, explicit)
		}
		return kubeconfig{explicit: explicit}
	}
	if list := getenv(clientcmd.RecommendedConfigPathEnvVar); list != "" {
		return kubeconfig{chain: filepath.SplitList(list)}
	}
	for _, variable := range []string{"HOME", "USERPROFILE"} {
		if home := getenv(variable); home != "" {
			return kubeconfig{chain: []string{filepath.Join(home, ".kube", "config")}}
		}
	}
	return kubeconfig{}
}

// String names the files in errors.
func (k kubeconfig) String() string {
	if k.explicit != "" {
		return "kubeconfig " + k.explicit
	}
	return "kubeconfig " + strings.Join(k.chain, string(filepath.ListSeparator))
}

// load reads the files. Files of the chain that do not exist count as empty.
func (k kubeconfig) load() (*clientcmdapi.Config, error) {
	rules := clientcmd.ClientConfigLoadingRules{ExplicitPath: k.explicit, Precedence: k.chain}
	config, err := rules.Load()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", k, err)
	}
	return config, nil
}

// context checks that a context exists, and returns its name; "" is the current
// one.
func (k kubeconfig) context(name string) (string, error) {
	config, err := k.load()
	if err != nil {
		return "", err
	}
	if name == "" {
		name = config.CurrentContext
	}
	known := strings.Join(slices.Sorted(maps.Keys(config.Contexts)), ", ")
	switch {
	case len(config.Contexts) == 0:
		return "", fmt.Errorf("%s has no contexts", k)
	case name == "":
		return "", fmt.Errorf("%s has no current context: set contexts to some of %s", k, known)
	case config.Contexts[name] == nil:
		return "", fmt.Errorf("%s has no context %q, only %s", k, name, known)
	}
	return name, nil
}

// Contexts returns the contexts of the kubeconfig that kubectl would read, one for
// each cluster: the current one first, the others by name. There are none where the
// program runs in a cluster and nobody named a kubeconfig, nor without a kubeconfig.
func Contexts(getenv func(string) string) ([]string, error) {
	return contextsOf(getenv, serviceAccountDir)
}

func contextsOf(getenv func(string) string, podDir string) ([]string, error) {
	if getenv(clientcmd.RecommendedConfigPathEnvVar) == "" {
		if _, inside, err := podConfig(getenv, podDir); inside || err != nil {
			return nil, err
		}
	}
	config, err := findKubeconfig("", "", getenv).load()
	if err != nil {
		return nil, err
	}
	names := slices.Sorted(maps.Keys(config.Contexts))
	if config.Contexts[config.CurrentContext] != nil {
		names = slices.Insert(names, 0, config.CurrentContext)
	}
	var all []string
	clusters := map[string]bool{}
	for _, name := range names {
		if cluster := config.Contexts[name].Cluster; !clusters[cluster] {
			clusters[cluster] = true
			all = append(all, name)
		}
	}
	return all, nil
}

// config reads the files again, since credentials in them can change while a
// long-running program holds the source.
func (k kubeconfig) config(context string) (*rest.Config, error) {
	loaded, err := k.load()
	if err != nil {
		return nil, err
	}
	config, err := clientcmd.NewNonInteractiveClientConfig(*loaded, context, &clientcmd.ConfigOverrides{}, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("%s, context %s: %w", k, context, err)
	}
	return config, nil
}

// podConfig returns the configuration of the cluster that the program runs in,
// and false where it runs in none or has no ServiceAccount token.
func podConfig(getenv func(string) string, dir string) (*rest.Config, bool, error) {
	host, port := getenv("KUBERNETES_SERVICE_HOST"), getenv("KUBERNETES_SERVICE_PORT")
	token, ca := filepath.Join(dir, "token"), filepath.Join(dir, "ca.crt")
	if host == "" || port == "" {
		return nil, false, nil
	}
	if _, err := os.Stat(token); errors.Is(err, os.ErrNotExist) {
		return nil, false, nil
	} else if err != nil {
		return nil, false, fmt.Errorf("read the ServiceAccount token: %w", err)
	}
	return &rest.Config{
		Host:            "https://" + net.JoinHostPort(host, port),
		TLSClientConfig: rest.TLSClientConfig{CAFile: ca},
		BearerTokenFile: token, // read again when it has been renewed
	}, true, nil
}
