package kubernetes

import (
	"slices"

	"github.com/regsweep/regsweep/internal/permissions"
)

// PolicyRule is one RBAC rule.
type PolicyRule = permissions.Rule

// RBAC implements permissions.Kubernetes.
func (c Config) RBAC(watch bool) []permissions.Access {
	contexts := c.Contexts
	if len(contexts) == 0 {
		contexts = []string{""}
	}
	var all []permissions.Access
	for _, name := range contexts {
		access := permissions.Access{Context: name, Kubeconfig: c.Kubeconfig, Rules: Rules(c)}
		if watch {
			access.Rules = WatchRules(c)
		}
		if !c.AllNamespaces() {
			access.Namespaces = c.namespaces()
		}
		all = append(all, access)
	}
	return all
}

// Rules returns the RBAC rules that reading with this configuration needs, one
// for each API group, in the order of the table. They belong into a ClusterRole
// where cfg.AllNamespaces, and else into a Role in each namespace named.
// Discovery needs none: Kubernetes grants it to everybody who is authenticated
// (ClusterRole system:discovery).
//
// RBAC has no word for "every custom resource", so CustomResources needs list
// on everything, Secrets included, which leaves nothing to name. With narrower
// rules each denied kind is a gap.
func Rules(cfg Config) []PolicyRule {
	var rules []PolicyRule
	if cfg.CustomResources {
		rules = append(rules, PolicyRule{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"list"}})
	}
	for _, w := range workloads() {
		if cfg.CustomResources || !w.applies(cfg) {
			continue
		}
		at := slices.IndexFunc(rules, func(r PolicyRule) bool { return r.APIGroups[0] == w.group })
		if at < 0 {
			rules = append(rules, PolicyRule{APIGroups: []string{w.group}, Verbs: []string{"list"}})
			at = len(rules) - 1
		}
		rules[at].Resources = append(rules[at].Resources, w.resource)
	}
	if !cfg.AllNamespaces() {
		rules = append(rules, PolicyRule{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"get"}})
	}
	return rules
}

// WatchRules are Rules with what Watch needs too: the verb watch on the kinds of
// the table, but for Helm releases.
func WatchRules(cfg Config) []PolicyRule {
	rules := Rules(cfg)
	narrow := cfg
	narrow.Helm, narrow.CustomResources = false, false
	for _, r := range Rules(narrow) {
		if !slices.Contains(r.Verbs, "list") {
			continue // the names of namespaces
		}
		at := slices.IndexFunc(rules, func(all PolicyRule) bool {
			return slices.Equal(all.APIGroups, r.APIGroups) && slices.Equal(all.Resources, r.Resources) && slices.Equal(all.Verbs, r.Verbs)
		})
		if at >= 0 {
			rules[at].Verbs = append(slices.Clip(rules[at].Verbs), "watch")
			continue
		}
		r.Verbs = []string{"watch"}
		rules = append(rules, r)
	}
	return rules
}
