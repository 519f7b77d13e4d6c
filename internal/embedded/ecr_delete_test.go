package embedded_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/embedded"
)

// outcome is an answer of BatchDeleteImage in words that are easy to compare.
type outcome struct {
	Deleted  []string // "digest tag", with short digests
	Failures []string // "code: reason"
}

// batchDelete deletes and returns the outcome, with the digests replaced by
// the names.
func batchDelete(t *testing.T, w *world, names map[string]string, ids ...types.ImageIdentifier) outcome {
	t.Helper()
	out, err := w.client().BatchDeleteImage(t.Context(), &ecr.BatchDeleteImageInput{
		RepositoryName: aws.String("apps/web"), ImageIds: ids,
	})
	if err != nil {
		t.Fatal(err)
	}
	var got outcome
	for _, id := range out.ImageIds {
		got.Deleted = append(got.Deleted, names[aws.ToString(id.ImageDigest)]+" "+aws.ToString(id.ImageTag))
	}
	for _, f := range out.Failures {
		reason := aws.ToString(f.FailureReason)
		for digest, name := range names {
			reason = strings.ReplaceAll(reason, digest, name)
		}
		got.Failures = append(got.Failures, string(f.FailureCode)+": "+reason)
	}
	return got
}

func TestBatchDeleteImage(t *testing.T) {
	a, b := image("a"), image("b")
	index := embedded.NewIndex(a.Descriptor().On("linux", "amd64"), b.Descriptor().On("linux", "arm64"))
	second := embedded.NewIndex(a.Descriptor())
	signature := embedded.NewArtifact("application/vnd.example.signature", a.Descriptor())
	digest := func(m embedded.Manifest) string { return m.Descriptor().Digest }
	names := map[string]string{
		digest(a): "a", digest(b): "b", digest(index): "index", digest(second): "second", digest(signature): "signature",
	}
	parents := []string{digest(index), digest(second)}
	slices.Sort(parents)
	bothParents := "ImageReferencedByManifestList: Requested image referenced by manifest list: [" +
		names[parents[0]] + ", " + names[parents[1]] + "]"
	const referenced = "ImageReferencedByManifestList: Requested image referenced by manifest list: [index]"
	const notFound = "ImageNotFound: Requested image not found"

	tests := []struct {
		name string
		fill func(*embedded.Repository)
		ids  []types.ImageIdentifier
		want outcome
		left []string // name and tags of the images that stay
	}{
		{
			name: "digest deletes the image with all tags",
			fill: func(r *embedded.Repository) { push(r, a, "v1", "v2") },
			ids:  byDigest(digest(a)),
			want: outcome{Deleted: []string{"a v1", "a v2"}},
		},
		{
			name: "tag deletes the tag only",
			fill: func(r *embedded.Repository) { push(r, a, "v1", "v2") },
			ids:  byTag("v1"),
			want: outcome{Deleted: []string{"a v1"}},
			left: []string{"a[v2]"},
		},
		{
			name: "the last tag takes the image along",
			fill: func(r *embedded.Repository) { push(r, a, "v1") },
			ids:  byTag("v1"),
			want: outcome{Deleted: []string{"a v1"}},
		},
		{
			name: "both tags in one call",
			fill: func(r *embedded.Repository) { push(r, a, "v1", "v2") },
			ids:  byTag("v1", "v2"),
			want: outcome{Deleted: []string{"a v1", "a v2"}},
		},
		{
			name: "tag with the digest of another image",
			fill: func(r *embedded.Repository) { push(r, a, "v1"); push(r, b, "v2") },
			ids:  []types.ImageIdentifier{{ImageDigest: aws.String(digest(b)), ImageTag: aws.String("v1")}},
			want: outcome{Failures: []string{"ImageTagDoesNotMatchDigest: Requested image tag 'v1' does not match the image digest 'b'"}},
			left: []string{"a[v1]", "b[v2]"},
		},
		{
			name: "what is wrong fails, the rest is deleted",
			fill: func(r *embedded.Repository) { push(r, a, "v1") },
			ids: append(append(byTag("no such", "v2"), byDigest("nonsense", digest(b), digest(a))...),
				types.ImageIdentifier{}),
			want: outcome{
				Deleted: []string{"a v1"},
				Failures: []string{
					"InvalidImageTag: Invalid request parameters: image tag should satisfy the regex '[a-zA-Z0-9_][a-zA-Z0-9._-]*'",
					notFound,
					"InvalidImageDigest: Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
					notFound,
					"MissingDigestAndTag: Invalid request parameters: both tag and digest cannot be null",
				},
			},
		},
		{
			name: "a child stays while an index lists it",
			fill: func(r *embedded.Repository) { push(r, a); push(r, b); push(r, index, "multi") },
			ids:  byDigest(digest(a)),
			want: outcome{Failures: []string{referenced}},
			left: []string{"a[]", "b[]", "index[multi]"},
		},
		{
			name: "children are refused in the call that deletes their index, whatever the order",
			fill: func(r *embedded.Repository) { push(r, a); push(r, b); push(r, index, "multi") },
			ids:  byDigest(digest(a), digest(index), digest(b)),
			want: outcome{Deleted: []string{"index multi"}, Failures: []string{referenced, referenced}},
			left: []string{"a[]", "b[]"},
		},
		{
			name: "all parents are named",
			fill: func(r *embedded.Repository) { push(r, a); push(r, b); push(r, index); push(r, second) },
			ids:  byDigest(digest(a)),
			want: outcome{Failures: []string{bothParents}},
			left: []string{"a[]", "b[]", "index[]", "second[]"},
		},
		{
			name: "the last tag of a child is refused too, others are not",
			fill: func(r *embedded.Repository) { push(r, a, "v1", "v2"); push(r, b); push(r, index) },
			ids:  byTag("v1", "v2"),
			want: outcome{Deleted: []string{"a v1"}, Failures: []string{referenced}},
			left: []string{"a[v2]", "b[]", "index[]"},
		},
		{
			name: "a subject goes, its referrer stays",
			fill: func(r *embedded.Repository) { push(r, a); push(r, signature) },
			ids:  byDigest(digest(a)),
			want: outcome{Deleted: []string{"a "}},
			left: []string{"signature[]"},
		},
		{
			name: "an index without a tag holds what it lists",
			fill: func(r *embedded.Repository) {
				push(r, a)
				push(r, b)
				fallback := "sha256-" + strings.TrimPrefix(digest(b), "sha256:")
				push(r, index, fallback)
				push(r, second, fallback) // the next list of referrers takes the tag
			},
			ids:  byDigest(digest(b)),
			want: outcome{Failures: []string{referenced}},
			left: []string{"a[]", "b[]", "index[]", "second[sha256-" + strings.TrimPrefix(digest(b), "sha256:") + "]"},
		},
		{
			name: "archived images can be deleted",
			fill: func(r *embedded.Repository) { push(r, a); r.Archive(digest(a), start) },
			ids:  byDigest(digest(a)),
			want: outcome{Deleted: []string{"a "}},
		},
		{
			name: "failures that a test asks for",
			fill: func(r *embedded.Repository) {
				push(r, a)
				push(r, b)
				r.Fail(digest(a), "KmsError")
				r.Fail(digest(b), "ImageInaccessible")
				r.Fail(digest(b), "")
			},
			ids:  byDigest(digest(a), digest(b)),
			want: outcome{Deleted: []string{"b "}, Failures: []string{"KmsError: Requested image failed with KmsError"}},
			left: []string{"a[]"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(embedded.Options{})
			repo := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
			test.fill(repo)
			got := batchDelete(t, w, names, test.ids...)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("outcome differs (-want +got):\n%s", diff)
			}
			var left []string
			for _, img := range repo.Images() {
				left = append(left, fmt.Sprint(names[img.Digest], img.Tags))
			}
			slices.Sort(left)
			if diff := cmp.Diff(test.left, left); diff != "" {
				t.Errorf("images that stay differ (-want +got):\n%s", diff)
			}
		})
	}
}

// An index in one call and its children in a later one empties a repository.
func TestDeleteIndexThenChildren(t *testing.T) {
	w := newWorld(embedded.Options{})
	repo := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	inner := embedded.NewIndex(image("a").Descriptor())
	digests := []string{push(repo, image("a")), push(repo, inner)}
	digests = append(digests, push(repo, embedded.NewIndex(inner.Descriptor())))
	slices.Reverse(digests)
	for _, digest := range digests {
		if got := batchDelete(t, w, nil, byDigest(digest)...); len(got.Failures) > 0 {
			t.Fatalf("delete %s: %v", digest, got.Failures)
		}
	}
	if left := repo.Images(); len(left) > 0 {
		t.Errorf("%d images stay, want none", len(left))
	}
}

func TestBatchLimits(t *testing.T) {
	w := newWorld(embedded.Options{})
	repo := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	digests := pushImages(repo, 101)
	for _, test := range []struct {
		n    int
		code string
	}{{101, "InvalidParameterException"}, {100, ""}} {
		_, err := w.client().BatchGetImage(t.Context(), &ecr.BatchGetImageInput{
			RepositoryName: aws.String("apps/web"), ImageIds: byDigest(digests[:test.n]...),
		})
		wantCode(t, err, test.code)
		_, err = w.client().BatchDeleteImage(t.Context(), &ecr.BatchDeleteImageInput{
			RepositoryName: aws.String("apps/web"), ImageIds: byDigest(digests[:test.n]...),
		})
		wantCode(t, err, test.code)
	}
	if left := repo.Images(); len(left) != 1 || left[0].Digest != digests[100] {
		t.Errorf("%d images stay, want the last one", len(left))
	}
}
