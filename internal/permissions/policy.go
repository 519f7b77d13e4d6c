package permissions

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

const assumeRole = "sts:AssumeRole"

// Policy is an identity-based policy of IAM, ready for JSON.
type Policy struct {
	Version   string
	Statement []Statement
}

// Statement allows all of its actions on all of its resources.
type Statement struct {
	Effect   string
	Action   []string
	Resource []string
}

// For returns the least policy of a principal: of a role, by its ARN, or of the
// caller, "". The same needs give the same policy, whatever their order.
func For(needs []Need, role string) Policy {
	partition := partitionOf(needs)
	resources := map[string][]arn.ARN{} // by action
	for _, n := range needs {
		if n.Role == role {
			for _, action := range n.Actions {
				resources[action] = append(resources[action], n.Resource)
			}
		}
		// A role assumes no other.
		if assumed, err := arn.Parse(n.Role); err == nil && role == "" {
			assumed.Resource = Literal(assumed.Resource)
			resources[assumeRole] = append(resources[assumeRole], assumed)
		}
	}
	actions := map[string][]string{} // by resources
	texts := map[string][]string{}
	for _, action := range slices.Sorted(maps.Keys(resources)) {
		text := least(resources[action], partition)
		key := strings.Join(text, "\n")
		texts[key] = text
		actions[key] = append(actions[key], action)
	}
	p := Policy{Version: "2012-10-17", Statement: []Statement{}}
	for key, text := range texts {
		p.Statement = append(p.Statement, Statement{Effect: "Allow", Action: actions[key], Resource: text})
	}
	slices.SortFunc(p.Statement, func(a, b Statement) int { return cmp.Compare(a.Action[0], b.Action[0]) })
	return p
}

// partitionOf returns the partition of all resources. Credentials are of one
// partition, so that one resource or role tells it for all.
func partitionOf(needs []Need) string {
	for _, n := range needs {
		if n.Resource.Partition != "" {
			return n.Resource.Partition
		}
		if role, err := arn.Parse(n.Role); err == nil {
			return role.Partition
		}
	}
	return "aws"
}

// least returns the resources as policies write them, sorted, without those that
// another one covers.
func least(resources []arn.ARN, partition string) []string {
	for i := range resources {
		if resources[i] == (arn.ARN{}) {
			return []string{everything}
		}
		if resources[i].Partition == "" {
			resources[i].Partition = partition
		}
	}
	var texts []string
	for _, r := range resources {
		if !slices.ContainsFunc(resources, func(other arn.ARN) bool { return other != r && covers(other, r) }) {
			texts = append(texts, r.String())
		}
	}
	slices.Sort(texts)
	return slices.Compact(texts)
}

// covers reports whether one ARN stands for the other too.
func covers(wide, narrow arn.ARN) bool {
	return (wide.Region == narrow.Region || wide.Region == everything) &&
		(wide.AccountID == narrow.AccountID || wide.AccountID == everything) &&
		wide.Partition == narrow.Partition && wide.Service == narrow.Service && wide.Resource == narrow.Resource
}
