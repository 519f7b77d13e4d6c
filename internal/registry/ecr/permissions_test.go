package ecr

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/permissions"
)

// TestIAMOfRuns checks what a run adds to the actions of reading.
func TestIAMOfRuns(t *testing.T) {
	reading := []string{"ecr:BatchGetImage", "ecr:DescribeImages", "ecr:DescribeRepositories"}
	for name, test := range map[string]struct {
		run  permissions.Run
		adds []string
	}{
		"plan":                   {permissions.Run{}, nil},
		"delete":                 {permissions.Run{Delete: true}, []string{"ecr:BatchDeleteImage"}},
		"archive":                {permissions.Run{Archive: true}, []string{"ecr:UpdateImageStorageClass"}},
		"tag":                    {permissions.Run{Tag: true}, []string{"ecr:BatchDeleteImage", "ecr:PutImage"}},
		"tag with a name":        {permissions.Run{MoveTag: true}, []string{"ecr:PutImage"}},
		"restore":                {permissions.Run{Restore: true}, []string{"ecr:PutImage", "ecr:UpdateImageStorageClass"}},
		"delete with grace":      {permissions.Run{Delete: true, Tag: true}, []string{"ecr:BatchDeleteImage", "ecr:PutImage"}},
		"everything, with grace": {permissions.Run{Delete: true, Archive: true, Tag: true, Restore: true}, []string{"ecr:BatchDeleteImage", "ecr:PutImage", "ecr:UpdateImageStorageClass"}},
		"lifecycle":              {permissions.Run{Lifecycle: true}, []string{"ecr:GetLifecyclePolicy", "ecr:GetLifecyclePolicyPreview", "ecr:StartLifecyclePolicyPreview"}},
		"put a lifecycle policy": {permissions.Run{Lifecycle: true, PutLifecycle: true},
			[]string{"ecr:GetLifecyclePolicy", "ecr:GetLifecyclePolicyPreview", "ecr:PutLifecyclePolicy", "ecr:StartLifecyclePolicyPreview"}},
		"rules that read the tags": {permissions.Run{RepositoryTags: true}, []string{"ecr:ListTagsForResource", "tag:GetResources"}},
	} {
		t.Run(name, func(t *testing.T) {
			want := slices.Sorted(slices.Values(slices.Concat(reading, test.adds)))
			if diff := cmp.Diff(want, permissions.Actions(Config{}.IAM(test.run))); diff != "" {
				t.Errorf("actions (-want +got):\n%s", diff)
			}
		})
	}
}
