package embedded_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"

	"github.com/regsweep/regsweep/internal/embedded"
)

// remove deletes images by digest through the API.
func remove(t *testing.T, w *world, repo *embedded.Repository, digests ...string) {
	t.Helper()
	out, err := w.client().BatchDeleteImage(t.Context(), &ecr.BatchDeleteImageInput{
		RepositoryName: aws.String(repo.Name()), ImageIds: byDigest(digests...),
	})
	if err != nil || len(out.Failures) > 0 {
		t.Fatalf("delete: %v, %v", err, out)
	}
}

// TestLayersOfDeletedImages pushes manifests again whose images were deleted.
func TestLayersOfDeletedImages(t *testing.T) {
	shared := embedded.LayerBlob("shared", 1)
	a := embedded.NewImage(embedded.ConfigBlob("c", 1), shared)
	b := embedded.NewImage(embedded.ConfigBlob("c", 1), shared, embedded.LayerBlob("own", 2))
	for _, test := range []struct {
		name string
		stay time.Duration
		pass time.Duration
		put  embedded.Manifest
		code string
	}{
		{"collected at once", 0, 0, b, "LayersNotFoundException"},
		{"another image has them", 0, 0, a, ""},
		{"not collected yet", time.Hour, 59 * time.Minute, b, ""},
		{"collected by now", time.Hour, time.Hour, b, "LayersNotFoundException"},
		{"another image still has them", time.Hour, time.Hour, a, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(embedded.Options{LayerTime: test.stay})
			repo := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
			elsewhere := w.region.MustCreateRepository("apps/api", embedded.RepositoryOptions{})
			keeper := embedded.NewImage(embedded.ConfigBlob("c", 1), shared, embedded.LayerBlob("keeper", 3))
			push(repo, keeper)
			push(elsewhere, b) // layers are of a repository
			remove(t, w, repo, push(repo, a), push(repo, b))
			w.clock.Advance(test.pass)
			_, err := w.client().PutImage(t.Context(), putInput(test.put, "v1"))
			wantCode(t, err, test.code)
			if img, ok := repo.Image("v1"); ok != (test.code == "") || ok && !img.PushedAt.Equal(w.clock.now) {
				t.Errorf("there %v, pushed at %v", ok, img.PushedAt)
			}
		})
	}
}
