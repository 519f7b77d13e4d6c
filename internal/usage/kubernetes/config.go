package kubernetes

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"k8s.io/client-go/rest"

	"github.com/regsweep/regsweep/internal/usage"
)

// Config is the configuration of the source "kubernetes".
type Config struct {
	// Contexts are the contexts of the kubeconfig to read; each is a source of
	// its own, called name/context. Without any it is the cluster that the
	// program runs in, or else the kubeconfig's current context.
	Contexts []string `yaml:"contexts"`
	// Kubeconfig is a kubeconfig file. Without it the files are those that
	// kubectl reads: KUBECONFIG, or else ~/.kube/config.
	Kubeconfig string `yaml:"kubeconfig"`
	// Namespaces limits what is read to these. Empty, or with "*" among them,
	// it is the whole cluster. A namespace that does not exist is a gap.
	Namespaces []string `yaml:"namespaces"`
	// Helm also reads the revisions of Helm releases that are stored in Secrets.
	Helm bool `yaml:"helm"`
	// CustomResources also searches every custom resource for references.
	CustomResources bool `yaml:"customResources"`
}

var _ usage.Config = Config{}

// allNamespaces is how the configuration writes "every namespace".
const allNamespaces = "*"

// namespaceName is the form of a namespace's name (RFC 1123 label).
var namespaceName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// AllNamespaces reports whether the whole cluster is read.
func (c Config) AllNamespaces() bool {
	return len(c.Namespaces) == 0 || slices.Contains(c.Namespaces, allNamespaces)
}

// namespaces returns the namespaces to list in: [""] for all of them.
func (c Config) namespaces() []string {
	if c.AllNamespaces() {
		return []string{""}
	}
	return slices.Compact(slices.Sorted(slices.Values(c.Namespaces)))
}

// Open returns one source for each context. It reads the kubeconfig but calls
// no cluster. A context that does not exist, a kubeconfig that cannot be read
// and a namespace pattern are errors, all of them at once.
func (c Config) Open(name string, env usage.Env) ([]usage.Source, error) {
	errs := c.checkNamespaces()
	clusters, err := c.clusters(env, serviceAccountDir)
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	sources := make([]usage.Source, len(clusters))
	for i, cluster := range clusters {
		sources[i] = &source{name: name + "/" + cluster.name, cluster: cluster, config: c}
	}
	return sources, nil
}

func (c Config) checkNamespaces() []error {
	var errs []error
	for i, ns := range c.Namespaces {
		switch {
		case ns == allNamespaces || namespaceName.MatchString(ns):
		case strings.ContainsAny(ns, "*?[{!"):
			errs = append(errs, fmt.Errorf("namespaces[%d]: %q: a pattern other than \"*\" is not possible: name each namespace, or read all", i, ns))
		default:
			errs = append(errs, fmt.Errorf("namespaces[%d]: %q is not the name of a namespace", i, ns))
		}
	}
	return errs
}

// cluster is one cluster to read.
type cluster struct {
	name string
	// load returns how to reach it. It is called for each reading.
	load func() (*rest.Config, error)
}

// clusters finds the clusters that the configuration means. A kubeconfig that
// somebody named, in the configuration or by KUBECONFIG, goes before the
// cluster that the program runs in, as with kubectl.
func (c Config) clusters(env usage.Env, podDir string) ([]cluster, error) {
	files := findKubeconfig(c.Kubeconfig, env.Dir, env.Getenv)
	if len(c.Contexts) > 0 {
		return contextClusters(files, c.Contexts)
	}
	if c.Kubeconfig == "" && env.Getenv("KUBECONFIG") == "" {
		if _, inside, err := podConfig(env.Getenv, podDir); err != nil {
			return nil, err
		} else if inside {
			return []cluster{{name: inCluster, load: func() (*rest.Config, error) {
				config, inside, err := podConfig(env.Getenv, podDir)
				if err == nil && !inside {
					err = errors.New("the ServiceAccount token is gone")
				}
				return config, err
			}}}, nil
		}
	}
	return contextClusters(files, []string{""})
}

func contextClusters(files kubeconfig, contexts []string) ([]cluster, error) {
	var clusters []cluster
	var errs []error
	for i, wanted := range contexts {
		name, err := files.context(wanted)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if slices.Contains(contexts[:i], name) {
			errs = append(errs, fmt.Errorf("contexts[%d]: %q is named twice", i, name))
			continue
		}
		clusters = append(clusters, cluster{name: name, load: func() (*rest.Config, error) { return files.config(name) }})
	}
	return clusters, errors.Join(errs...)
}
