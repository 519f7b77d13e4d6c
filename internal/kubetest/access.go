package kubetest

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

var (
	serviceAccounts     = schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}
	clusterRoles        = schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterroles"}
	clusterRoleBindings = clusterRoles.GroupVersion().WithResource("clusterrolebindings")
	roleBindings        = clusterRoles.GroupVersion().WithResource("rolebindings")
	selfAccessReviews   = schema.GroupVersionResource{Group: "authorization.k8s.io", Version: "v1", Resource: "selfsubjectaccessreviews"}
)

// Rule is one RBAC rule.
type Rule struct {
	Verbs           []string
	APIGroups       []string // "" is the core group
	Resources       []string
	ResourceNames   []string // none: every name
	NonResourceURLs []string
	// Namespaces are where the rule holds; none means the whole cluster.
	Namespaces []string
}

// ServiceAccountConfig creates a ServiceAccount that may do what rules say and
// nothing else (but for what Kubernetes grants to everybody: discovery and
// asking for one's own rights). It returns a configuration with a real token
// of that account and the path of a kubeconfig file, whose one context is
// called name, with the same. The rights hold when it returns.
func (s *Server) ServiceAccountConfig(t testing.TB, namespace, name string, rules []Rule) (*rest.Config, string) {
	t.Helper()
	defer s.transport.CloseIdleConnections()
	ctx := t.Context()
	accounts := s.dynamic.Resource(serviceAccounts).Namespace(namespace)
	if _, err := accounts.Create(ctx, newObject("v1", "ServiceAccount", name, nil), metav1.CreateOptions{}); err != nil {
		t.Fatalf("create service account %s/%s: %v", namespace, name, err)
	}
	for i, rule := range rules {
		if err := s.grant(t, namespace, name, fmt.Sprintf("%s:%s:%d", namespace, name, i), rule); err != nil {
			t.Fatalf("grant rules[%d] to service account %s/%s: %v", i, namespace, name, err)
		}
	}

	request := newObject("authentication.k8s.io/v1", "TokenRequest", name, map[string]any{"spec": map[string]any{}})
	answer, err := accounts.Create(ctx, request, metav1.CreateOptions{}, "token")
	if err != nil {
		t.Fatalf("request a token for service account %s/%s: %v", namespace, name, err)
	}
	token, _, err := unstructured.NestedString(answer.Object, "status", "token")
	if err != nil || token == "" {
		t.Fatalf("request a token for service account %s/%s: no token in the answer (%v)", namespace, name, err)
	}
	config := s.Config()
	config.BearerToken = token

	if err := s.waitGranted(ctx, token, rules); err != nil {
		t.Fatalf("wait for the rights of service account %s/%s: %v", namespace, name, err)
	}
	return config, WriteKubeconfig(t, map[string]*rest.Config{name: config})
}

// grant creates a ClusterRole with the rule and binds the account to it, in
// the whole cluster or in the rule's namespaces.
func (s *Server) grant(t testing.TB, namespace, account, roleName string, rule Rule) error {
	const group = "rbac.authorization.k8s.io"
	role := newObject(group+"/v1", "ClusterRole", roleName, map[string]any{"rules": []any{map[string]any{
		"verbs":           anySlice(rule.Verbs),
		"apiGroups":       anySlice(rule.APIGroups),
		"resources":       anySlice(rule.Resources),
		"resourceNames":   anySlice(rule.ResourceNames),
		"nonResourceURLs": anySlice(rule.NonResourceURLs),
	}}})
	binding := map[string]any{
		"roleRef":  map[string]any{"apiGroup": group, "kind": "ClusterRole", "name": roleName},
		"subjects": []any{map[string]any{"kind": "ServiceAccount", "namespace": namespace, "name": account}},
	}
	create := func(client dynamic.ResourceInterface, object *unstructured.Unstructured) error {
		created, err := client.Create(t.Context(), object, metav1.CreateOptions{})
		if err != nil {
			return fmt.Errorf("create %s %s: %w", object.GetKind(), roleName, err)
		}
		s.deleteAtEnd(t, client, created)
		return nil
	}
	if err := create(s.dynamic.Resource(clusterRoles), role); err != nil {
		return err
	}
	if len(rule.Namespaces) == 0 {
		return create(s.dynamic.Resource(clusterRoleBindings), newObject(group+"/v1", "ClusterRoleBinding", roleName, binding))
	}
	for _, ns := range rule.Namespaces {
		if err := create(s.dynamic.Resource(roleBindings).Namespace(ns), newObject(group+"/v1", "RoleBinding", roleName, binding)); err != nil {
			return err
		}
	}
	return nil
}

// WaitGranted returns when the bearer of the configuration may do what rules
// say, which is soon after roles and bindings for it have been applied.
func (s *Server) WaitGranted(t testing.TB, config *rest.Config, rules []Rule) {
	t.Helper()
	defer s.transport.CloseIdleConnections()
	if err := s.waitGranted(t.Context(), config.BearerToken, rules); err != nil {
		t.Fatalf("wait for the rights: %v", err)
	}
}

// waitGranted asks with the account's own token until the server's authorizer,
// which learns of new roles by a watch, allows each rule. A rule comes into
// force as a whole, so its first action stands for it.
func (s *Server) waitGranted(ctx context.Context, token string, rules []Rule) error {
	config := &rest.Config{Host: s.config.Host, BearerToken: token, QPS: -1, Transport: s.transport, WarningHandler: rest.NoWarnings{}}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	for i, rule := range rules {
		for _, spec := range rule.reviews() {
			err := wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
				review := newObject("authorization.k8s.io/v1", "SelfSubjectAccessReview", "", map[string]any{"spec": spec})
				answer, err := client.Resource(selfAccessReviews).Create(ctx, review, metav1.CreateOptions{})
				if err != nil {
					return false, err
				}
				allowed, _, err := unstructured.NestedBool(answer.Object, "status", "allowed")
				return allowed, err
			})
			if err != nil {
				return fmt.Errorf("rules[%d] in %v: %w", i, spec, err)
			}
		}
	}
	return nil
}

// reviews returns one access review spec for each binding of the rule.
func (r Rule) reviews() []map[string]any {
	if len(r.NonResourceURLs) > 0 {
		return []map[string]any{{"nonResourceAttributes": map[string]any{"path": r.NonResourceURLs[0], "verb": r.Verbs[0]}}}
	}
	where := r.Namespaces
	if len(where) == 0 {
		where = []string{""} // all of them
	}
	var specs []map[string]any
	for _, ns := range where {
		attributes := map[string]any{"namespace": ns, "verb": r.Verbs[0], "group": r.APIGroups[0], "resource": r.Resources[0]}
		if len(r.ResourceNames) > 0 {
			attributes["name"] = r.ResourceNames[0]
		}
		specs = append(specs, map[string]any{"resourceAttributes": attributes})
	}
	return specs
}

// WriteKubeconfig writes one kubeconfig file with a context for each name in
// contexts and returns its path. It has no current context unless there is one
// context only. The file goes with the test.
func WriteKubeconfig(t testing.TB, contexts map[string]*rest.Config) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := writeKubeconfig(path, contexts); err != nil {
		t.Fatal(err)
	}
	return path
}

func writeKubeconfig(path string, contexts map[string]*rest.Config) error {
	file := clientcmdapi.NewConfig()
	for name, config := range contexts {
		file.Clusters[name] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
		file.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: config.BearerToken}
		file.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
		if len(contexts) == 1 {
			file.CurrentContext = name
		}
	}
	if err := clientcmd.WriteToFile(*file, path); err != nil {
		return fmt.Errorf("write kubeconfig %s: %w", path, err)
	}
	return nil
}

// newObject returns an object with the further top-level fields given.
func newObject(apiVersion, kind, name string, fields map[string]any) *unstructured.Unstructured {
	object := map[string]any{"apiVersion": apiVersion, "kind": kind, "metadata": map[string]any{"name": name}}
	for k, v := range fields {
		object[k] = v
	}
	return &unstructured.Unstructured{Object: object}
}

// anySlice turns strings into what unstructured objects hold.
func anySlice(in []string) []any {
	out := make([]any, len(in))
	for i, v := range in {
		out[i] = v
	}
	return out
}
