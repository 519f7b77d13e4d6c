package ecr

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/image"
)

// digestOf reads a digest that is known to be one.
func digestOf(t testing.TB, s string) image.Digest {
	t.Helper()
	d, err := image.ParseDigest(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestReadImages(t *testing.T) {
	w := newWorld(t)
	repo := w.own().MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	web := plain("web")
	signature := embedded.NewArtifact("application/vnd.example.signature", web.Descriptor(), embedded.LayerBlob("sig", 7))
	signature.MediaType = embedded.MediaTypeOCIManifest
	pushed, pulled := start.Add(-48*time.Hour+123*time.Millisecond), start.Add(-time.Hour+7*time.Millisecond)
	repo.MustPush(embedded.Push{Manifest: web.Bytes(), Tags: []string{"v2", "v1"}, At: pushed})
	repo.Pull("v1", pulled)
	push(repo, signature)
	repo.Archive(signature.Descriptor().Digest, start)

	got := read(t, w.reader(t, Config{}, ""), "apps/web", false)
	want := map[string]image.Image{
		"image": {
			Digest: digestOf(t, web.Descriptor().Digest), Tags: []string{"v1", "v2"},
			PushedAt: image.At(pushed), PulledAt: image.At(pulled), Size: 1_001_000,
			Type: image.NewType(embedded.MediaTypeOCIManifest, embedded.MediaTypeOCIConfig, image.Digest{}),
		},
		"signature": {
			Digest:   digestOf(t, signature.Descriptor().Digest),
			PushedAt: image.At(start), Size: 9, Status: image.Archived,
			Type: image.NewType(embedded.MediaTypeOCIManifest, "application/vnd.example.signature", digestOf(t, web.Descriptor().Digest)),
		},
	}
	for name, image := range want {
		if diff := cmp.Diff(image, got.Images[at(t, got, image.Digest.String())]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if !got.GuardsListed || len(got.Images) != 2 || len(got.Unreadable) > 0 || len(got.OwnPulls) > 0 {
		t.Errorf("contents: %+v", got)
	}
}

// TestListsBeforeReading is the first trap of ECR: reading a manifest counts as
// a pull, so all pages come before the first manifest.
func TestListsBeforeReading(t *testing.T) {
	w := newWorld(t)
	repo, indexes := pushIndexes(w, "apps/web", 250)
	for n := range 900 {
		push(repo, plain(fmt.Sprint(n)))
	}
	pulled := start.Add(-time.Hour)
	for _, digest := range indexes {
		repo.Pull(digest, pulled)
	}
	got := read(t, w.reader(t, Config{}, ""), "apps/web", false)
	for i := range got.Images {
		if got.Images[i].IsIndex() && got.Images[i].PulledAt != image.At(pulled) {
			t.Fatalf("an index has the pull time %v", got.Images[i].PulledAt.Time())
		}
	}
	var actions []string
	for _, call := range w.Calls() {
		actions = append(actions, call.Action)
	}
	want := []string{
		"sts:GetCallerIdentity", "ecr:DescribeImages", "ecr:DescribeImages",
		"ecr:BatchGetImage", "ecr:BatchGetImage", "ecr:BatchGetImage",
	}
	if diff := cmp.Diff(want, actions); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	for _, body := range w.bodies("ecr:DescribeImages") {
		for _, part := range []string{`"imageStatus":"ANY"`, `"maxResults":1000`, `"registryId":"` + ownAccount + `"`} {
			if !strings.Contains(body, part) {
				t.Errorf("DescribeImages without %s: %s", part, body)
			}
		}
	}
	for _, body := range w.bodies("ecr:BatchGetImage") {
		if n := strings.Count(body, `"imageDigest"`); n > maxBatch || strings.Contains(body, `"imageTag"`) {
			t.Errorf("BatchGetImage asks for %d digests: %s", n, body)
		}
	}
}

// TestTagMovesBetweenPages moves a tag to an image of the second page after the
// first page, with the image that had it, was read.
func TestTagMovesBetweenPages(t *testing.T) {
	w := newWorld(t)
	repo := w.own().MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	byDigest := map[string]embedded.Manifest{}
	for n := range pageSize + 1 {
		m := plain(fmt.Sprint(n))
		byDigest[push(repo, m, fmt.Sprintf("build-%d", n))] = m
	}
	sorted := slices.Sorted(maps.Keys(byDigest)) // as the account lists them
	first, last := sorted[0], sorted[len(sorted)-1]
	push(repo, byDigest[first], "latest")
	pages := 0
	w.SetFaults(func(_ int, _, operation string) embedded.Fault {
		if operation == "DescribeImages" {
			if pages++; pages == 2 {
				push(repo, byDigest[last], "latest")
			}
		}
		return embedded.Fault{}
	})
	got := read(t, w.reader(t, Config{}, ""), "apps/web", false)
	if tags := got.Images[at(t, got, first)].Tags; slices.Contains(tags, "latest") || len(tags) != 1 {
		t.Errorf("the image that lost the tag has %q", tags)
	}
	if tags := got.Images[at(t, got, last)].Tags; !slices.Contains(tags, "latest") || len(tags) != 2 {
		t.Errorf("the image that got the tag has %q", tags)
	}
}

// onFirst calls do when an action is called for the first time, before the
// server acts.
func (w *world) onFirst(operation string, do func()) {
	var once sync.Once
	w.SetFaults(func(_ int, _, op string) embedded.Fault {
		if op == operation {
			once.Do(do)
		}
		return embedded.Fault{}
	})
}

// TestImageGoneBetweenListingAndReading deletes an index, and archives another,
// when the manifests are asked for.
func TestImageGoneBetweenListingAndReading(t *testing.T) {
	for _, cached := range []bool{true, false} {
		t.Run(fmt.Sprintf("cached %v", cached), func(t *testing.T) {
			w := newWorld(t)
			repo, indexes := pushIndexes(w, "apps/web", 120)
			writer := w.writer(t, Config{})
			w.onFirst("BatchGetImage", func() {
				deleted, err := writer.Delete(t.Context(), "apps/web", []image.Digest{digestOf(t, indexes[0])})
				if err != nil || deleted[0] != nil {
					t.Errorf("delete: %v, %v", deleted, err)
				}
				repo.Archive(indexes[1], start)
			})
			cache := ""
			if cached {
				cache = t.TempDir()
			}
			got := read(t, w.reader(t, Config{}, cache), "apps/web", false)
			if len(got.Images) != 120 {
				t.Errorf("%d images, want 120", len(got.Images))
			}
			if _, archived := got.Unreadable[at(t, got, indexes[1])]; !archived || len(got.Unreadable) != 1 {
				t.Errorf("unreadable: %v, want the archived index", got.Unreadable)
			}
			// The second listing shows the first reading as pulls.
			if len(got.OwnPulls) != 118 {
				t.Errorf("%d own pulls, want those of the 118 indexes that were read", len(got.OwnPulls))
			}
			if n := w.count("ecr:DescribeImages"); n != 2 {
				t.Errorf("DescribeImages was called %d times, want 2", n)
			}
		})
	}
}

func TestReadFailures(t *testing.T) {
	w := newWorld(t)
	repo, indexes := pushIndexes(w, "apps/web", 3)
	repo.Fail(indexes[0], "KmsError")
	repo.Fail(indexes[1], "ImageNotFound") // although it is listed, each time
	r := w.reader(t, Config{}, t.TempDir())
	got := read(t, r, "apps/web", false)
	for i, want := range map[int]string{at(t, got, indexes[0]): "KmsError", at(t, got, indexes[1]): "ImageNotFound"} {
		if !strings.Contains(got.Unreadable[i], want) || got.Manifests[i] != nil {
			t.Errorf("image %d: %q, want %s and no manifest", i, got.Unreadable[i], want)
		}
	}
	if i := at(t, got, indexes[2]); got.Unreadable[i] != "" || got.Manifests[i] == nil {
		t.Errorf("the other index is unreadable: %q", got.Unreadable[i])
	}
	repo.Fail(indexes[0], "")
	if got := read(t, r, "apps/web", false); len(got.Unreadable) != 1 {
		t.Errorf("one failure was taken back, and unreadable are %v", got.Unreadable)
	}
}

// TestWrongManifests has answers of BatchGetImage that no registry should give.
func TestWrongManifests(t *testing.T) {
	const digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" // of {}
	for name, test := range map[string]struct {
		change func(*ecr.BatchGetImageOutput)
		want   string
	}{
		"other content": {func(out *ecr.BatchGetImageOutput) {
			*out.Images[0].ImageManifest += " "
		}, "other content"},
		"no content": {func(out *ecr.BatchGetImageOutput) { out.Images[0].ImageManifest = nil }, "other content"},
		"no images":  {func(out *ecr.BatchGetImageOutput) { out.Images = nil }, "does not mention"},
		"no id": {func(out *ecr.BatchGetImageOutput) {
			out.Images[0].ImageId, out.Images[0].ImageManifest = nil, aws.String("{}")
		}, "does not mention"},
		"another image": {func(out *ecr.BatchGetImageOutput) {
			out.Images[0].ImageId, out.Images[0].ImageManifest = &types.ImageIdentifier{ImageDigest: aws.String(digest)}, aws.String("{}")
		}, "does not mention"},
		"failure without an id": {func(out *ecr.BatchGetImageOutput) {
			out.Images, out.Failures = nil, []types.ImageFailure{{FailureCode: types.ImageFailureCodeKmsError}}
		}, "does not mention"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			_, indexes := pushIndexes(w, "apps/web", 1)
			r := w.reader(t, Config{}, t.TempDir())
			sdk, err := w.env(t, "").AWS.Config(t.Context(), Config{}.target())
			if err != nil {
				t.Fatal(err)
			}
			real := r.calls.batchGetImage
			r.calls.batchGetImage = func(ctx context.Context, in *ecr.BatchGetImageInput, take manifestTaker) error {
				out, err := ecr.NewFromConfig(sdk).BatchGetImage(ctx, in)
				if err == nil {
					test.change(out)
					takeOutput(take, out)
				}
				return err
			}
			got := read(t, r, "apps/web", false)
			i := at(t, got, indexes[0])
			if !strings.Contains(got.Unreadable[i], test.want) || got.Manifests[i] != nil {
				t.Errorf("unreadable: %q, want %q and no manifest", got.Unreadable[i], test.want)
			}
			r.calls.batchGetImage = real
			if got := read(t, r, "apps/web", false); len(got.Unreadable) > 0 {
				t.Errorf("what was wrong was remembered: %v", got.Unreadable)
			}
		})
	}
}

// TestUnparsableManifest has content of the right digest that is no index.
func TestUnparsableManifest(t *testing.T) {
	w := newWorld(t)
	content := `{"mediaType":"` + embedded.MediaTypeOCIIndex + `","manifests":[{"digest":"sha256:not"}]}`
	w.answer("DescribeImages", 200, fmt.Sprintf(`{"imageDetails":[{"imageDigest":%q,"imageManifestMediaType":%q}]}`,
		image.DigestOf([]byte(content)), embedded.MediaTypeOCIIndex))
	r := w.reader(t, Config{}, t.TempDir())
	r.calls.batchGetImage = func(_ context.Context, _ *ecr.BatchGetImageInput, take manifestTaker) error {
		takeOutput(take, &ecr.BatchGetImageOutput{Images: []types.Image{{ImageManifest: &content}}})
		return nil
	}
	got := read(t, r, "apps/web", false)
	if !strings.Contains(got.Unreadable[0], "parse manifest") || got.Manifests[0] != nil {
		t.Errorf("unreadable: %q, want that it cannot be parsed", got.Unreadable[0])
	}
}

// TestUnknownMediaType reads what could be an index by a name that is not known.
func TestUnknownMediaType(t *testing.T) {
	for mediaType, want := range map[string]bool{
		embedded.MediaTypeOCIManifest:                               false,
		embedded.MediaTypeDocker:                                    false,
		"application/vnd.oci.artifact.manifest.v1+json":             false,
		"application/vnd.docker.distribution.manifest.v1+prettyjws": false,
		"Application/VND.oci.image.manifest.v1+json; charset=utf-8": false,
		embedded.MediaTypeOCIIndex:                                  true,
		embedded.MediaTypeDockerList:                                true,
		"application/vnd.oci.image.index.v2+json":                   true,
		"": true,
	} {
		if got := mayList(mediaType); got != want {
			t.Errorf("mayList(%q) = %v, want %v", mediaType, got, want)
		}
	}
}

// TestRepositoryGoneWhileReading deletes the repository after it was listed.
func TestRepositoryGoneWhileReading(t *testing.T) {
	w := newWorld(t)
	pushIndexes(w, "apps/web", 3)
	sdk, err := w.env(t, "").AWS.Config(t.Context(), Config{}.target())
	if err != nil {
		t.Fatal(err)
	}
	w.onFirst("BatchGetImage", func() {
		if _, err := ecr.NewFromConfig(sdk).DeleteRepository(t.Context(), &ecr.DeleteRepositoryInput{
			RepositoryName: aws.String("apps/web"), Force: true,
		}); err != nil {
			t.Errorf("delete the repository: %v", err)
		}
	})
	c, err := w.reader(t, Config{}, "").Read(t.Context(), image.Repository{Name: "apps/web"}, false)
	if c != nil || !isGone(err) {
		t.Errorf("got %v and %v, want nothing and that the repository is gone", c, err)
	}
}
