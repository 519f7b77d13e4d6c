package embedded_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/regsweep/regsweep/internal/embedded"
)

// putInput is a PutImage of the manifest under the tag ("" for none).
func putInput(m embedded.Manifest, tag string) *ecr.PutImageInput {
	in := &ecr.PutImageInput{RepositoryName: aws.String("apps/web"), ImageManifest: aws.String(string(m.Bytes()))}
	if tag != "" {
		in.ImageTag = aws.String(tag)
	}
	return in
}

func TestPutImage(t *testing.T) {
	a, b := image("a"), image("b")
	large := image("large")
	large.Annotations = map[string]string{"filler": strings.Repeat("x", 4<<20)}
	untyped := image("a")
	untyped.MediaType = ""
	with := func(m embedded.Manifest, tag string, change func(*ecr.PutImageInput)) *ecr.PutImageInput {
		in := putInput(m, tag)
		change(in)
		return in
	}
	tests := []struct {
		name string
		in   *ecr.PutImageInput
		code string
		a, b []string // tags afterwards; the repository starts with a[v1] and b[v2]
	}{
		{"another tag", putInput(a, "v3"), "", []string{"v1", "v3"}, []string{"v2"}},
		{"a tag moves", putInput(a, "v2"), "", []string{"v1", "v2"}, nil},
		{"same image and tag", putInput(a, "v1"), "ImageAlreadyExistsException", []string{"v1"}, []string{"v2"}},
		{"same image without tag", putInput(a, ""), "ImageAlreadyExistsException", []string{"v1"}, []string{"v2"}},
		{"new image without its layers", putInput(image("new"), "v3"), "LayersNotFoundException", []string{"v1"}, []string{"v2"}},
		{"index without its children", putInput(embedded.NewIndex(a.Descriptor(), image("new").Descriptor()), "v3"),
			"ReferencedImagesNotFoundException", []string{"v1"}, []string{"v2"}},
		{"index", putInput(embedded.NewIndex(a.Descriptor(), b.Descriptor()), "v1"), "", nil, []string{"v2"}},
		{"digest guard holds", with(a, "v3", func(in *ecr.PutImageInput) { in.ImageDigest = aws.String(a.Descriptor().Digest) }),
			"", []string{"v1", "v3"}, []string{"v2"}},
		{"digest guard refuses", with(a, "v3", func(in *ecr.PutImageInput) { in.ImageDigest = aws.String(b.Descriptor().Digest) }),
			"ImageDigestDoesNotMatchException", []string{"v1"}, []string{"v2"}},
		{"media type differs", with(a, "v3", func(in *ecr.PutImageInput) { in.ImageManifestMediaType = aws.String(embedded.MediaTypeDocker) }),
			"InvalidParameterException", []string{"v1"}, []string{"v2"}},
		{"media type unknown", with(untyped, "v3", func(in *ecr.PutImageInput) { in.ImageManifestMediaType = aws.String("text/plain") }),
			"InvalidParameterException", []string{"v1"}, []string{"v2"}},
		{"media type nowhere", putInput(untyped, "v3"), "InvalidParameterException", []string{"v1"}, []string{"v2"}},
		{"no JSON", with(a, "v3", func(in *ecr.PutImageInput) { in.ImageManifest = aws.String("{") }),
			"InvalidParameterException", []string{"v1"}, []string{"v2"}},
		{"too large", putInput(large, "v3"), "InvalidParameterException", []string{"v1"}, []string{"v2"}},
		{"longest tag", putInput(a, strings.Repeat("t", 300)), "", []string{strings.Repeat("t", 300), "v1"}, []string{"v2"}},
		{"tag too long", putInput(a, strings.Repeat("t", 301)), "InvalidParameterException", []string{"v1"}, []string{"v2"}},
		{"tag with a slash", putInput(a, "v/3"), "InvalidParameterException", []string{"v1"}, []string{"v2"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(embedded.Options{})
			repo := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
			push(repo, a, "v1")
			push(repo, b, "v2")
			w.clock.Advance(time.Hour)
			_, err := w.client().PutImage(t.Context(), test.in)
			wantCode(t, err, test.code)
			gotA, _ := repo.Image(a.Descriptor().Digest)
			gotB, _ := repo.Image(b.Descriptor().Digest)
			if diff := cmp.Diff([][]string{test.a, test.b}, [][]string{gotA.Tags, gotB.Tags}, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("tags differ (-want +got):\n%s", diff)
			}
			if !gotA.PushedAt.Equal(start) {
				t.Errorf("push time is %v, want it as it was, %v", gotA.PushedAt, start)
			}
		})
	}
}

func TestPutNewImage(t *testing.T) {
	w := newWorld(embedded.Options{})
	repo := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	m := image("new")
	m.MediaType = "" // OCI manifests need not name their type
	repo.AddLayers(m.Config.Digest, m.Layers[0].Digest)
	in := putInput(m, "v1")
	in.ImageManifestMediaType = aws.String(embedded.MediaTypeOCIManifest)
	out, err := w.client().PutImage(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := aws.ToString(out.Image.ImageId.ImageDigest), embedded.Digest(m.Bytes()); got != want {
		t.Errorf("digest %s, want that of the bytes, %s", got, want)
	}
	got, _ := repo.Image("v1")
	want := embedded.Image{
		Digest: embedded.Digest(m.Bytes()), Tags: []string{"v1"},
		MediaType: embedded.MediaTypeOCIManifest, ArtifactType: embedded.MediaTypeOCIConfig,
		Size: 100, PushedAt: start, Status: "ACTIVE", Manifest: m.Bytes(),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("image differs (-want +got):\n%s", diff)
	}
}

func TestTagLimit(t *testing.T) {
	w := newWorld(embedded.Options{})
	repo := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	var tags []string
	for i := range 1000 {
		tags = append(tags, fmt.Sprintf("t%d", i))
	}
	push(repo, image("a"), tags...)
	_, err := w.client().PutImage(t.Context(), putInput(image("a"), "one-more"))
	wantCode(t, err, "LimitExceededException")
	_, err = w.client().PutImage(t.Context(), putInput(image("a"), "t5"))
	wantCode(t, err, "ImageAlreadyExistsException")
}

func TestMutability(t *testing.T) {
	tests := []struct {
		mode       embedded.Mutability
		exclusions []string
		tag        string
		moves      bool
	}{
		{embedded.Mutable, nil, "v1", true},
		{embedded.Immutable, nil, "v1", false},
		{embedded.ImmutableWithExclusion, []string{"dev-*", "latest"}, "v1", false},
		{embedded.ImmutableWithExclusion, []string{"dev-*", "latest"}, "dev-1", true},
		{embedded.ImmutableWithExclusion, []string{"dev-*", "latest"}, "latest", true},
		{embedded.ImmutableWithExclusion, []string{"dev-*", "latest"}, "latest-1", false},
		{embedded.MutableWithExclusion, []string{"v*.0"}, "v1.0", false},
		{embedded.MutableWithExclusion, []string{"v*.0"}, "v1.1", true},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.mode, test.exclusions, test.tag), func(t *testing.T) {
			w := newWorld(embedded.Options{})
			repo := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{
				Mutability: test.mode, Exclusions: test.exclusions,
			})
			push(repo, image("a"), test.tag)
			push(repo, image("b"), "b")
			_, err := w.client().PutImage(t.Context(), putInput(image("b"), test.tag))
			want := map[bool]string{false: "ImageTagAlreadyExistsException"}[test.moves]
			wantCode(t, err, want)
			if got, _ := repo.Image(test.tag); (got.Digest == image("b").Descriptor().Digest) != test.moves {
				t.Errorf("the tag is at %s", got.Digest)
			}
			_, err = w.client().PutImage(t.Context(), putInput(image("a"), "another"))
			wantCode(t, err, "") // new tags are always welcome
		})
	}
}

func TestSizes(t *testing.T) {
	w := newWorld(embedded.Options{})
	repo := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	small := embedded.NewImage(embedded.ConfigBlob("s", 1), embedded.LayerBlob("s1", 20), embedded.LayerBlob("s2", 300))
	big := embedded.NewImage(embedded.ConfigBlob("b", 4000))
	push(repo, small, "small")
	push(repo, big, "big")
	push(repo, embedded.NewIndex(small.Descriptor(), big.Descriptor()), "index")
	for tag, want := range map[string]int64{"small": 321, "big": 4000, "index": 4000} {
		if got, _ := repo.Image(tag); got.Size != want {
			t.Errorf("%s has size %d, want %d", tag, got.Size, want)
		}
	}
}
