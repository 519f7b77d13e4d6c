package permissions

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Rule is one rule of Kubernetes RBAC: these verbs on these resources of these
// API groups ("" is the core group).
type Rule struct {
	APIGroups []string `json:"apiGroups" yaml:"apiGroups,flow"`
	Resources []string `json:"resources" yaml:"resources,flow"`
	// ResourceNames narrows the rule to objects of these names.
	ResourceNames []string `json:"resourceNames,omitempty" yaml:"resourceNames,flow,omitempty"`
	Verbs         []string `json:"verbs" yaml:"verbs,flow"`
}

// LeaseAccess is what holding a Lease of the cluster that regsweep runs in needs.
// RBAC cannot narrow create to a name.
func LeaseAccess(namespace, name string) Access {
	groups, leases := []string{"coordination.k8s.io"}, []string{"leases"}
	return Access{Namespaces: []string{namespace}, Rules: []Rule{
		{APIGroups: groups, Resources: leases, Verbs: []string{"create"}},
		{APIGroups: groups, Resources: leases, ResourceNames: []string{name}, Verbs: []string{"get", "update"}},
	}}
}

// EventAccess is what making Events in a namespace of that cluster needs.
func EventAccess(namespace string) Access {
	return Access{Namespaces: []string{namespace}, Rules: []Rule{
		{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"create"}},
	}}
}

// Access is what reading one cluster needs.
type Access struct {
	// Context is the context of the kubeconfig, or "" for the one that is used
	// where none is named.
	Context string
	// Kubeconfig is the file that the context is in, or "" for the usual ones.
	Kubeconfig string
	// Namespaces are where the rules must hold; none is the whole cluster.
	Namespaces []string
	Rules      []Rule
}

// Kubernetes is implemented by the configurations of sources that read clusters.
type Kubernetes interface {
	// RBAC returns what reading the clusters needs, and watching them too. It makes
	// no call.
	RBAC(watch bool) []Access
}

// Binding says what roles are called and who gets them.
type Binding struct {
	// Name is the name of every role and binding.
	Name string
	// Namespace and ServiceAccount name the account that is bound to the roles.
	// Without them there are no bindings.
	Namespace, ServiceAccount string
}

// WriteRoles writes the roles for the accesses as a stream of YAML documents, to
// be applied as it is: a ClusterRole for a whole cluster, a Role for each named
// namespace. A comment names the cluster before its first document. What several
// accesses need in one place is one role.
func WriteRoles(w io.Writer, accesses []Access, b Binding) error {
	first := true
	for _, cluster := range clustersOf(accesses) {
		comment := "# " + cluster.title + "\n"
		for _, o := range cluster.objects(b) {
			separator := "---\n"
			if first {
				separator = ""
			}
			first = false
			if _, err := io.WriteString(w, separator+comment); err != nil {
				return err
			}
			comment = ""
			encoder := yaml.NewEncoder(w)
			encoder.SetIndent(2)
			if err := encoder.Encode(o); err != nil {
				return fmt.Errorf("write %s %s: %w", o.Kind, o.Metadata.Name, err)
			}
			if err := encoder.Close(); err != nil {
				return fmt.Errorf("write %s %s: %w", o.Kind, o.Metadata.Name, err)
			}
		}
	}
	return nil
}

// cluster is what is needed in one cluster, by namespace; "" is all of them.
type cluster struct {
	title string
	rules map[string][]Rule
}

// clustersOf puts together what is needed in each cluster, in the order in which
// they are named first.
func clustersOf(accesses []Access) []*cluster {
	var all []*cluster
	for _, a := range accesses {
		title := a.title()
		at := slices.IndexFunc(all, func(c *cluster) bool { return c.title == title })
		if at < 0 {
			at = len(all)
			all = append(all, &cluster{title: title, rules: map[string][]Rule{}})
		}
		namespaces := a.Namespaces
		if len(namespaces) == 0 {
			namespaces = []string{""}
		}
		for _, ns := range namespaces {
			all[at].rules[ns] = union(all[at].rules[ns], a.Rules)
		}
	}
	return all
}

// title says which cluster it is. A line break would end the comment.
func (a Access) title() string {
	title := "Context " + a.Context
	if a.Context == "" {
		title = "The cluster that regsweep runs in, else the current context"
	}
	if a.Kubeconfig != "" {
		title += " of " + a.Kubeconfig
	}
	return strings.Join(strings.Fields(title), " ")
}

// union adds rules to others. Rules that differ in nothing but their resources
// are one.
func union(rules, more []Rule) []Rule {
	for _, r := range more {
		at := slices.IndexFunc(rules, func(other Rule) bool {
			return slices.Equal(other.APIGroups, r.APIGroups) && slices.Equal(other.Verbs, r.Verbs) && slices.Equal(other.ResourceNames, r.ResourceNames)
		})
		if at < 0 {
			rules = append(rules, r)
			continue
		}
		for _, resource := range r.Resources {
			if !slices.Contains(rules[at].Resources, resource) {
				rules[at].Resources = append(slices.Clip(rules[at].Resources), resource)
			}
		}
	}
	return rules
}

// object is an object of rbac.authorization.k8s.io.
type object struct {
	APIVersion string    `yaml:"apiVersion"`
	Kind       string    `yaml:"kind"`
	Metadata   metadata  `yaml:"metadata"`
	Rules      []Rule    `yaml:"rules,omitempty"`
	RoleRef    *roleRef  `yaml:"roleRef,omitempty"`
	Subjects   []subject `yaml:"subjects,omitempty"`
}

type metadata struct {
	Name      string `yaml:"name"`
	Namespace string `yaml:"namespace,omitempty"`
}

type roleRef struct {
	APIGroup string `yaml:"apiGroup"`
	Kind     string `yaml:"kind"`
	Name     string `yaml:"name"`
}

type subject struct {
	Kind      string `yaml:"kind"`
	Name      string `yaml:"name"`
	Namespace string `yaml:"namespace"`
}

// objects returns the roles and bindings of a cluster, by namespace.
func (c *cluster) objects(b Binding) (all []object) {
	const group = "rbac.authorization.k8s.io"
	var namespaces []string
	for ns := range c.rules {
		namespaces = append(namespaces, ns)
	}
	slices.SortFunc(namespaces, cmp.Compare)
	for _, ns := range namespaces {
		role, binding := "Role", "RoleBinding"
		if ns == "" {
			role, binding = "ClusterRole", "ClusterRoleBinding"
		}
		meta := metadata{Name: b.Name, Namespace: ns}
		all = append(all, object{APIVersion: group + "/v1", Kind: role, Metadata: meta, Rules: c.rules[ns]})
		if b.ServiceAccount != "" {
			all = append(all, object{
				APIVersion: group + "/v1", Kind: binding, Metadata: meta,
				RoleRef:  &roleRef{APIGroup: group, Kind: role, Name: b.Name},
				Subjects: []subject{{Kind: "ServiceAccount", Name: b.ServiceAccount, Namespace: b.Namespace}},
			})
		}
	}
	return all
}
