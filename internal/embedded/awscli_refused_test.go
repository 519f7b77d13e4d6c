package embedded_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/regsweep/regsweep/internal/embedded"
)

// digestObjects names images by digest, for the aws command.
func digestObjects(digests ...string) []object {
	var ids []object
	for _, d := range digests {
		ids = append(ids, object{"imageDigest": d})
	}
	return ids
}

// TestAWSCommandFailures deletes in one call what fails for each of the reasons that
// ECR has.
func TestAWSCommandFailures(t *testing.T) {
	w := newWorld(embedded.Options{})
	repo := w.region.MustCreateRepository("cli/failures", embedded.RepositoryOptions{})
	child := push(repo, image("child"))
	index := push(repo, embedded.NewIndex(image("child").Descriptor()))
	push(repo, image("a"), "v1")
	other := push(repo, image("b"), "v2")
	want := []string{
		"InvalidImageDigest", "InvalidImageTag", "ImageTagDoesNotMatchDigest", "ImageNotFound", "MissingDigestAndTag", "ImageReferencedByManifestList",
	}
	ids := []object{
		{"imageDigest": "nonsense"}, {"imageTag": "no such"}, {"imageTag": "v1", "imageDigest": other},
		{"imageDigest": image("none").Descriptor().Digest}, {}, {"imageDigest": child},
	}
	for _, code := range []string{"KmsError", "UpstreamAccessDenied", "UpstreamTooManyRequests", "UpstreamUnavailable", "ImageInaccessible"} {
		digest := push(repo, image(code))
		repo.Fail(digest, code)
		want, ids = append(want, code), append(ids, object{"imageDigest": digest})
	}
	// The index goes in the same call, and its child stays all the same.
	ids = append(ids, object{"imageDigest": index})
	before := len(repo.Images())
	answer, err := newCLI(t, w).call(t.Context(), "ecr:BatchDeleteImage", object{"repositoryName": "cli/failures", "imageIds": ids})
	if err != nil {
		t.Fatal(err)
	}
	failures, _ := answer.(map[string]any)["failures"].([]any)
	if len(failures) != len(want) {
		t.Fatalf("%d failures, want %d: %v", len(failures), len(want), answer)
	}
	for i, code := range want {
		if got := lookup(failures[i], "failureCode"); got != code {
			t.Errorf("%v fails with %s, want %s", ids[i], got, code)
		}
	}
	if got := lookup(failures[5], "failureReason"); !strings.Contains(got, "["+index+"]") {
		t.Errorf("the reason %q does not name the index", got)
	}
	if got := lookup(answer, "imageIds"); got != `[{"imageDigest":"`+index+`"}]` {
		t.Errorf("deleted %s, want the index alone", got)
	}
	if left := len(repo.Images()); left != before-1 {
		t.Errorf("%d of %d images are left, want all but one", left, before)
	}
}

// TestAWSCommandRefusals makes calls that ECR refuses, and changes nothing.
func TestAWSCommandRefusals(t *testing.T) {
	w := newWorld(embedded.Options{})
	repo := w.region.MustCreateRepository("cli/refused", embedded.RepositoryOptions{})
	digests := pushImages(repo, 101)
	archived := push(repo, image("archived"), "old")
	repo.Archive(archived, start)
	cli := newCLI(t, w)
	in := func(more object) object {
		more["repositoryName"] = "cli/refused"
		return more
	}
	calls := []refusable{
		{"101 images to delete", "ecr:BatchDeleteImage", "InvalidParameterException", in(object{"imageIds": digestObjects(digests...)})},
		{"a page of 1,001 images", "ecr:DescribeImages", "InvalidParameterException", in(object{"maxResults": 1001})},
		{"a page of ids", "ecr:DescribeImages", "InvalidParameterException", in(object{"imageIds": digestObjects(digests[0]), "maxResults": 10})},
		{"an archived image, unless it is asked for", "ecr:DescribeImages", "ImageNotFoundException", in(object{"imageIds": digestObjects(archived)})},
	}
	cli.check(t, calls)
	unchanged := func(img embedded.Image) bool {
		return img.PulledAt.IsZero() && (img.Status == "ACTIVE" || img.Digest == archived)
	}
	if all := repo.Images(); len(all) != len(digests)+1 || slices.ContainsFunc(all, func(img embedded.Image) bool { return !unchanged(img) }) {
		t.Errorf("a refused call changed something: %d images", len(all))
	}
}

// TestAWSCommandPulls reads a manifest, which counts as a pull.
func TestAWSCommandPulls(t *testing.T) {
	w := newWorld(embedded.Options{})
	repo := w.region.MustCreateRepository("cli/pulls", embedded.RepositoryOptions{})
	digest := push(repo, image("a"))
	cli := newCLI(t, w)
	in := object{"repositoryName": "cli/pulls", "imageIds": digestObjects(digest)}
	if _, err := cli.call(t.Context(), "ecr:BatchGetImage", in); err != nil {
		t.Fatal(err)
	}
	answer, err := cli.call(t.Context(), "ecr:DescribeImages", in)
	if err != nil {
		t.Fatal(err)
	}
	// How the command writes a time depends on its version.
	if got := lookup(answer, "imageDetails.0.lastRecordedPullTime"); got == "<none>" {
		t.Errorf("no pull time in %v", answer)
	}
	if img, _ := repo.Image(digest); !img.PulledAt.Equal(start) {
		t.Errorf("pulled at %v, want now", img.PulledAt)
	}
}
