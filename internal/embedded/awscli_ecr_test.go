package embedded_test

import (
	"fmt"
	"time"

	"github.com/regsweep/regsweep/internal/embedded"
)

// object is a JSON object.
type object = map[string]any

func stsSteps(*world) []cliStep {
	return []cliStep{
		{"sts:GetCallerIdentity", object{}, map[string]string{
			"Account": home, "Arn": "arn:aws:iam::" + home + ":user/admin",
		}},
		{"sts:AssumeRole", object{
			"RoleArn": "arn:aws:iam::" + home + ":role/path/sweeper", "RoleSessionName": "night", "DurationSeconds": 900,
		}, map[string]string{
			"AssumedRoleUser.Arn":     "arn:aws:sts::" + home + ":assumed-role/sweeper/night",
			"Credentials.AccessKeyId": "ASIA" + home + "0001",
		}},
	}
}

func taggingSteps(w *world) []cliStep {
	repo := w.region.MustCreateRepository("tagging/one", embedded.RepositoryOptions{Tags: map[string]string{"step": "tagging"}})
	return []cliStep{
		{"tag:GetResources", object{
			"ResourceTypeFilters": []string{"ecr:repository"}, "ResourcesPerPage": 10,
			"TagFilters": []object{{"Key": "step", "Values": []string{"tagging"}}},
		}, map[string]string{
			"ResourceTagMappingList.#": "1", "ResourceTagMappingList.0.ResourceARN": repo.ARN(),
			"ResourceTagMappingList.0.Tags.0.Value": "tagging",
		}},
	}
}

// policy is a lifecycle policy of the least length that ECR takes.
const policy = `{"rules":[{"rulePriority":1,"selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":9},"action":{"type":"expire"}}]}`

func ecrSteps(w *world) []cliStep {
	create := func(name string) *embedded.Repository {
		return w.region.MustCreateRepository(name, embedded.RepositoryOptions{})
	}
	// Only read.
	read := create("cli/read")
	one := image("one").Descriptor()
	push(read, image("one"), "v1", "v2")
	read.Pull("v1", start.Add(-48*time.Hour))
	old := push(read, image("old"), "old")
	read.Archive("old", start.Add(-24*time.Hour))
	index := push(read, embedded.NewIndex(one.On("linux", "amd64")), "multi")
	signature := push(read, embedded.NewArtifact("application/vnd.example.signature", one))
	layer := image("one").Layers[0]
	readOnly := []cliStep{
		{"ecr:DescribeRepositories", object{"repositoryNames": []string{"cli/read"}}, map[string]string{
			"repositories.0.repositoryArn": read.ARN(), "repositories.0.imageTagMutability": "MUTABLE",
			"repositories.0.encryptionConfiguration.encryptionType": "AES256",
		}},
		{"ecr:DescribeImages", object{"repositoryName": "cli/read", "imageIds": []object{{"imageTag": "v1"}}}, map[string]string{
			"imageDetails.0.imageDigest": one.Digest, "imageDetails.0.imageTags": `["v1","v2"]`,
			"imageDetails.0.imageSizeInBytes": "100", "imageDetails.0.imageManifestMediaType": embedded.MediaTypeOCIManifest,
		}},
		{"ecr:DescribeImages", object{"repositoryName": "cli/read", "filter": object{"imageStatus": "ANY"}},
			map[string]string{"imageDetails.#": "4"}},
		{"ecr:ListImages", object{"repositoryName": "cli/read", "maxResults": 2, "filter": object{"tagStatus": "UNTAGGED"}},
			map[string]string{"imageIds.#": "1", "imageIds.0.imageDigest": signature}},
		{"ecr:BatchGetImage", object{"repositoryName": "cli/read", "imageIds": []object{{"imageTag": "multi"}, {"imageTag": "old"}}},
			map[string]string{
				"images.0.imageId.imageDigest": index, "images.0.imageManifestMediaType": embedded.MediaTypeOCIIndex,
				"images.0.imageManifest":  string(embedded.NewIndex(one.On("linux", "amd64")).Bytes()),
				"failures.0.failureCode":  "ImageNotFound",
				"failures.0.imageId":      `{"imageTag":"old"}`,
				"images.0.repositoryName": "cli/read",
			}},
		{"ecr:ListImageReferrers", object{"repositoryName": "cli/read", "subjectId": object{"imageDigest": one.Digest}},
			map[string]string{"referrers.0.digest": signature, "referrers.0.artifactType": "application/vnd.example.signature"}},
		{"ecr:BatchCheckLayerAvailability", object{"repositoryName": "cli/read", "layerDigests": []string{layer.Digest, "nonsense"}},
			map[string]string{"layers.0.layerAvailability": "AVAILABLE", "failures.0.failureCode": "InvalidLayerDigest"}},
		{"ecr:DescribeRegistry", object{}, map[string]string{"registryId": home, "replicationConfiguration.rules.#": "0"}},
		{"ecr:GetAuthorizationToken", object{}, map[string]string{
			"authorizationData.0.proxyEndpoint": "https://" + home + ".dkr.ecr.eu-west-1.amazonaws.com"}},
	}
	return append(append(readOnly, ecrWrites(create, old)...), ecrSettings(create)...)
}

// ecrWrites are the steps that change images.
func ecrWrites(create func(string) *embedded.Repository, missing string) []cliStep {
	push(create("cli/put"), image("put"), "first")
	deleted := create("cli/delete-images")
	child := image("child").Descriptor()
	push(deleted, image("child"))
	index := push(deleted, embedded.NewIndex(child), "multi")
	gone := push(deleted, image("gone"), "gone")
	archived := push(create("cli/archive"), image("archived"), "v1")
	return []cliStep{
		{"ecr:PutImage", object{
			"repositoryName": "cli/put", "imageTag": "second", "imageManifest": string(image("put").Bytes()),
			"imageDigest": image("put").Descriptor().Digest, "imageManifestMediaType": embedded.MediaTypeOCIManifest,
		}, map[string]string{"image.imageId.imageTag": "second", "image.imageId.imageDigest": image("put").Descriptor().Digest}},
		{"ecr:BatchDeleteImage", object{"repositoryName": "cli/delete-images", "imageIds": []object{
			{"imageTag": "gone"}, {"imageDigest": child.Digest}, {"imageDigest": missing}}},
			map[string]string{
				"imageIds.0":               `{"imageDigest":"` + gone + `","imageTag":"gone"}`,
				"imageIds.#":               "1",
				"failures.0.failureCode":   "ImageReferencedByManifestList",
				"failures.0.failureReason": "Requested image referenced by manifest list: [" + index + "]",
				"failures.1.failureCode":   "ImageNotFound",
			}},
		{"ecr:UpdateImageStorageClass", object{
			"repositoryName": "cli/archive", "imageId": object{"imageDigest": archived}, "targetStorageClass": "ARCHIVE",
		}, map[string]string{"imageStatus": "ARCHIVED"}},
	}
}

// ecrSettings are the steps that change repositories and the registry.
func ecrSettings(create func(string) *embedded.Repository) []cliStep {
	create("cli/delete-me")
	create("cli/mutability")
	create("cli/policy-put")
	tagged := create("cli/tagged")
	tagged.SetTags(map[string]string{"team": "web"})
	untagged := create("cli/untagged")
	untagged.SetTags(map[string]string{"team": "web"})
	get, remove := create("cli/policy-get"), create("cli/policy-delete")
	get.SetLifecyclePolicy(policy)
	remove.SetLifecyclePolicy(policy)
	create("cli/preview-start")
	preview := create("cli/preview-get")
	for i := range 10 {
		preview.MustPush(embedded.Push{Manifest: image(fmt.Sprint("preview ", i)).Bytes(), Tags: []string{fmt.Sprint(i)}, At: start.Add(time.Duration(i) * time.Minute)})
	}
	if _, err := preview.PreviewLifecyclePolicy(policy); err != nil {
		panic(err)
	}
	role := "arn:aws:iam::" + home + ":role/"
	region := get.Region()
	region.ExcludePullTimes(role + "listed")
	region.ExcludePullTimes(role + "removed")
	return []cliStep{
		{"ecr:CreateRepository", object{
			"repositoryName": "cli/created", "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
			"imageTagMutabilityExclusionFilters": []object{{"filterType": "WILDCARD", "filter": "dev-*"}},
			"tags":                               []object{{"Key": "team", "Value": "web"}},
		}, map[string]string{
			"repository.repositoryUri":                               home + ".dkr.ecr.eu-west-1.amazonaws.com/cli/created",
			"repository.imageTagMutabilityExclusionFilters.0.filter": "dev-*",
		}},
		{"ecr:DeleteRepository", object{"repositoryName": "cli/delete-me"}, map[string]string{"repository.repositoryName": "cli/delete-me"}},
		{"ecr:PutImageTagMutability", object{"repositoryName": "cli/mutability", "imageTagMutability": "IMMUTABLE"},
			map[string]string{"imageTagMutability": "IMMUTABLE"}},
		{"ecr:PutLifecyclePolicy", object{"repositoryName": "cli/policy-put", "lifecyclePolicyText": policy},
			map[string]string{"lifecyclePolicyText": policy}},
		{"ecr:GetLifecyclePolicy", object{"repositoryName": "cli/policy-get"}, map[string]string{"lifecyclePolicyText": policy}},
		{"ecr:DeleteLifecyclePolicy", object{"repositoryName": "cli/policy-delete"}, map[string]string{"lifecyclePolicyText": policy}},
		{"ecr:StartLifecyclePolicyPreview", object{"repositoryName": "cli/preview-start", "lifecyclePolicyText": policy},
			map[string]string{"status": "IN_PROGRESS", "lifecyclePolicyText": policy}},
		{"ecr:GetLifecyclePolicyPreview", object{"repositoryName": "cli/preview-get"}, map[string]string{
			"status": "COMPLETE", "summary.expiringImageTotalCount": "1", "previewResults.#": "1",
			"previewResults.0.imageTags.0": "0", "previewResults.0.action.type": "EXPIRE", "previewResults.0.appliedRulePriority": "1",
			"previewResults.0.storageClass": "STANDARD",
		}},
		{"ecr:ListTagsForResource", object{"resourceArn": get.ARN()}, map[string]string{"tags.#": "0"}},
		{"ecr:TagResource", object{"resourceArn": tagged.ARN(), "tags": []object{{"Key": "stage", "Value": "test"}}}, nil},
		{"ecr:UntagResource", object{"resourceArn": untagged.ARN(), "tagKeys": []string{"team"}}, nil},
		{"ecr:RegisterPullTimeUpdateExclusion", object{"principalArn": role + "new"}, map[string]string{"principalArn": role + "new"}},
		{"ecr:DeregisterPullTimeUpdateExclusion", object{"principalArn": role + "removed"}, map[string]string{"principalArn": role + "removed"}},
		{"ecr:ListPullTimeUpdateExclusions", object{"maxResults": 1}, map[string]string{"pullTimeUpdateExclusions.0": role + "listed"}},
	}
}
