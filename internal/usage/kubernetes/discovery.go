package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// discoveryTimeout bounds each call of discovery. The first is also the first
// call to a cluster; connecting has a bound of its own (dialTimeout).
const discoveryTimeout = 30 * time.Second

// acceptDiscovery asks for every group, version and resource in one answer,
// which servers before 1.27 may not know: they answer with the plain list.
// (https://kubernetes.io/docs/concepts/overview/kubernetes-api/#aggregated-discovery)
const acceptDiscovery = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList," +
	"application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList," +
	"application/json"

// builtInGroups are the groups of Kubernetes itself that have a dot in their
// name, and the metrics groups, which hold measurements: none of their objects
// names an image, but for the workloads of the table. Other groups under
// k8s.io are custom resources like all others.
var builtInGroups = []string{
	"admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io",
	"authentication.k8s.io", "authorization.k8s.io", "certificates.k8s.io", "coordination.k8s.io",
	"discovery.k8s.io", "events.k8s.io", "flowcontrol.apiserver.k8s.io", "internal.apiserver.k8s.io",
	"networking.k8s.io", "node.k8s.io", "rbac.authorization.k8s.io", "resource.k8s.io",
	"scheduling.k8s.io", "storage.k8s.io", "storagemigration.k8s.io",
	"metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io",
}

// builtIn tells whether a group is not one of custom resources. The group of a
// CustomResourceDefinition has a dot by rule.
func builtIn(group string) bool {
	return !strings.Contains(group, ".") || slices.Contains(builtInGroups, group)
}

// served is a kind that a cluster serves and that can be listed.
type served struct {
	group, version, resource, kind string
	namespaced                     bool
}

// discover returns the kinds of the wanted groups that can be listed, each in
// the version that the server prefers, sorted. Groups that the server knows of
// but cannot describe are errors beside that. An error of the first call itself
// comes alone and unclassified.
func (c *client) discover(ctx context.Context, wanted func(group string) bool) ([]served, []error, error) {
	data, err := c.get(ctx, acceptDiscovery, "/apis")
	if err != nil {
		return nil, nil, err
	}
	var head struct {
		Kind string `json:"kind"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errNotAList, err)
	}
	var found []served
	var errs []error
	switch head.Kind {
	case "APIGroupDiscoveryList":
		found, errs, err = aggregated(data, wanted)
	case "APIGroupList":
		found, errs, err = c.perGroup(ctx, data, wanted)
	default:
		err = fmt.Errorf("%w: its kind is %q", errNotAList, head.Kind)
	}
	slices.SortFunc(found, func(a, b served) int {
		return slices.Compare([]string{a.group, a.resource}, []string{b.group, b.resource})
	})
	return found, errs, err
}

// get reads one document. Result.Error, unlike Result.Raw, has the server's own
// words.
func (c *client) get(ctx context.Context, accept string, path ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, discoveryTimeout)
	defer cancel()
	result := c.rest.Get().AbsPath(path...).SetHeader("Accept", accept).Do(ctx)
	if err := result.Error(); err != nil {
		return nil, err
	}
	return result.Raw()
}

// aggregated reads the one answer that holds everything.
func aggregated(data []byte, wanted func(string) bool) ([]served, []error, error) {
	var list struct {
		Items *[]struct {
			Metadata struct {
				Name string `json:"name"`
			} `json:"metadata"`
			Versions []struct {
				Version   string `json:"version"`
				Freshness string `json:"freshness"`
				Resources []struct {
					Resource     string `json:"resource"`
					ResponseKind *struct {
						Kind string `json:"kind"`
					} `json:"responseKind"`
					Scope string   `json:"scope"`
					Verbs []string `json:"verbs"`
				} `json:"resources"`
			} `json:"versions"`
		} `json:"items"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errNotAList, err)
	}
	if list.Items == nil {
		return nil, nil, fmt.Errorf("%w: it lacks items", errNotAList)
	}
	var found []served
	var errs []error
	for _, group := range *list.Items {
		if !wanted(group.Metadata.Name) {
			continue
		}
		seen := map[string]bool{}
		for _, version := range group.Versions { // the preferred one is first
			if version.Freshness == "Stale" {
				errs = append(errs, staleGroup(group.Metadata.Name, version.Version))
			}
			for _, r := range version.Resources {
				if seen[r.Resource] || !slices.Contains(r.Verbs, "list") {
					continue
				}
				seen[r.Resource] = true
				s := served{group: group.Metadata.Name, version: version.Version, resource: r.Resource,
					kind: r.Resource, namespaced: r.Scope == "Namespaced"}
				if r.ResponseKind != nil && r.ResponseKind.Kind != "" {
					s.kind = r.ResponseKind.Kind
				}
				found = append(found, s)
			}
		}
	}
	return found, errs, nil
}

// staleGroup is the error for a group whose own API server does not answer: the
// API server then tells what it last knew, which can be nothing.
func staleGroup(group, version string) error {
	return fmt.Errorf("discover %s/%s: its APIService is not available, so its kinds are not known", group, version)
}

// perGroup asks for each version of each wanted group, the preferred one first.
func (c *client) perGroup(ctx context.Context, data []byte, wanted func(string) bool) ([]served, []error, error) {
	var list struct {
		Groups *[]struct {
			Name             string         `json:"name"`
			Versions         []groupVersion `json:"versions"`
			PreferredVersion groupVersion   `json:"preferredVersion"`
		} `json:"groups"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errNotAList, err)
	}
	if list.Groups == nil {
		return nil, nil, fmt.Errorf("%w: it lacks groups", errNotAList)
	}
	type question struct{ group, version string }
	var questions []question
	for _, g := range *list.Groups {
		if !wanted(g.Name) {
			continue
		}
		slices.SortStableFunc(g.Versions, func(a, b groupVersion) int {
			switch g.PreferredVersion.Version {
			case a.Version:
				return -1
			case b.Version:
				return 1
			}
			return 0
		})
		for _, v := range g.Versions {
			questions = append(questions, question{g.Name, v.Version})
		}
	}
	answers := make([][]served, len(questions))
	errs := make([]error, len(questions))
	var workers errgroup.Group
	workers.SetLimit(concurrency)
	for i, q := range questions {
		workers.Go(func() error {
			answers[i], errs[i] = c.groupResources(ctx, q.group, q.version)
			return nil
		})
	}
	_ = workers.Wait() // errors are kept by question

	var found []served
	seen := map[[2]string]bool{}
	for _, s := range slices.Concat(answers...) {
		key := [2]string{s.group, s.resource}
		if !seen[key] {
			seen[key] = true
			found = append(found, s)
		}
	}
	return found, slices.DeleteFunc(errs, func(err error) bool { return err == nil }), nil
}

type groupVersion struct {
	Version string `json:"version"`
}

// groupResources reads the kinds of one version of a group.
func (c *client) groupResources(ctx context.Context, group, version string) ([]served, error) {
	name := group + "/" + version
	data, err := c.get(ctx, "application/json", "/apis", group, version)
	if err != nil {
		return nil, fmt.Errorf("discover %s: %w", name, err)
	}
	var list struct {
		Resources *[]struct {
			Name       string   `json:"name"`
			Kind       string   `json:"kind"`
			Namespaced bool     `json:"namespaced"`
			Verbs      []string `json:"verbs"`
		} `json:"resources"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("discover %s: %w: %w", name, errNotAList, err)
	}
	if list.Resources == nil {
		return nil, fmt.Errorf("discover %s: %w", name, errNotAList)
	}
	var found []served
	for _, r := range *list.Resources {
		if strings.Contains(r.Name, "/") || !slices.Contains(r.Verbs, "list") {
			continue // a subresource, or nothing to list
		}
		found = append(found, served{group: group, version: version, resource: r.Name, kind: r.Kind, namespaced: r.Namespaced})
	}
	return found, nil
}
