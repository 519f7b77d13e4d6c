package ecr

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/embedded"
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
			Tagger: w.tagger(t, Config{}),
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
			Restored:  func(*testing.T) { w.clock.Advance(restoreTime) },
			Collected: func(*testing.T) { w.clock.Advance(layerTime) },
			FixTags: func(t *testing.T, name, except string) {
				in := ecr.PutImageTagMutabilityInput{RepositoryName: &name, ImageTagMutability: types.ImageTagMutabilityImmutable}
				if except != "" {
					in.ImageTagMutability = types.ImageTagMutabilityImmutableWithExclusion
					in.ImageTagMutabilityExclusionFilters = []types.ImageTagMutabilityExclusionFilter{{
						FilterType: types.ImageTagMutabilityExclusionFilterTypeWildcard, Filter: aws.String(except + "*"),
					}}
				}
				sdk, err := w.env(t, "").AWS.Config(t.Context(), awsapi.Target{})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := ecr.NewFromConfig(sdk).PutImageTagMutability(t.Context(), &in); err != nil {
					t.Fatal(err)
				}
			},
			MaxTags:      1000,
			PageSize:     pageSize,
			GuardsListed: true,
		}
	})
}
