package embedded_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/regsweep/regsweep/internal/embedded"
)

// TestEmptyIsNotAbsent gives what may be left out as an empty text or list. The
// service model has a least length for it, so that the whole call is refused; were
// it taken for absent, an id of a digest and an empty tag would delete an image.
func TestEmptyIsNotAbsent(t *testing.T) {
	digest := image("a").Descriptor().Digest
	id := types.ImageIdentifier{ImageDigest: &digest, ImageTag: aws.String("")}
	web := aws.String("apps/web")
	for name, call := range map[string]func(*ecr.Client) error{
		"delete a digest and an empty tag": func(c *ecr.Client) error {
			_, err := c.BatchDeleteImage(t.Context(), &ecr.BatchDeleteImageInput{RepositoryName: web, ImageIds: []types.ImageIdentifier{id}})
			return err
		},
		"get a digest and an empty tag": func(c *ecr.Client) error {
			_, err := c.BatchGetImage(t.Context(), &ecr.BatchGetImageInput{RepositoryName: web, ImageIds: []types.ImageIdentifier{id}})
			return err
		},
		"describe a digest and an empty tag": func(c *ecr.Client) error {
			_, err := c.DescribeImages(t.Context(), &ecr.DescribeImagesInput{RepositoryName: web, ImageIds: []types.ImageIdentifier{id}})
			return err
		},
		"archive a digest and an empty tag": func(c *ecr.Client) error {
			_, err := c.UpdateImageStorageClass(t.Context(), &ecr.UpdateImageStorageClassInput{RepositoryName: web, ImageId: &id, TargetStorageClass: "ARCHIVE"})
			return err
		},
		"put an empty tag": func(c *ecr.Client) error {
			in := putInput(image("a"), "v2")
			in.ImageTag = aws.String("")
			_, err := c.PutImage(t.Context(), in)
			return err
		},
		"accept no media type": func(c *ecr.Client) error {
			_, err := c.BatchGetImage(t.Context(), &ecr.BatchGetImageInput{RepositoryName: web, ImageIds: byTag("v1"), AcceptedMediaTypes: []string{}})
			return err
		},
		"a registry without a name": func(c *ecr.Client) error {
			_, err := c.DescribeImages(t.Context(), &ecr.DescribeImagesInput{RegistryId: aws.String(""), RepositoryName: web})
			return err
		},
		"repositories of a registry without a name": func(c *ecr.Client) error {
			_, err := c.DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{RegistryId: aws.String("")})
			return err
		},
		"preview an empty policy": func(c *ecr.Client) error {
			_, err := c.StartLifecyclePolicyPreview(t.Context(), &ecr.StartLifecyclePolicyPreviewInput{RepositoryName: web, LifecyclePolicyText: aws.String("")})
			return err
		},
		"a preview of an unknown tag status": func(c *ecr.Client) error {
			_, err := c.GetLifecyclePolicyPreview(t.Context(), &ecr.GetLifecyclePolicyPreviewInput{
				RepositoryName: web, Filter: &types.LifecyclePolicyPreviewFilter{TagStatus: "SOME"},
			})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(embedded.Options{})
			repo := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
			push(repo, image("a"), "v1")
			repo.SetLifecyclePolicy(policy)
			if _, err := repo.PreviewLifecyclePolicy(policy); err != nil {
				t.Fatal(err)
			}
			wantCode(t, call(w.client()), "InvalidParameterException")
			if got, ok := repo.Image("v1"); !ok || got.Status != "ACTIVE" || !got.PulledAt.IsZero() || len(got.Tags) != 1 {
				t.Errorf("the refused call changed the image: %v, %+v", ok, got)
			}
		})
	}
}

// TestDenyOneOfTheNamed denies one of the repositories that a call names, which
// is denied for it.
func TestDenyOneOfTheNamed(t *testing.T) {
	w := newWorld(embedded.Options{})
	for _, name := range []string{"apps/api", "apps/web"} {
		w.region.MustCreateRepository(name, embedded.RepositoryOptions{})
	}
	web, _ := w.region.Repository("apps/web")
	w.Deny(w.Account(home).AccessKeyID(), "ecr:DescribeRepositories", web.ARN())
	for name, code := range map[string]string{"apps/api": "", "apps/web": "AccessDeniedException"} {
		_, err := w.client().DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{RepositoryNames: []string{name}})
		wantCode(t, err, code)
	}
	_, err := w.client().DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{RepositoryNames: []string{"apps/api", "apps/web"}})
	wantCode(t, err, "AccessDeniedException")
}
