package apprunner

import (
	"github.com/regsweep/regsweep/internal/permissions"
	"github.com/regsweep/regsweep/internal/usage/awsusage"
)

var _ permissions.AWS = Config{}

// IAM implements permissions.AWS. What can be restricted to which resources is in
// the service authorization reference, "Actions, resources, and condition keys
// for AWS App Runner".
func (c Config) IAM(run permissions.Run) []permissions.Need {
	return awsusage.Needs(run, "apprunner", c.Regions, c.AssumeRole, []awsusage.Grant{
		{Actions: []string{"apprunner:ListServices"}},
		{Resource: "service/*", Actions: []string{"apprunner:DescribeService"}},
	})
}

// Actions returns the IAM actions that the sources of the configuration need.
func Actions(c Config) []string { return permissions.Actions(c.IAM(permissions.Run{})) }
