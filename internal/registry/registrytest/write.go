package registrytest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/registry"
)

func testDelete(t *testing.T, s suite) {
	a, b, c := single("a"), single("b"), single("c")
	s.create(t, "apps/web", nil)
	s.Push(t, "apps/web", a, "one", "two", "three")
	s.Push(t, "apps/web", b, "b")
	s.Push(t, "apps/web", c)
	s.fill(t, "apps/api", a)
	if s.Writer.MaxBatch() < 2 {
		for _, m := range []Manifest{a, c} {
			if err := s.delete(t, "apps/web", m)[0]; err != nil {
				t.Errorf("delete %s: %v", m.Digest(), err)
			}
		}
	} else {
		for i, err := range s.delete(t, "apps/web", a, c) {
			if err != nil {
				t.Errorf("delete image %d: %v", i, err)
			}
		}
	}
	s.holds(t, "apps/web", b)
	if img, _ := find(t, s.read(t, "apps/web", false), b); !slices.Equal(img.Tags, []string{"b"}) {
		t.Errorf("the image that stays has the tags %q", img.Tags)
	}
	s.holds(t, "apps/api", a) // the same digest in another repository
	if results, err := s.Writer.Delete(t.Context(), "apps/web", nil); err != nil || len(results) > 0 {
		t.Errorf("delete nothing: %v, %v", results, err)
	}
}

func testDeleteAbsent(t *testing.T, s suite) {
	a, b := single("a"), single("b")
	s.fill(t, "apps/web", a, b)
	for _, round := range []string{"there", "gone since"} {
		if err := s.delete(t, "apps/web", a)[0]; err != nil {
			t.Errorf("%s: %v", round, err)
		}
	}
	if err := s.delete(t, "apps/web", single("never pushed"))[0]; err != nil {
		t.Errorf("never there: %v", err)
	}
	s.holds(t, "apps/web", b)
}

func testDeleteListed(t *testing.T, s suite) {
	child, sibling := single("child"), single("sibling")
	first := index(image.MediaTypeOCIIndex, child, sibling)
	second := index(image.MediaTypeDockerManifestList, child)
	s.fill(t, "apps/web", child, sibling, first, second)
	if s.GuardsListed {
		var referenced *registry.ReferencedError
		err := s.delete(t, "apps/web", child)[0]
		if !errors.As(err, &referenced) || referenced.Digest != child.Digest() {
			t.Fatalf("delete a child: %v, want a ReferencedError of %s", err, child.Digest())
		}
		slices.SortFunc(referenced.Parents, image.Digest.Compare)
		if !slices.Equal(referenced.Parents, sorted(first, second)) {
			t.Errorf("it names the parents %v, want %v", referenced.Parents, sorted(first, second))
		}
		s.holds(t, "apps/web", child, sibling, first, second)
	}
	for _, m := range []Manifest{first, second, child} {
		if err := s.delete(t, "apps/web", m)[0]; err != nil {
			t.Errorf("delete parents first: %s: %v", m.Digest(), err)
		}
	}
	s.holds(t, "apps/web", sibling)
}

func testArchive(t *testing.T, s suite) {
	child, plain, active := single("child"), single("plain"), single("active")
	parent := index(image.MediaTypeOCIIndex, child)
	s.fill(t, "apps/web", child, plain, active, parent)
	for _, m := range []Manifest{parent, plain, plain} { // again is no error
		if err := s.Writer.Archive(t.Context(), "apps/web", m.Digest()); err != nil {
			t.Fatalf("archive %s: %v", m.Digest(), err)
		}
	}
	if err := s.Writer.Archive(t.Context(), "apps/web", single("never pushed").Digest()); err == nil {
		t.Error("archiving an image that is not there succeeded")
	}
	if err := s.Writer.Activate(t.Context(), "apps/web", plain.Digest()); err != nil {
		t.Fatal(err)
	}
	for _, allManifests := range []bool{false, true} {
		contents := s.read(t, "apps/web", allManifests)
		for name, test := range map[string]struct {
			manifest   Manifest
			status     image.Status
			unreadable bool
		}{
			"child":               {child, image.Active, false},
			"active":              {active, image.Active, false},
			"archived index":      {parent, image.Archived, true},
			"image on its way up": {plain, image.Activating, false},
		} {
			img, m := find(t, contents, test.manifest)
			if img.Status != test.status {
				t.Errorf("%s: status %d, want %d", name, img.Status, test.status)
			}
			i := slices.Index(digests(contents), test.manifest.Digest())
			if reason, ok := contents.Unreadable[i]; ok != test.unreadable || ok && m != nil {
				t.Errorf("%s: unreadable: %v (%s), want %v", name, ok, reason, test.unreadable)
			}
		}
	}
}

func testCancelled(t *testing.T, s suite) {
	a := single("a")
	s.fill(t, "apps/web", a)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Reader.Repositories(ctx, func(string) bool { return true }, true)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("list: %v, want that the context was cancelled", err)
	}
	c, err := s.Reader.Read(ctx, image.Repository{Name: "apps/web"}, true)
	if c != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("read: %v and %v, want nothing and that the context was cancelled", c, err)
	}
	results, err := s.Writer.Delete(ctx, "apps/web", []image.Digest{a.Digest()})
	if results != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("delete: %v and %v, want nothing and that the context was cancelled", results, err)
	}
	for name, change := range map[string]func() error{
		"tag":      func() error { return s.Tagger.Tag(ctx, "apps/web", a.Digest(), "new") },
		"move tag": func() error { return s.Tagger.MoveTag(ctx, "apps/web", a.Digest(), "new") },
		"untag":    func() error { return s.Tagger.Untag(ctx, "apps/web", a.Digest(), "one", "two") },
		"put":      func() error { return s.Writer.Put(ctx, "apps/web", a.pushed(), nil) },
		"activate": func() error { return s.Writer.Activate(ctx, "apps/web", a.Digest()) },
		"manifests": func() error {
			_, err := s.Writer.Manifests(ctx, "apps/web", []image.Image{{Digest: a.Digest()}})
			return err
		},
		"find": func() error {
			_, _, err := s.Reader.Find(ctx, "apps/web", a.Digest())
			return err
		},
	} {
		if err := change(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want that the context was cancelled", name, err)
		}
	}
	s.holds(t, "apps/web", a)
}
