package ecr

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/registry/registrytest"
)

func TestConformance(t *testing.T) {
	registrytest.Run(t, func(t *testing.T) registrytest.Fixture {
		w := newServedWorld(t)
		repository := func(t *testing.T, name string) *embedded.Repository {
			t.Helper()
			repo, ok := w.own().Repository(name)
			if !ok {
				t.Fatalf("no repository %s", name)
			}
			return repo
		}
		return registrytest.Fixture{
			Reader: w.reader(t, Config{Hosts: []string{"Images.example.com"}}, t.TempDir()),
			Writer: w.writer(t, Config{}),
			Create: func(t *testing.T, name string, tags map[string]string) {
				if _, err := w.own().CreateRepository(name, embedded.RepositoryOptions{Tags: tags}); err != nil {
					t.Fatal(err)
				}
			},
			Push: func(t *testing.T, name string, m registrytest.Manifest, tags ...string) {
				if _, err := repository(t, name).Push(embedded.Push{Manifest: m.Content, MediaType: m.MediaType, Tags: tags}); err != nil {
					t.Fatal(err)
				}
			},
			Restore: func(t *testing.T, name string, digest image.Digest) {
				sdk, err := w.env(t, "").AWS.Config(t.Context(), awsapi.Target{})
				if err != nil {
					t.Fatal(err)
				}
				_, err = ecr.NewFromConfig(sdk).UpdateImageStorageClass(t.Context(), &ecr.UpdateImageStorageClassInput{
					RepositoryName: &name, ImageId: &types.ImageIdentifier{ImageDigest: aws.String(digest.String())},
					TargetStorageClass: types.TargetStorageClassStandard,
				})
				if err != nil {
					t.Fatal(err)
				}
			},
			PageSize:     pageSize,
			GuardsListed: true,
		}
	})
}
