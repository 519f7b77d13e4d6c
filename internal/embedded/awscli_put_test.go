package embedded_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/regsweep/regsweep/internal/embedded"
)

// putImageObject is the input of a PutImage of the manifest.
func putImageObject(repository string, m embedded.Manifest, tag string) object {
	in := object{
		"repositoryName": repository, "imageManifest": string(m.Bytes()),
		"imageManifestMediaType": m.MediaType, "imageDigest": m.Descriptor().Digest,
	}
	if tag != "" {
		in["imageTag"] = tag
	}
	return in
}

// TestAWSCommandPutImage pushes manifests again through the aws command, where
// that is refused and where it is not.
func TestAWSCommandPutImage(t *testing.T) {
	w := newWorld(embedded.Options{})
	full := w.region.MustCreateRepository("cli/full", embedded.RepositoryOptions{})
	var tags []string
	for i := range 1000 {
		tags = append(tags, fmt.Sprintf("t%d", i))
	}
	push(full, image("a"), tags...)
	for name, options := range map[string]embedded.RepositoryOptions{
		"cli/immutable":        {Mutability: embedded.Immutable},
		"cli/immutable-but":    {Mutability: embedded.ImmutableWithExclusion, Exclusions: []string{"in-use-*"}},
		"cli/mutable-but":      {Mutability: embedded.MutableWithExclusion, Exclusions: []string{"v*"}},
		"cli/deleted":          {},
		"cli/index-of-nothing": {},
	} {
		repo := w.region.MustCreateRepository(name, options)
		push(repo, image("a"), "v1", "in-use-1")
		push(repo, image("b"), "b")
	}
	deleted, _ := w.region.Repository("cli/deleted")
	remove(t, w, deleted, image("a").Descriptor().Digest)
	cli := newCLI(t, w)
	cli.check(t, []refusable{
		{"the tag 1,001", "ecr:PutImage", "LimitExceededException", putImageObject("cli/full", image("a"), "one-more")},
		{"the same again", "ecr:PutImage", "ImageAlreadyExistsException", putImageObject("cli/full", image("a"), "t1")},
		{"an immutable tag", "ecr:PutImage", "ImageTagAlreadyExistsException", putImageObject("cli/immutable", image("b"), "v1")},
		{"a new tag where tags are immutable", "ecr:PutImage", "", putImageObject("cli/immutable", image("b"), "in-use-2")},
		{"immutable, and not excluded", "ecr:PutImage", "ImageTagAlreadyExistsException", putImageObject("cli/immutable-but", image("b"), "v1")},
		{"excluded from being immutable", "ecr:PutImage", "", putImageObject("cli/immutable-but", image("b"), "in-use-1")},
		{"excluded from being mutable", "ecr:PutImage", "ImageTagAlreadyExistsException", putImageObject("cli/mutable-but", image("b"), "v1")},
		{"mutable, and not excluded", "ecr:PutImage", "", putImageObject("cli/mutable-but", image("b"), "in-use-1")},
		{"layers that are collected", "ecr:PutImage", "LayersNotFoundException", putImageObject("cli/deleted", image("a"), "")},
		{"children that are not there", "ecr:PutImage", "ReferencedImagesNotFoundException", putImageObject("cli/index-of-nothing", embedded.NewIndex(image("c").Descriptor()), "")},
	})
}

// TestAWSCommandRestore brings an image back from the archive, which takes its
// time.
func TestAWSCommandRestore(t *testing.T) {
	w := newWorld(embedded.Options{RestoreTime: 20 * time.Minute})
	repo := w.region.MustCreateRepository("cli/archive", embedded.RepositoryOptions{})
	digest := push(repo, image("a"), "v1")
	repo.Archive(digest, start)
	cli := newCLI(t, w)
	call := func(action string, input object) any {
		t.Helper()
		answer, err := cli.call(t.Context(), action, input)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	get := object{"repositoryName": "cli/archive", "imageIds": []object{{"imageDigest": digest}}}
	wantUnread := func(when string) {
		t.Helper()
		if got := lookup(call("ecr:BatchGetImage", get), "failures.0.failureCode"); got != "ImageNotFound" {
			t.Errorf("%s: read it: %s, want ImageNotFound", when, got)
		}
	}
	wantUnread("archived")
	answer := call("ecr:UpdateImageStorageClass", object{
		"repositoryName": "cli/archive", "imageId": object{"imageDigest": digest}, "targetStorageClass": "STANDARD",
	})
	if got := lookup(answer, "imageStatus"); got != "ACTIVATING" {
		t.Errorf("status %s at first, want ACTIVATING", got)
	}
	w.clock.Advance(20*time.Minute - time.Second)
	wantUnread("a second too early")
	w.clock.Advance(time.Second)
	if got := lookup(call("ecr:BatchGetImage", get), "images.0.imageId.imageDigest"); got != digest {
		t.Errorf("after its time the image is %s, want %s", got, digest)
	}
}
