package kubernetes

import "slices"

// PolicyRule is one RBAC rule: these verbs on these resources of these API
// groups ("" is the core group).
type PolicyRule struct {
	APIGroups []string `json:"apiGroups" yaml:"apiGroups"`
	Resources []string `json:"resources" yaml:"resources"`
	Verbs     []string `json:"verbs" yaml:"verbs"`
}

// Rules returns the RBAC rules that reading with this configuration needs, one
// for each API group, in the order of the table. They belong into a ClusterRole
// where cfg.AllNamespaces, and else into a Role in each namespace named.
// Discovery needs none: Kubernetes grants it to everybody who is authenticated
// (ClusterRole system:discovery).
//
// RBAC has no word for "every custom resource", so CustomResources needs list
// on everything, Secrets included. With narrower rules each denied kind is a
// gap.
func Rules(cfg Config) []PolicyRule {
	var rules []PolicyRule
	for _, w := range workloads() {
		if !w.applies(cfg) {
			continue
		}
		at := slices.IndexFunc(rules, func(r PolicyRule) bool { return r.APIGroups[0] == w.group })
		if at < 0 {
			rules = append(rules, PolicyRule{APIGroups: []string{w.group}, Verbs: []string{"list"}})
			at = len(rules) - 1
		}
		rules[at].Resources = append(rules[at].Resources, w.resource)
	}
	if cfg.CustomResources {
		rules = append(rules, PolicyRule{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"list"}})
	}
	if !cfg.AllNamespaces() {
		rules = append(rules, PolicyRule{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"get"}})
	}
	return rules
}
