// Package permissions says what a configuration must be allowed: IAM actions as
// policies, and rights in clusters as roles. The kinds of sources and registries
// state what they need; here it is put together.
package permissions

import (
	"cmp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/regsweep/regsweep/internal/awsapi"
)

// Run is what a run does, as far as permissions depend on it.
type Run struct {
	// Region is where calls go for which the configuration names no region; ""
	// is not known.
	Region string
	// Regions are those that a source reads for which the configuration names
	// none; empty means Region alone.
	Regions []string
	// RepositoryTags says that rules read the resource tags of repositories.
	RepositoryTags bool
	// Delete and Archive say that images are deleted, and moved to the archive
	// storage class.
	Delete, Archive bool
	// Tag says that images are given tags of regsweep and that these are taken
	// away again, for `grace` and for `regsweep tag`.
	Tag bool
	// MoveTag says that one tag is moved from image to image, and none is taken
	// away, for `regsweep tag` with a name.
	MoveTag bool
	// Restore says that images are put back, and brought back from the archive
	// storage class.
	Restore bool
	// Lifecycle says that lifecycle policies are read and previewed, and
	// PutLifecycle that they are put too.
	Lifecycle, PutLifecycle bool
}

// Need is that some actions on a resource must be allowed.
type Need struct {
	// Role is the ARN of the role that makes the calls, or "" for the caller
	// itself. That the caller must be allowed to assume the role is understood.
	Role string
	// Actions are IAM actions, such as "ecr:DescribeImages".
	Actions []string
	// Resource is what the actions are on, with IAM's wildcards. The zero value
	// is everything, for actions that AWS lets nobody restrict. An empty
	// partition is that of the other resources.
	Resource arn.ARN
}

// AWS is implemented by the configurations of sources and registries that call
// AWS.
type AWS interface {
	// IAM returns what the calls of a run need. It makes none.
	IAM(Run) []Need
}

// everything is the wildcard of policies.
const everything = "*"

// Resource returns the ARN of resources of a service in a region of an account.
// An empty region or account is not known, and stands for all.
func Resource(service, region, account, resource string) arn.ARN {
	a := arn.ARN{Service: service, Region: cmp.Or(region, everything), AccountID: cmp.Or(account, everything), Resource: resource}
	if region != "" {
		a.Partition = awsapi.Partition(region)
	}
	return a
}

// Account returns the account id in the ARN of a role, or "" for what is none.
func Account(role string) string {
	parsed, err := arn.Parse(role)
	if err != nil {
		return ""
	}
	return parsed.AccountID
}

// Literal returns a text as policies write it, so that none of it is a wildcard
// or a variable ("IAM policy elements: Variables" in the IAM user guide).
func Literal(text string) string {
	return strings.NewReplacer("*", "${*}", "?", "${?}", "$", "${$}").Replace(text)
}

// Actions returns the actions of all needs, sorted, with that of assuming their
// roles.
func Actions(needs []Need) []string {
	var all []string
	for _, n := range needs {
		all = append(all, n.Actions...)
		if n.Role != "" {
			all = append(all, assumeRole)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Roles returns the roles that the needs are of, sorted.
func Roles(needs []Need) []string {
	var roles []string
	for _, n := range needs {
		if n.Role != "" {
			roles = append(roles, n.Role)
		}
	}
	slices.Sort(roles)
	return slices.Compact(roles)
}
