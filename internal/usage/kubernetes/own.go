package kubernetes

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/client-go/rest"
)

// Own returns how to reach the cluster that the program belongs to, where its
// Lease and its Events are, and the namespace there: the cluster that it runs in,
// or else the kubeconfig's current context. Unlike for a source the pod goes
// before a kubeconfig: that may name other clusters to read. Without either the
// error says so.
func Own(getenv func(string) string) (config *rest.Config, namespace string, err error) {
	return own(getenv, serviceAccountDir)
}

func own(getenv func(string) string, podDir string) (*rest.Config, string, error) {
	config, inside, err := podConfig(getenv, podDir)
	if err != nil {
		return nil, "", err
	}
	if inside {
		path := filepath.Join(podDir, "namespace")
		namespace, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, "", fmt.Errorf("read the namespace of the pod: %w", err)
		}
		return config, defaultNamespace(strings.TrimSpace(string(namespace))), nil
	}
	files := findKubeconfig("", "", getenv)
	name, err := files.context("")
	if err != nil {
		return nil, "", fmt.Errorf("this is no pod with a ServiceAccount, and %w", err)
	}
	loaded, err := files.load()
	if err != nil {
		return nil, "", err
	}
	config, err = files.config(name)
	return config, defaultNamespace(loaded.Contexts[name].Namespace), err
}

func defaultNamespace(name string) string {
	if name == "" {
		return "default"
	}
	return name
}
