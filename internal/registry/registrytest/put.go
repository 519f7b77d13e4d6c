package registrytest

import (
	"bytes"
	"errors"
	"testing"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/registry"
)

// put pushes manifests again, without tags.
func (s suite) put(t *testing.T, repository string, all ...Manifest) {
	t.Helper()
	for _, m := range all {
		if err := s.Writer.Put(t.Context(), repository, m.pushed(), nil); err != nil {
			t.Fatalf("put %s: %v", m.Digest(), err)
		}
	}
}

func testManifests(t *testing.T, s suite) {
	all := s.mixed(t, "apps/web")
	never := single("never pushed")
	var asked []image.Image
	var want []Manifest
	for _, m := range all {
		asked, want = append(asked, s.found(t, "apps/web", m)), append(want, m)
	}
	asked, want = append(asked, image.Image{Digest: never.Digest(), Type: &image.Type{MediaType: never.MediaType}}, asked[0]), append(want, never, want[0])
	for round := range 2 { // all are there, and one is not
		asked, want := asked, want
		if round == 0 {
			asked, want = asked[:len(all)], want[:len(all)]
		}
		got, err := s.Writer.Manifests(t.Context(), "apps/web", asked)
		if err != nil || len(got) != len(asked) {
			t.Fatalf("%d manifests and %v, want %d", len(got), err, len(asked))
		}
		for i, m := range want {
			var missing *registry.ImageGoneError
			switch {
			case m.Digest() == never.Digest():
				if !errors.As(got[i].Err, &missing) || missing.Digest != never.Digest() || got[i].Content != nil {
					t.Errorf("what is not there: %v, want an ImageGoneError", got[i].Err)
				}
			case got[i].Err != nil || got[i].Digest != m.Digest() || got[i].MediaType != m.MediaType || !bytes.Equal(got[i].Content, m.Content):
				t.Errorf("manifest %d differs: %v", i, got[i].Err)
			}
		}
	}
	if got, err := s.Writer.Manifests(t.Context(), "apps/web", nil); err != nil || len(got) > 0 {
		t.Errorf("no manifests: %v, %v", got, err)
	}
	var gone *registry.RepositoryGoneError
	if got, err := s.Writer.Manifests(t.Context(), "apps/other", asked); got != nil || !errors.As(err, &gone) {
		t.Errorf("no repository: %v, %v, want a RepositoryGoneError", got, err)
	}
}

func testPut(t *testing.T, s suite) {
	all := s.mixed(t, "apps/web")
	for _, name := range []string{"signature", "untagged image", "index of an index", "Docker manifest list"} {
		if err := s.delete(t, "apps/web", all[name])[0]; err != nil {
			t.Fatal(err)
		}
	}
	tags := map[string][]string{"untagged image": {"v1", "latest"}, "index of an index": {"multi"}}
	for _, name := range []string{"untagged image", "signature", "Docker manifest list", "index of an index"} {
		for range 2 { // again is no error
			if err := s.Writer.Put(t.Context(), "apps/web", all[name].pushed(), tags[name]); err != nil {
				t.Fatalf("put %s: %v", name, err)
			}
		}
	}
	for name, m := range all {
		s.has(t, "apps/web", m, tags[name]...)
	}
	if images := digests(s.read(t, "apps/web", false)); len(images) != len(all) {
		t.Errorf("there are %d images, want %d", len(images), len(all))
	}
	img, _ := find(t, s.read(t, "apps/web", false), all["signature"])
	if subject := img.Subject(); !subject.IsZero() && subject != all["untagged image"].Digest() {
		t.Errorf("the signature is now attached to %s", subject)
	}
	other := all["child"].pushed()
	other.Digest = all["signature"].Digest()
	if err := s.Writer.Put(t.Context(), "apps/web", other, nil); err == nil {
		t.Error("content of another digest was put")
	}
}

func testPutParts(t *testing.T, s suite) {
	child, stays := single("child"), single("stays")
	parent := index(image.MediaTypeOCIIndex, child)
	nested := index(image.MediaTypeOCIIndex, parent)
	s.fill(t, "apps/web", child, stays, parent, nested)
	for _, m := range []Manifest{nested, parent, child} {
		if err := s.delete(t, "apps/web", m)[0]; err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range []Manifest{nested, parent} {
		var children *registry.ChildrenGoneError
		if err := s.Writer.Put(t.Context(), "apps/web", m.pushed(), []string{"multi"}); !errors.As(err, &children) || children.Digest != m.Digest() {
			t.Errorf("put an index before its children: %v, want a ChildrenGoneError", err)
		}
	}
	s.holds(t, "apps/web", stays)
	s.put(t, "apps/web", child, parent, nested)
	s.holds(t, "apps/web", child, stays, parent, nested)

	for _, m := range []Manifest{nested, parent, child} {
		if err := s.delete(t, "apps/web", m)[0]; err != nil {
			t.Fatal(err)
		}
	}
	s.Collected(t)
	var layers *registry.LayersGoneError
	if err := s.Writer.Put(t.Context(), "apps/web", child.pushed(), nil); !errors.As(err, &layers) || layers.Digest != child.Digest() || layers.Err == nil {
		t.Errorf("put without its layers: %v, want a LayersGoneError", err)
	}
	s.holds(t, "apps/web", stays)
	var gone *registry.RepositoryGoneError
	if err := s.Writer.Put(t.Context(), "apps/other", stays.pushed(), nil); !errors.As(err, &gone) {
		t.Errorf("no repository: %v, want a RepositoryGoneError", err)
	}
}

// testPutTaken puts an image back whose tags other images have by now.
func testPutTaken(t *testing.T, s suite) {
	old, now := single("old"), single("new")
	s.create(t, "apps/web", nil)
	s.Push(t, "apps/web", old, "latest", "main", "v1")
	s.Push(t, "apps/web", now, "latest", "main", "v2")
	taken := func(err error, tags int) {
		t.Helper()
		var e *registry.TagTakenError
		if !errors.As(err, &e) || e.Digest != old.Digest() || e.Other != now.Digest() {
			t.Errorf("got %v, want TagTakenErrors", err)
		}
		var all interface{ Unwrap() []error }
		if !errors.As(err, &all) || len(all.Unwrap()) != tags {
			t.Errorf("got %v, want one for each of %d tags", err, tags)
		}
	}
	for _, tags := range [][]string{{"latest", "v1", "main"}, {"latest", "main"}} {
		if err := s.delete(t, "apps/web", old)[0]; err != nil {
			t.Fatal(err)
		}
		taken(s.Writer.Put(t.Context(), "apps/web", old.pushed(), tags), 2)
		if len(tags) == 3 {
			s.has(t, "apps/web", old, "v1")
		} else {
			s.has(t, "apps/web", old)
		}
		s.has(t, "apps/web", now, "latest", "main", "v2")
	}
}

func testActivate(t *testing.T, s suite) {
	a, b := single("a"), single("b")
	s.create(t, "apps/web", nil)
	s.Push(t, "apps/web", a, "v1")
	s.Push(t, "apps/web", b)
	if err := s.Writer.Archive(t.Context(), "apps/web", a.Digest()); err != nil {
		t.Fatal(err)
	}
	status := func(want image.Status) {
		t.Helper()
		for name, find := range map[string]func() (image.Image, bool, error){
			"find":    func() (image.Image, bool, error) { return s.Reader.Find(t.Context(), "apps/web", a.Digest()) },
			"resolve": func() (image.Image, bool, error) { return s.Reader.Resolve(t.Context(), "apps/web", "v1") },
		} {
			if img, ok, err := find(); err != nil || !ok || img.Status != want || img.Digest != a.Digest() {
				t.Errorf("%s: status %d, %v, %v; want %d", name, img.Status, ok, err, want)
			}
		}
		got, err := s.Writer.Manifests(t.Context(), "apps/web", []image.Image{s.found(t, "apps/web", a), s.found(t, "apps/web", b)})
		if err != nil || got[1].Err != nil {
			t.Fatalf("manifests: %v, %v", got, err)
		}
		var archived *registry.ArchivedError
		if unread := errors.As(got[0].Err, &archived) && archived.Status == want; unread != (want != image.Active) {
			t.Errorf("status %d: read its manifest: %v", want, got[0].Err)
		}
	}
	status(image.Archived)
	for range 2 { // again is no error
		if err := s.Writer.Activate(t.Context(), "apps/web", a.Digest()); err != nil {
			t.Fatal(err)
		}
		status(image.Activating)
	}
	s.Restored(t)
	status(image.Active)
	for _, m := range []Manifest{a, b} {
		if err := s.Writer.Activate(t.Context(), "apps/web", m.Digest()); err != nil {
			t.Errorf("one that is active: %v", err)
		}
	}
	status(image.Active)
	var missing *registry.ImageGoneError
	if err := s.Writer.Activate(t.Context(), "apps/web", single("never pushed").Digest()); !errors.As(err, &missing) {
		t.Errorf("one that is not there: %v, want an ImageGoneError", err)
	}
}

// found returns an image as the registry tells it.
func (s suite) found(t *testing.T, repository string, m Manifest) image.Image {
	t.Helper()
	img, ok, err := s.Reader.Find(t.Context(), repository, m.Digest())
	if err != nil || !ok {
		t.Fatalf("find %s: %v, %v", m.Digest(), ok, err)
	}
	return img
}
