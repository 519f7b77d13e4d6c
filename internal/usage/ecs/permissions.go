package ecs

import (
	"github.com/regsweep/regsweep/internal/permissions"
	"github.com/regsweep/regsweep/internal/usage/awsusage"
)

var _ permissions.AWS = Config{}

// IAM implements permissions.AWS. What can be restricted to which resources is in
// the service authorization reference, "Actions, resources, and condition keys
// for Amazon Elastic Container Service". Deployments and revisions need the
// permission on their service too. The reference lets ListTasks be restricted to
// a container instance, but then it cannot list the tasks of a cluster.
func (c Config) IAM(run permissions.Run) []permissions.Need {
	return awsusage.Needs(run, "ecs", c.Regions, c.AssumeRole, []awsusage.Grant{
		{Actions: []string{
			"ecs:DescribeTaskDefinition", "ecs:ListClusters", "ecs:ListServices", "ecs:ListTaskDefinitions", "ecs:ListTasks",
		}},
		{Resource: "task/*", Actions: []string{"ecs:DescribeTasks"}},
		{Resource: "service/*", Actions: []string{
			"ecs:DescribeServiceDeployments", "ecs:DescribeServiceRevisions", "ecs:DescribeServices", "ecs:ListServiceDeployments",
		}},
		{Resource: "service-deployment/*", Actions: []string{"ecs:DescribeServiceDeployments"}},
		{Resource: "service-revision/*", Actions: []string{"ecs:DescribeServiceRevisions"}},
	})
}

// Actions returns the IAM actions that the sources of the configuration need.
func Actions(c Config) []string { return permissions.Actions(c.IAM(permissions.Run{})) }
