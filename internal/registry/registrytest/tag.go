package registrytest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/registry"
)

// pushed returns the manifest as registries know it.
func (m Manifest) pushed() registry.Manifest {
	return registry.Manifest{Digest: m.Digest(), MediaType: m.MediaType, Content: m.Content}
}

// has fails unless the image of the manifest has exactly the tags, and its
// bytes are what was pushed.
func (s suite) has(t *testing.T, repository string, m Manifest, tags ...string) image.Image {
	t.Helper()
	img, ok, err := s.Reader.Find(t.Context(), repository, m.Digest())
	if err != nil || !ok {
		t.Fatalf("find %s: %v, %v", m.Digest(), ok, err)
	}
	if !slices.Equal(slices.Sorted(slices.Values(tags)), img.Tags) {
		t.Errorf("%s has the tags %q, want %q", m.Digest(), img.Tags, tags)
	}
	if img.Status == image.Active {
		got, err := s.Writer.Manifests(t.Context(), repository, []image.Image{img})
		if err != nil || len(got) != 1 || got[0].Err != nil {
			t.Fatalf("read %s: %v, %v", m.Digest(), got, err)
		}
		if !bytes.Equal(got[0].Content, m.Content) || got[0].Digest != m.Digest() || got[0].MediaType != m.MediaType || img.MediaType() != m.MediaType {
			t.Errorf("%s became %s of the media type %s", m.Digest(), got[0].Digest, got[0].MediaType)
		}
	}
	return img
}

// mixed fills a repository with images of every sort.
func (s suite) mixed(t *testing.T, repository string) map[string]Manifest {
	t.Helper()
	child, plain := single("child"), single("plain")
	all := map[string]Manifest{
		"child":                child,
		"untagged image":       plain,
		"OCI index":            index(image.MediaTypeOCIIndex, child),
		"Docker manifest list": index(image.MediaTypeDockerManifestList, child),
		"signature":            attached("signature", &plain),
	}
	all["index of an index"] = index(image.MediaTypeOCIIndex, all["OCI index"])
	s.fill(t, repository, child, plain, all["OCI index"], all["Docker manifest list"], all["signature"], all["index of an index"])
	return all
}

func testFind(t *testing.T, s suite) {
	a, b, never := single("a"), single("b"), single("never pushed")
	s.create(t, "apps/web", nil)
	s.Push(t, "apps/web", a, "v1", "latest")
	s.Push(t, "apps/web", b, "v2")
	s.fill(t, "apps/api", never)
	listed, _ := find(t, s.read(t, "apps/web", false), a)
	got, ok, err := s.Reader.Find(t.Context(), "apps/web", a.Digest())
	if diff := cmp.Diff(*listed, got); err != nil || !ok || diff != "" {
		t.Errorf("find: %v, %v (-listed +found):\n%s", ok, err, diff)
	}
	got, ok, err = s.Reader.Resolve(t.Context(), "apps/web", "latest")
	if diff := cmp.Diff(*listed, got); err != nil || !ok || diff != "" {
		t.Errorf("resolve: %v, %v (-listed +found):\n%s", ok, err, diff)
	}
	if got, ok, err := s.Reader.Find(t.Context(), "apps/web", never.Digest()); ok || err != nil {
		t.Errorf("find what is elsewhere: %v, %v, %v", got, ok, err)
	}
	if got, ok, err := s.Reader.Resolve(t.Context(), "apps/web", "v3"); ok || err != nil {
		t.Errorf("resolve a tag that nothing has: %v, %v, %v", got, ok, err)
	}
	var gone *registry.RepositoryGoneError
	if _, ok, err := s.Reader.Find(t.Context(), "apps/other", a.Digest()); ok || !errors.As(err, &gone) {
		t.Errorf("find in no repository: %v, %v, want a RepositoryGoneError", ok, err)
	}
	if _, ok, err := s.Reader.Resolve(t.Context(), "apps/other", "latest"); ok || !errors.As(err, &gone) {
		t.Errorf("resolve in no repository: %v, %v, want a RepositoryGoneError", ok, err)
	}
}

func testTag(t *testing.T, s suite) {
	all := s.mixed(t, "apps/web")
	before := map[string]image.Time{}
	for name, m := range all {
		img, _ := find(t, s.read(t, "apps/web", false), m)
		before[name] = img.PushedAt
	}
	n := 0
	for name, m := range all {
		n++
		first, second := fmt.Sprintf("in-use-%d", n), fmt.Sprintf("in-use-%d-again", n)
		for _, tag := range []string{first, first, second} { // again is no error
			if err := s.Tagger.Tag(t.Context(), "apps/web", m.Digest(), tag); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if img := s.has(t, "apps/web", m, first, second); img.PushedAt != before[name] {
			t.Errorf("%s: pushed at %d and not %d", name, img.PushedAt, before[name])
		}
	}
	if images := digests(s.read(t, "apps/web", false)); len(images) != len(all) {
		t.Errorf("there are %d images, want %d", len(images), len(all))
	}
}

func testTagTaken(t *testing.T, s suite) {
	a, b := single("a"), index(image.MediaTypeOCIIndex, single("a"))
	s.create(t, "apps/web", nil)
	s.Push(t, "apps/web", a, "production")
	s.Push(t, "apps/web", b)
	var taken *registry.TagTakenError
	err := s.Tagger.Tag(t.Context(), "apps/web", b.Digest(), "production")
	if !errors.As(err, &taken) || taken.Digest != b.Digest() || taken.Other != a.Digest() || taken.Tag != "production" || taken.Immutable {
		t.Errorf("got %v, want a TagTakenError", err)
	}
	s.has(t, "apps/web", a, "production")
	s.has(t, "apps/web", b)
	for range 2 {
		if err := s.Tagger.MoveTag(t.Context(), "apps/web", b.Digest(), "production"); err != nil {
			t.Fatal(err)
		}
		s.has(t, "apps/web", a)
		s.has(t, "apps/web", b, "production")
	}
}

func testTagAbsent(t *testing.T, s suite) {
	a, never := single("a"), single("never pushed")
	s.fill(t, "apps/web", a)
	var missing *registry.ImageGoneError
	var gone *registry.RepositoryGoneError
	for name, tag := range map[string]func(repository string) error{
		"tag":  func(r string) error { return s.Tagger.Tag(t.Context(), r, never.Digest(), "new") },
		"move": func(r string) error { return s.Tagger.MoveTag(t.Context(), r, never.Digest(), "new") },
	} {
		if err := tag("apps/web"); !errors.As(err, &missing) || missing.Digest != never.Digest() || missing.Repository != "apps/web" {
			t.Errorf("%s: %v, want an ImageGoneError", name, err)
		}
		if err := tag("apps/other"); !errors.As(err, &gone) || gone.Repository != "apps/other" {
			t.Errorf("%s: %v, want a RepositoryGoneError", name, err)
		}
	}
	s.holds(t, "apps/web", a)
	s.has(t, "apps/web", a)
}

func testTagImmutable(t *testing.T, s suite) {
	a, b := single("a"), single("b")
	for repository, except := range map[string]string{"apps/fixed": "", "apps/partly": "production"} {
		s.create(t, repository, nil)
		s.Push(t, repository, a, "v1", "production-a", "production-b")
		s.Push(t, repository, b, "b")
		s.FixTags(t, repository, except)
		// A new tag is always welcome.
		if err := s.Tagger.Tag(t.Context(), repository, a.Digest(), "in-use-1"); err != nil {
			t.Errorf("%s: %v", repository, err)
		}
		var taken *registry.TagTakenError
		err := s.Tagger.MoveTag(t.Context(), repository, b.Digest(), "v1")
		if !errors.As(err, &taken) || taken.Other != a.Digest() || !taken.Immutable {
			t.Errorf("%s: move a tag: %v, want a TagTakenError", repository, err)
		}
		err = s.Tagger.MoveTag(t.Context(), repository, b.Digest(), "production-a")
		if except == "" && !errors.As(err, &taken) || except != "" && err != nil {
			t.Errorf("%s: move another tag: %v", repository, err)
		}
		// A tag can be taken away, immutable or not.
		if err := s.Tagger.Untag(t.Context(), repository, a.Digest(), "in-use-1", "v1"); err != nil {
			t.Errorf("%s: untag: %v", repository, err)
		}
	}
	s.has(t, "apps/fixed", a, "v1", "production-a", "production-b")
	s.has(t, "apps/fixed", b, "b")
	s.has(t, "apps/partly", a, "v1", "production-b")
	s.has(t, "apps/partly", b, "b", "production-a")
}

func testTagLimit(t *testing.T, s suite) {
	a, b := single("a"), single("b")
	tags := make([]string, s.MaxTags)
	for i := range tags {
		tags[i] = fmt.Sprintf("t%d", i)
	}
	s.create(t, "apps/web", nil)
	s.Push(t, "apps/web", a, tags...)
	s.Push(t, "apps/web", b, "b")
	if err := s.Tagger.Tag(t.Context(), "apps/web", a.Digest(), tags[7]); err != nil {
		t.Errorf("a tag that it has: %v", err)
	}
	for name, err := range map[string]error{
		"tag":  s.Tagger.Tag(t.Context(), "apps/web", a.Digest(), "one-more"),
		"move": s.Tagger.MoveTag(t.Context(), "apps/web", a.Digest(), "b"),
		"put":  s.Writer.Put(t.Context(), "apps/web", a.pushed(), []string{tags[0], "one-more"}),
	} {
		var limit *registry.TagLimitError
		if !errors.As(err, &limit) || limit.Digest != a.Digest() || limit.Err == nil {
			t.Errorf("%s: %v, want a TagLimitError", name, err)
		}
	}
	s.has(t, "apps/web", a, tags...)
	s.has(t, "apps/web", b, "b")
	// One away, and there is room again.
	if err := s.Tagger.Untag(t.Context(), "apps/web", a.Digest(), tags[0], tags[1]); err != nil {
		t.Fatal(err)
	}
	if err := s.Tagger.Tag(t.Context(), "apps/web", a.Digest(), "one-more"); err != nil {
		t.Fatal(err)
	}
	s.has(t, "apps/web", a, append(tags[1:], "one-more")...)
}

func testTagArchived(t *testing.T, s suite) {
	a := single("a")
	s.create(t, "apps/web", nil)
	s.Push(t, "apps/web", a, "v1", "in-use-1", "in-use-2")
	if err := s.Writer.Archive(t.Context(), "apps/web", a.Digest()); err != nil {
		t.Fatal(err)
	}
	tag := func(want image.Status) {
		t.Helper()
		var archived *registry.ArchivedError
		err := s.Tagger.Tag(t.Context(), "apps/web", a.Digest(), "in-use-3")
		if !errors.As(err, &archived) || archived.Status != want || archived.Digest != a.Digest() {
			t.Errorf("tag: %v, want an ArchivedError", err)
		}
		if img := s.has(t, "apps/web", a, "v1", "in-use-1", "in-use-2"); img.Status != want {
			t.Errorf("status %d, want %d", img.Status, want)
		}
	}
	tag(image.Archived)
	if err := s.Tagger.Tag(t.Context(), "apps/web", a.Digest(), "in-use-1"); err != nil {
		t.Errorf("a tag that it has: %v", err)
	}
	if err := s.Writer.Activate(t.Context(), "apps/web", a.Digest()); err != nil {
		t.Fatal(err)
	}
	tag(image.Activating)
	s.Restored(t)
	if err := s.Tagger.Tag(t.Context(), "apps/web", a.Digest(), "in-use-3"); err != nil {
		t.Error(err)
	}
	s.has(t, "apps/web", a, "v1", "in-use-1", "in-use-2", "in-use-3")
	// To take a tag away, nothing need be read.
	if err := s.Writer.Archive(t.Context(), "apps/web", a.Digest()); err != nil {
		t.Fatal(err)
	}
	if err := s.Tagger.Untag(t.Context(), "apps/web", a.Digest(), "in-use-1", "in-use-3"); err != nil {
		t.Error(err)
	}
	if img := s.has(t, "apps/web", a, "v1", "in-use-2", "in-use-3"); img.Status != image.Archived {
		t.Errorf("status %d, want that it is archived still", img.Status)
	}
}

func testUntag(t *testing.T, s suite) {
	all := s.mixed(t, "apps/web")
	n := 0
	for name, m := range all {
		n++
		old, newest := fmt.Sprintf("in-use-%d", n), fmt.Sprintf("in-use-%d-newest", n)
		for _, tag := range []string{old, newest} {
			if err := s.Tagger.Tag(t.Context(), "apps/web", m.Digest(), tag); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 { // again is no error
			if err := s.Tagger.Untag(t.Context(), "apps/web", m.Digest(), old, newest); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			s.has(t, "apps/web", m, newest)
		}
		var last *registry.LastTagError
		for _, anchor := range []string{"not there", newest} {
			err := s.Tagger.Untag(t.Context(), "apps/web", m.Digest(), newest, anchor)
			if !errors.As(err, &last) || last.Digest != m.Digest() || last.Tag != newest || last.Anchor != anchor {
				t.Errorf("%s: the last tag: %v, want a LastTagError", name, err)
			}
		}
		s.has(t, "apps/web", m, newest)
	}
	if images := digests(s.read(t, "apps/web", false)); len(images) != len(all) {
		t.Errorf("there are %d images, want %d", len(images), len(all))
	}
}

func testUntagChanged(t *testing.T, s suite) {
	a, b := single("a"), single("b")
	s.create(t, "apps/web", nil)
	s.Push(t, "apps/web", a, "v1", "in-use-1", "in-use-2")
	s.Push(t, "apps/web", b, "in-use-1", "b")
	untag := func(m Manifest, tag, anchor string) error {
		return s.Tagger.Untag(t.Context(), "apps/web", m.Digest(), tag, anchor)
	}
	if err := untag(a, "in-use-1", "in-use-2"); err != nil {
		t.Errorf("a tag that went to another image: %v", err)
	}
	s.Push(t, "apps/web", b, "in-use-2")
	var last *registry.LastTagError
	if err := untag(a, "v1", "in-use-2"); !errors.As(err, &last) {
		t.Errorf("the anchor went to another image: %v, want a LastTagError", err)
	}
	s.has(t, "apps/web", a, "v1")
	s.has(t, "apps/web", b, "in-use-1", "in-use-2", "b")
	if err := s.delete(t, "apps/web", a)[0]; err != nil {
		t.Fatal(err)
	}
	if err := untag(a, "v1", "in-use-2"); err != nil {
		t.Errorf("an image that is gone: %v", err)
	}
	s.holds(t, "apps/web", b)
	var gone *registry.RepositoryGoneError
	if err := s.Tagger.Untag(t.Context(), "apps/other", a.Digest(), "v1", "v2"); !errors.As(err, &gone) {
		t.Errorf("no repository: %v, want a RepositoryGoneError", err)
	}
}

// testUntagAnchors has two runs at once that each take the other's anchor. The
// image goes with its last tag now and then, and is there in the end.
func testUntagAnchors(t *testing.T, s suite) {
	a := single("a")
	for round := range 20 {
		repository := fmt.Sprintf("apps/%d", round)
		s.create(t, repository, nil)
		s.Push(t, repository, a, "one", "two")
		var group errgroup.Group
		for tag, anchor := range map[string]string{"one": "two", "two": "one"} {
			group.Go(func() error {
				err := s.Tagger.Untag(t.Context(), repository, a.Digest(), tag, anchor)
				var last *registry.LastTagError
				var back *registry.PutBackError
				if errors.As(err, &last) || errors.As(err, &back) && back.Err == nil {
					return nil
				}
				return err
			})
		}
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
		img, ok, err := s.Reader.Find(t.Context(), repository, a.Digest())
		if err != nil || !ok || len(img.Tags) == 0 {
			t.Fatalf("round %d: the image is there: %v, with the tags %q (%v)", round, ok, img.Tags, err)
		}
	}
}
