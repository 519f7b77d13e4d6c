package kubernetes

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// AccessError means that the cluster does not allow what must be read.
type AccessError struct {
	Verb string
	// Resources are written as kubectl does: "pods", "deployments.apps".
	Resources []string
	// Namespace is where; "" is the whole cluster.
	Namespace string
	// Err is the server's answer to the first of them.
	Err error
}

// Error names the verb, the resources, the namespace and the missing rule.
func (e *AccessError) Error() string {
	where, role := "in all namespaces", "ClusterRole"
	if e.Namespace != "" {
		where, role = "in namespace "+e.Namespace, "Role there"
	}
	return fmt.Sprintf("%s %s %s: access denied: bind a %s with verb %s on them (regsweep permissions rbac prints it): %v",
		e.Verb, strings.Join(e.Resources, ", "), where, role, e.Verb, e.Err)
}

// Unwrap returns the server's answer.
func (e *AccessError) Unwrap() error { return e.Err }

// CredentialsError means that the cluster does not accept who asks: a token
// that is wrong or has expired.
type CredentialsError struct {
	// Cluster names the context and the server.
	Cluster string
	Err     error
}

// Error names the cluster and the server's answer.
func (e *CredentialsError) Error() string {
	return fmt.Sprintf("%s does not accept the credentials (wrong or expired): %v", e.Cluster, e.Err)
}

// Unwrap returns the server's answer.
func (e *CredentialsError) Unwrap() error { return e.Err }

// UnreachableError means that there was no answer, or that it broke off.
type UnreachableError struct {
	// Cluster names the context and the server.
	Cluster string
	// Reading is what was not read completely, as in AccessError; it is empty
	// where nothing at all could be read.
	Reading []string
	Err     error
}

// Error names the cluster and what was being read.
func (e *UnreachableError) Error() string {
	if len(e.Reading) == 0 {
		return fmt.Sprintf("%s cannot be reached: %v", e.Cluster, e.Err)
	}
	return fmt.Sprintf("%s: connection lost while reading %s: %v", e.Cluster, strings.Join(e.Reading, ", "), e.Err)
}

// Unwrap returns the error of the connection.
func (e *UnreachableError) Unwrap() error { return e.Err }

// classify turns the error of one call into the error that says what to do.
// resource is "deployments.apps", namespace may be "".
func (c *client) classify(verb, resource, namespace string, err error) error {
	var status apierrors.APIStatus
	switch {
	case apierrors.IsForbidden(err):
		return &AccessError{Verb: verb, Resources: []string{resource}, Namespace: namespace, Err: err}
	case apierrors.IsUnauthorized(err):
		return &CredentialsError{Cluster: c.cluster, Err: err}
	case errors.As(err, &status), errors.Is(err, errNotAList):
		return fmt.Errorf("%s %s: %w", verb, where(resource, namespace), err)
	default:
		return &UnreachableError{Cluster: c.cluster, Reading: []string{resource}, Err: err}
	}
}

// joinErrors joins errors, with one error for all that was denied in a
// namespace, one for all that was lost with the connection and one for refused
// credentials: a cluster can have hundreds of kinds.
func joinErrors(errs []error) error {
	var joined []error
	denied := map[[2]string]*AccessError{}
	var lost *UnreachableError
	var refused *CredentialsError
	for _, err := range errs {
		var access *AccessError
		var unreachable *UnreachableError
		var credentials *CredentialsError
		switch {
		case err == nil:
		case errors.As(err, &access):
			key := [2]string{access.Verb, access.Namespace}
			if same := denied[key]; same != nil {
				same.Resources = merge(same.Resources, access.Resources)
				continue
			}
			denied[key] = access
			joined = append(joined, err)
		case errors.As(err, &unreachable):
			if lost != nil {
				lost.Reading = merge(lost.Reading, unreachable.Reading)
				continue
			}
			lost = unreachable
			joined = append(joined, err)
		case errors.As(err, &credentials):
			if refused == nil {
				refused = credentials
				joined = append(joined, err)
			}
		default:
			joined = append(joined, err)
		}
	}
	return errors.Join(joined...)
}

// merge returns the sorted union of two lists of resources.
func merge(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.SortFunc(all, cmp.Compare)
	return slices.Compact(all)
}
