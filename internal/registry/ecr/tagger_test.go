package ecr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/permissions"
	"github.com/regsweep/regsweep/internal/registry"
)

// marked makes a repository of one index with the tags, and returns its digest.
func marked(t *testing.T, w *world, tags ...string) (*embedded.Repository, image.Digest) {
	t.Helper()
	repo := w.own().MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	push(repo, plain("a"))
	return repo, digestOf(t, push(repo, indexOf("0", plain("a")), tags...))
}

// imageTags returns the tags of an image; there says that there is one.
func imageTags(repo *embedded.Repository, digest image.Digest) (tags []string, there bool) {
	img, there := repo.Image(digest.String())
	return img.Tags, there
}

// TestPutImageRequest checks what is sent: the bytes unchanged, and the guards.
func TestPutImageRequest(t *testing.T) {
	w := newWorld(t)
	repo := w.own().MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	// A manifest as no encoder would write it, which does not name its type.
	m := plain("a")
	m.MediaType = ""
	content := append([]byte("\n\t "), m.Bytes()...)
	digest := repo.MustPush(embedded.Push{Manifest: content, MediaType: embedded.MediaTypeOCIManifest})
	if err := w.tagger(t, Config{}).Tag(t.Context(), "apps/web", digestOf(t, digest), "in-use-1"); err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if bodies := w.bodies("ecr:PutImage"); len(bodies) != 1 || json.Unmarshal([]byte(bodies[0]), &got) != nil {
		t.Fatalf("requests %q, want one", bodies)
	}
	want := map[string]string{
		"registryId": ownAccount, "repositoryName": "apps/web", "imageTag": "in-use-1", "imageDigest": digest,
		"imageManifest": string(content), "imageManifestMediaType": embedded.MediaTypeOCIManifest,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	for _, body := range w.bodies("ecr:BatchGetImage") {
		if strings.Contains(body, "imageTag") {
			t.Errorf("a manifest was read by tag: %s", body)
		}
	}
}

// TestUntagRequest checks that a tag is named without a digest, with which ECR
// could take the id for one of an image to delete.
func TestUntagRequest(t *testing.T) {
	w := newWorld(t)
	repo, digest := marked(t, w, "in-use-1", "in-use-2")
	if err := w.tagger(t, Config{}).Untag(t.Context(), "apps/web", digest, "in-use-1", "in-use-2"); err != nil {
		t.Fatal(err)
	}
	want := []string{`{"imageIds":[{"imageTag":"in-use-1"}],"registryId":"` + ownAccount + `","repositoryName":"apps/web"}`}
	if diff := cmp.Diff(want, w.bodies("ecr:BatchDeleteImage")); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if tags, _ := imageTags(repo, digest); !slices.Equal(tags, []string{"in-use-2"}) {
		t.Errorf("tags %q", tags)
	}
}

// TestAnchorTakenMeanwhile takes the anchor away at the worst moment: the image
// goes with what is then its last tag, and comes back.
func TestAnchorTakenMeanwhile(t *testing.T) {
	for _, test := range []struct {
		name     string
		archived bool
		back     bool
	}{
		{"its manifest is known", false, true},
		{"in the archive, where it is not", true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			repo, digest := marked(t, w, "in-use-1", "in-use-2")
			if test.archived {
				repo.Archive(digest.String(), start)
			}
			tagger := w.tagger(t, Config{})
			call := tagger.calls.deleteTag
			tagger.calls.deleteTag = func(ctx context.Context, account, repository, tag string) (*ecr.BatchDeleteImageOutput, error) {
				if _, err := call(ctx, account, repository, "in-use-2"); err != nil {
					t.Error(err)
				}
				return call(ctx, account, repository, tag)
			}
			err := tagger.Untag(t.Context(), "apps/web", digest, "in-use-1", "in-use-2")
			var back *registry.PutBackError
			if !errors.As(err, &back) || back.Digest != digest || back.Anchor != "in-use-2" || (back.Err == nil) != test.back {
				t.Errorf("got %v, want a PutBackError", err)
			}
			if tags, there := imageTags(repo, digest); there != test.back || there && !slices.Equal(tags, []string{"in-use-2"}) {
				t.Errorf("there: %v, with the tags %q", there, tags)
			}
		})
	}
}

// TestTagMovedMeanwhile moves the tag to another image at the worst moment, and
// then it is that image's that is taken: it says so.
func TestTagMovedMeanwhile(t *testing.T) {
	w := newWorld(t)
	repo, digest := marked(t, w, "in-use-1", "in-use-2")
	other := push(repo, plain("b"), "b")
	w.onFirst("BatchDeleteImage", func() { push(repo, plain("b"), "in-use-1") })
	err := w.tagger(t, Config{}).Untag(t.Context(), "apps/web", digest, "in-use-1", "in-use-2")
	if err == nil || !strings.Contains(err.Error(), other) {
		t.Errorf("got %v, want an error that names %s", err, other)
	}
	if len(repo.Images()) != 3 {
		t.Errorf("images are gone: %v", repo.Images())
	}
}

// TestUntagAnswers has answers that say less or more than they should.
func TestUntagAnswers(t *testing.T) {
	digest := image.DigestOf([]byte("a"))
	id := func(digest, tag string) *types.ImageIdentifier {
		return &types.ImageIdentifier{ImageDigest: aws.String(digest), ImageTag: aws.String(tag)}
	}
	failure := func(id *types.ImageIdentifier, code types.ImageFailureCode) []types.ImageFailure {
		return []types.ImageFailure{{ImageId: id, FailureCode: code, FailureReason: aws.String("why")}}
	}
	own := id(digest.String(), "in-use-1")
	for name, test := range map[string]struct {
		out  ecr.BatchDeleteImageOutput
		want error // nil is success
	}{
		"taken":              {ecr.BatchDeleteImageOutput{ImageIds: []types.ImageIdentifier{*own}}, nil},
		"not there":          {ecr.BatchDeleteImageOutput{Failures: failure(&types.ImageIdentifier{ImageTag: aws.String("in-use-1")}, "ImageNotFound")}, nil},
		"refused":            {ecr.BatchDeleteImageOutput{Failures: failure(own, "KmsError")}, &ImageError{digest, "KmsError", "why"}},
		"a nameless failure": {ecr.BatchDeleteImageOutput{Failures: failure(nil, "KmsError")}, &ImageError{digest, "KmsError", "why"}},
		"nothing":            {ecr.BatchDeleteImageOutput{}, &UnknownOutcomeError{digest}},
		"another tag":        {ecr.BatchDeleteImageOutput{ImageIds: []types.ImageIdentifier{*id(digest.String(), "in-use-2")}}, &UnknownOutcomeError{digest}},
		"no digest":          {ecr.BatchDeleteImageOutput{ImageIds: []types.ImageIdentifier{{ImageTag: aws.String("in-use-1")}}}, &UnknownOutcomeError{digest}},
	} {
		if diff := cmp.Diff(test.want, untagged(&test.out, digest, "in-use-1")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestTagAnswers has answers to PutImage and BatchGetImage that are not those of
// the image, and refusals that are none.
func TestTagAnswers(t *testing.T) {
	w := newWorld(t)
	repo, digest := marked(t, w, "v1")
	tag := func(change func(*Tagger)) error {
		tagger := w.tagger(t, Config{})
		change(tagger)
		return tagger.Tag(t.Context(), "apps/web", digest, "in-use-1")
	}
	putImage := func(out *ecr.PutImageOutput, err error) func(*Tagger) {
		return func(tagger *Tagger) {
			tagger.calls.putImage = func(context.Context, *ecr.PutImageInput, ...func(*ecr.Options)) (*ecr.PutImageOutput, error) {
				return out, err
			}
		}
	}
	other := image.DigestOf([]byte("other")).String()
	if err := tag(putImage(&ecr.PutImageOutput{}, nil)); err == nil {
		t.Error("an answer of nothing is success")
	}
	if err := tag(putImage(&ecr.PutImageOutput{Image: &types.Image{ImageId: &types.ImageIdentifier{ImageDigest: &other}}}, nil)); err == nil {
		t.Error("an answer about another image is success")
	}
	if err := tag(putImage(nil, &types.ImageAlreadyExistsException{})); err != nil {
		t.Errorf("it has the tag already: %v", err)
	}
	var differs *types.ImageDigestDoesNotMatchException
	if err := tag(putImage(nil, &types.ImageDigestDoesNotMatchException{})); !errors.As(err, &differs) || !strings.Contains(err.Error(), "another digest") {
		t.Errorf("another digest: %v", err)
	}
	var unread *UnreadError
	for name, content := range map[string]string{"nothing": "", "other content": `{"schemaVersion":2}`} {
		err := tag(func(tagger *Tagger) {
			tagger.calls.batchGetImage = func(_ context.Context, in *ecr.BatchGetImageInput, take manifestTaker) error {
				out := &ecr.BatchGetImageOutput{}
				if content != "" {
					out.Images = []types.Image{{ImageId: &in.ImageIds[0], ImageManifest: &content}}
				}
				takeOutput(take, out)
				return nil
			}
		})
		if !errors.As(err, &unread) || unread.Digest != digest {
			t.Errorf("%s: %v, want an UnreadError", name, err)
		}
	}
	if tags, _ := imageTags(repo, digest); !slices.Equal(tags, []string{"v1"}) {
		t.Errorf("tags %q, want none but v1", tags)
	}
	if n := w.count("ecr:PutImage"); n > 0 {
		t.Errorf("PutImage was called %d times", n)
	}
}

// TestAnswerOfTagLost loses the answer to PutImage, once: the second attempt is
// refused, by a repository with immutable tags in another way, and all is well.
func TestAnswerOfTagLost(t *testing.T) {
	for _, mutability := range []embedded.Mutability{embedded.Mutable, embedded.Immutable} {
		for name, refusal := range map[string]string{"as the same image": "", "as an immutable tag": "ImageTagAlreadyExistsException"} {
			w := newWorld(t)
			repo := w.own().MustCreateRepository("apps/web", embedded.RepositoryOptions{Mutability: mutability})
			digest := digestOf(t, push(repo, plain("a"), "v1"))
			attempts := 0
			w.SetFaults(func(_ int, _, operation string) embedded.Fault {
				if operation != "PutImage" {
					return embedded.Fault{}
				}
				attempts++
				switch {
				case attempts == 1:
					return embedded.Fault{Kind: embedded.FaultDropAfter}
				case refusal != "":
					return embedded.Fault{Kind: embedded.FaultError, Code: refusal}
				}
				return embedded.Fault{}
			})
			if err := w.tagger(t, Config{}).Tag(t.Context(), "apps/web", digest, "in-use-1"); err != nil || attempts != 2 {
				t.Errorf("%s, refused %s: %v after %d attempts", mutability, name, err, attempts)
			}
			if tags, _ := imageTags(repo, digest); !slices.Equal(tags, []string{"in-use-1", "v1"}) {
				t.Errorf("%s, refused %s: tags %q", mutability, name, tags)
			}
		}
	}
}

// TestQuotaIsFinal has ECR refuse a tag for a quota: the SDK would try again.
func TestQuotaIsFinal(t *testing.T) {
	w := newWorld(t)
	_, digest := marked(t, w, "v1")
	w.SetFaults(embedded.FaultOn("ecr", "PutImage", embedded.Fault{Kind: embedded.FaultError, Code: "LimitExceededException"}))
	writer := w.writer(t, Config{})
	var limit *registry.TagLimitError
	if err := writer.Tag(t.Context(), "apps/web", digest, "in-use-1"); !errors.As(err, &limit) || limit.Tag != "in-use-1" {
		t.Errorf("got %v, want a TagLimitError", err)
	}
	if n := w.count("ecr:PutImage"); n != 1 {
		t.Errorf("PutImage was called %d times, want once", n)
	}
	// An image that is not there has no tags: then it is another quota.
	content := plain("new").Bytes()
	m := registry.Manifest{Digest: image.DigestOf(content), MediaType: embedded.MediaTypeOCIManifest, Content: content}
	var quota *types.LimitExceededException
	if err := writer.Put(t.Context(), "apps/web", m, []string{"v2"}); errors.As(err, &limit) || !errors.As(err, &quota) {
		t.Errorf("got %v, want the quota's exception alone", err)
	}
}

// TestTaggingIsNoPull reads a manifest for a tag, which ECR counts as a pull: a
// later read knows whose it was.
func TestTaggingIsNoPull(t *testing.T) {
	w := newWorld(t)
	repo, digest := marked(t, w, "v1")
	pulled := start.Add(-30 * 24 * time.Hour)
	repo.Pull(digest.String(), pulled)
	env := w.env(t, t.TempDir())
	tagger, err := Config{}.OpenTagger(t.Context(), "prod", env)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := Config{}.OpenReader(t.Context(), "prod", env)
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"in-use-1", "in-use-2"} { // soon after each other
		if err := tagger.Tag(t.Context(), "apps/web", digest, tag); err != nil {
			t.Fatal(err)
		}
		w.clock.Advance(time.Hour)
		c := read(t, reader, "apps/web", false)
		i := at(t, c, digest.String())
		if before, own := c.OwnPulls[i]; !own || before != image.At(pulled) || c.Images[i].PulledAt == before {
			t.Errorf("%s: own pull %v, before it %v, want %v", tag, own, before.Time(), pulled)
		}
	}
	if n := w.count("ecr:BatchGetImage"); n != 2 {
		t.Errorf("BatchGetImage was called %d times, want once for each tag", n)
	}
}

// TestPutImagePace marks many images at once, at the quota of PutImage that AWS
// publishes: next to nothing is refused, and no time is lost.
func TestPutImagePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newBubble()
		w.SetRate("ecr:PutImage", embedded.Rate{PerSecond: 10, Burst: 10})
		repo := w.own().MustCreateRepository("apps/web", embedded.RepositoryOptions{})
		const count = 200
		tagger := w.tagger(t, Config{Account: ownAccount})
		began := w.now()
		var group errgroup.Group
		for n := range count {
			digest := digestOf(t, push(repo, plain(fmt.Sprint(n))))
			group.Go(func() error { return tagger.Tag(t.Context(), "apps/web", digest, fmt.Sprintf("in-use-%d", n)) })
		}
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
		took, refused := w.now().Sub(began), w.Stats().Throttled["ecr:PutImage"]
		if took > 25*time.Second || refused > 10 {
			t.Errorf("it took %v, and %d calls were refused", took, refused)
		}
	})
}

// TestChangesLeastPrivilege makes the changes of a run under exactly its
// permissions, and without each of them.
func TestChangesLeastPrivilege(t *testing.T) {
	archived, lost := plain("archived"), plain("lost")
	for name, test := range map[string]struct {
		run     permissions.Run
		changes func(t *testing.T, w *Writer, digest image.Digest) []error
	}{
		"tag": {permissions.Run{Tag: true}, func(t *testing.T, w *Writer, digest image.Digest) []error {
			return []error{
				w.Tag(t.Context(), "apps/web", digest, "in-use-1"),
				w.MoveTag(t.Context(), "apps/web", digest, "in-use-2"),
				w.Untag(t.Context(), "apps/web", digest, "in-use-1", "v1"),
			}
		}},
		"restore": {permissions.Run{Restore: true}, func(t *testing.T, w *Writer, digest image.Digest) []error {
			m := registry.Manifest{Digest: image.DigestOf(lost.Bytes()), MediaType: lost.MediaType, Content: lost.Bytes()}
			_, err := w.Manifests(t.Context(), "apps/web", []image.Image{{Digest: digest}})
			return []error{
				err,
				w.Activate(t.Context(), "apps/web", image.DigestOf(archived.Bytes())),
				w.Put(t.Context(), "apps/web", m, []string{"v2"}),
			}
		}},
	} {
		needs := Config{Account: ownAccount, Region: region}.IAM(test.run)
		attempt := func(needs []permissions.Need) error {
			w := newWorld(t)
			repo, digest := marked(t, w, "v1")
			repo.Archive(push(repo, archived), start)
			repo.AddLayers(lost.Config.Digest, lost.Layers[0].Digest)
			document, err := json.Marshal(permissions.For(needs, ""))
			if err != nil {
				t.Fatal(err)
			}
			writer, reader := w.writer(t, Config{}), w.reader(t, Config{}, "")
			if err := w.SetPolicy(w.Account(ownAccount).AccessKeyID(), string(document)); err != nil {
				t.Fatal(err)
			}
			_, listed := reader.Repositories(t.Context(), all, false)
			return errors.Join(append(test.changes(t, writer, digest), listed)...)
		}
		if err := attempt(needs); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for i, action := range needs[0].Actions {
			without := needs[0]
			without.Actions = slices.Delete(slices.Clone(without.Actions), i, i+1)
			var denied *awsapi.DeniedError
			if err := attempt([]permissions.Need{without}); !errors.As(err, &denied) || denied.Action != action {
				t.Errorf("%s without %s: %v", name, action, err)
			}
		}
	}
}
