package ecr

import (
	"cmp"

	"github.com/regsweep/regsweep/internal/permissions"
)

var _ permissions.AWS = Config{}

// IAM implements permissions.AWS. All actions of ECR that are called can be
// restricted to repositories, and tag:GetResources cannot be restricted (service
// authorization reference, "Actions, resources, and condition keys for Amazon
// Elastic Container Registry" and for the Tagging API).
//
// tag:GetResources saves a call for each repository that has tags; without it
// ecr:ListTagsForResource does everything.
func (c Config) IAM(run permissions.Run) []permissions.Need {
	roleAccount := permissions.Account(c.AssumeRole)
	repositories := permissions.Need{
		Role:     c.AssumeRole,
		Actions:  []string{"ecr:BatchGetImage", "ecr:DescribeImages", "ecr:DescribeRepositories"},
		Resource: permissions.Resource("ecr", cmp.Or(c.Region, run.Region), cmp.Or(c.Account, roleAccount), "repository/*"),
	}
	if run.Delete || run.Tag { // IAM knows no action that takes only a tag away
		repositories.Actions = append(repositories.Actions, "ecr:BatchDeleteImage")
	}
	if run.Tag || run.MoveTag || run.Restore {
		repositories.Actions = append(repositories.Actions, "ecr:PutImage")
	}
	if run.Archive || run.Restore {
		repositories.Actions = append(repositories.Actions, "ecr:UpdateImageStorageClass")
	}
	if run.Lifecycle {
		repositories.Actions = append(repositories.Actions, "ecr:GetLifecyclePolicy", "ecr:GetLifecyclePolicyPreview", "ecr:StartLifecyclePolicyPreview")
	}
	if run.PutLifecycle {
		repositories.Actions = append(repositories.Actions, "ecr:PutLifecyclePolicy")
	}
	if !run.RepositoryTags {
		return []permissions.Need{repositories}
	}
	repositories.Actions = append(repositories.Actions, "ecr:ListTagsForResource")
	needs := []permissions.Need{repositories}
	// The Tagging API knows the caller's own account only.
	if c.Account == "" || roleAccount == "" || c.Account == roleAccount {
		needs = append(needs, permissions.Need{Role: c.AssumeRole, Actions: []string{"tag:GetResources"}})
	}
	return needs
}

// Actions returns the IAM actions that the registry needs, sorted, if rules read
// the tags of repositories: those of the reader, and with write those of the
// tagger and the writer too.
func Actions(c Config, write bool) []string {
	return permissions.Actions(c.IAM(permissions.Run{RepositoryTags: true, Delete: write, Archive: write, Tag: write, Restore: write}))
}
