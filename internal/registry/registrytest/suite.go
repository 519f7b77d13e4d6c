package registrytest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/registry"
)

// Run runs the suite. open returns a new fixture for each test.
func Run(t *testing.T, open func(t *testing.T) Fixture) {
	tests := []struct {
		name string
		run  func(t *testing.T, s suite)
	}{
		{"identity does not change", testIdentity},
		{"repositories are sorted and filtered", testRepositories},
		{"repository that does not exist", testGone},
		{"tags", testTags},
		{"several pages", testPages},
		{"children of indexes", testIndexes},
		{"subjects", testSubjects},
		{"all manifests", testAllManifests},
		{"concurrent reads", testConcurrent},
		{"delete one of many", testDelete},
		{"delete what is not there", testDeleteAbsent},
		{"delete a child before its index", testDeleteListed},
		{"find one image", testFind},
		{"tag", testTag},
		{"tag that another image has", testTagTaken},
		{"tag what is not there", testTagAbsent},
		{"untag", testUntag},
		{"untag what is not as it was", testUntagChanged},
		{"untag each other's anchors", testUntagAnchors},
		{"manifests", testManifests},
		{"put back", testPut},
		{"put back without what it refers to", testPutParts},
		{"put back what lost its tags", testPutTaken},
		{"cancelled context", testCancelled},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, newSuite(t, open)) })
	}
	probe := open(t)
	if probe.Create != nil {
		t.Run("empty repository", func(t *testing.T) { testEmpty(t, newSuite(t, open)) })
		t.Run("resource tags", func(t *testing.T) { testResourceTags(t, newSuite(t, open)) })
	}
	if probe.Restored != nil {
		t.Run("archive", func(t *testing.T) { testArchive(t, newSuite(t, open)) })
		t.Run("back from the archive", func(t *testing.T) { testActivate(t, newSuite(t, open)) })
		t.Run("tag what is archived", func(t *testing.T) { testTagArchived(t, newSuite(t, open)) })
	}
	if probe.FixTags != nil {
		t.Run("immutable tags", func(t *testing.T) { testTagImmutable(t, newSuite(t, open)) })
	}
	if probe.MaxTags > 0 {
		t.Run("as many tags as can be", func(t *testing.T) { testTagLimit(t, newSuite(t, open)) })
	}
}

// suite is a fixture with the steps that tests are made of.
type suite struct{ Fixture }

func newSuite(t *testing.T, open func(t *testing.T) Fixture) suite {
	t.Helper()
	return suite{open(t)}
}

// create makes a repository, where that can be.
func (s suite) create(t *testing.T, repository string, tags map[string]string) {
	t.Helper()
	if s.Create != nil {
		s.Create(t, repository, tags)
	}
}

// fill makes a repository and pushes manifests without tags.
func (s suite) fill(t *testing.T, repository string, all ...Manifest) {
	t.Helper()
	s.create(t, repository, nil)
	for _, m := range all {
		s.Push(t, repository, m)
	}
}

// read reads a repository and checks what holds for all contents.
func (s suite) read(t *testing.T, repository string, allManifests bool) *image.Contents {
	t.Helper()
	asked := image.Repository{Registry: s.Reader.Identity().Name, Name: repository}
	c, err := s.Reader.Read(t.Context(), asked, allManifests)
	if err != nil {
		t.Fatalf("read %s: %v", repository, err)
	}
	if diff := cmp.Diff(asked, c.Repository); diff != "" {
		t.Errorf("repository of the contents (-asked +got):\n%s", diff)
	}
	if len(c.Manifests) != len(c.Images) {
		t.Fatalf("%d manifests for %d images", len(c.Manifests), len(c.Images))
	}
	for i := range c.Images {
		img := &c.Images[i]
		if i > 0 && c.Images[i-1].Digest.Compare(img.Digest) >= 0 {
			t.Errorf("image %d is not sorted, or listed twice", i)
		}
		if !slices.IsSorted(img.Tags) {
			t.Errorf("tags of image %d are not sorted: %q", i, img.Tags)
		}
		if c.Manifests[i] == nil && c.Unreadable[i] == "" && (allManifests || img.IsIndex()) && img.Status == image.Active {
			t.Errorf("image %s has no manifest and is not unreadable", img.Digest)
		}
	}
	if c.GuardsListed != s.GuardsListed {
		t.Errorf("GuardsListed is %v, want %v", c.GuardsListed, s.GuardsListed)
	}
	return c
}

// find returns the image of a manifest.
func find(t *testing.T, c *image.Contents, m Manifest) (*image.Image, *image.Manifest) {
	t.Helper()
	for i := range c.Images {
		if c.Images[i].Digest == m.Digest() {
			return &c.Images[i], c.Manifests[i]
		}
	}
	t.Fatalf("image %s is not there", m.Digest())
	return nil, nil
}

// digests returns the digests of the images.
func digests(c *image.Contents) (all []image.Digest) {
	for i := range c.Images {
		all = append(all, c.Images[i].Digest)
	}
	return all
}

// sorted returns the digests of manifests, in order.
func sorted(all ...Manifest) (digests []image.Digest) {
	for _, m := range all {
		digests = append(digests, m.Digest())
	}
	slices.SortFunc(digests, image.Digest.Compare)
	return digests
}

// holds fails unless the repository has exactly the images of the manifests.
func (s suite) holds(t *testing.T, repository string, want ...Manifest) {
	t.Helper()
	if diff := cmp.Diff(sorted(want...), digests(s.read(t, repository, false))); diff != "" {
		t.Errorf("images of %s (-want +got):\n%s", repository, diff)
	}
}

// delete deletes images in one call.
func (s suite) delete(t *testing.T, repository string, all ...Manifest) []error {
	t.Helper()
	var asked []image.Digest
	for _, m := range all {
		asked = append(asked, m.Digest())
	}
	results, err := s.Writer.Delete(t.Context(), repository, asked)
	if err != nil {
		t.Fatalf("delete: %v", err)
	}
	if len(results) != len(asked) {
		t.Fatalf("%d results for %d images", len(results), len(asked))
	}
	return results
}

func testIdentity(t *testing.T, s suite) {
	id := s.Reader.Identity()
	if id.Name == "" || id.Host == "" {
		t.Errorf("identity without name or host: %+v", id)
	}
	for _, alias := range id.Aliases {
		if alias != strings.ToLower(alias) {
			t.Errorf("alias %q is not lower-case", alias)
		}
	}
	s.fill(t, "apps/web", single("a"))
	s.holds(t, "apps/web", single("a"))
	if diff := cmp.Diff(id, s.Reader.Identity()); diff != "" {
		t.Errorf("identity after a read (-before +after):\n%s", diff)
	}
}

func testRepositories(t *testing.T, s suite) {
	for _, name := range []string{"zebra", "apps/web", "apps/api", "base"} {
		s.fill(t, name, single("a"))
	}
	for name, test := range map[string]struct {
		want func(string) bool
		list []string
	}{
		"all":  {func(string) bool { return true }, []string{"apps/api", "apps/web", "base", "zebra"}},
		"some": {func(n string) bool { return strings.HasPrefix(n, "apps/") }, []string{"apps/api", "apps/web"}},
		"none": {func(string) bool { return false }, nil},
	} {
		got, err := s.Reader.Repositories(t.Context(), test.want, false)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var names []string
		for _, r := range got {
			names = append(names, r.Name)
			if r.Registry != s.Reader.Identity().Name || r.Tags != nil || r.TagsError != nil {
				t.Errorf("%s: repository %+v: want the registry's name, and no tags since none were asked for", name, r)
			}
		}
		if diff := cmp.Diff(test.list, names); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func testResourceTags(t *testing.T, s suite) {
	want := map[string]map[string]string{
		"apps/api": {"team": "shop", "keep": "90"},
		"apps/old": {},
		"apps/web": {"team": "web"},
	}
	for name, tags := range want {
		s.Create(t, name, tags)
	}
	list, err := s.Reader.Repositories(t.Context(), func(string) bool { return true }, true)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]map[string]string{}
	for _, r := range list {
		if r.TagsError != nil {
			t.Errorf("tags of %s: %v", r.Name, r.TagsError)
		}
		got[r.Name] = r.Tags
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
}

func testEmpty(t *testing.T, s suite) {
	s.Create(t, "apps/web", nil)
	s.holds(t, "apps/web")
}

func testGone(t *testing.T, s suite) {
	s.fill(t, "apps/web", single("a"))
	var gone *registry.RepositoryGoneError
	c, err := s.Reader.Read(t.Context(), image.Repository{Name: "apps/other"}, false)
	if c != nil || !errors.As(err, &gone) || gone.Repository != "apps/other" {
		t.Errorf("got %v and %v, want nothing and a RepositoryGoneError", c, err)
	}
}

func testTags(t *testing.T, s suite) {
	a, b, c := single("a"), single("b"), single("c")
	s.create(t, "apps/web", nil)
	s.Push(t, "apps/web", a, "v1", "latest", "a")
	s.Push(t, "apps/web", b, "v2", "latest")
	s.Push(t, "apps/web", c)
	contents := s.read(t, "apps/web", false)
	for name, test := range map[string]struct {
		manifest Manifest
		tags     []string
	}{
		"tags are sorted":             {a, []string{"a", "v1"}},
		"a moved tag is on one image": {b, []string{"latest", "v2"}},
		"no tag":                      {c, nil},
	} {
		img, _ := find(t, contents, test.manifest)
		if !slices.Equal(test.tags, img.Tags) {
			t.Errorf("%s: got %q, want %q", name, img.Tags, test.tags)
		}
	}
}

func testPages(t *testing.T, s suite) {
	var all []Manifest
	for n := range 2*s.PageSize + 1 {
		all = append(all, single(fmt.Sprint(n)))
	}
	s.create(t, "apps/web", nil)
	for n, m := range all {
		s.Push(t, "apps/web", m, fmt.Sprintf("build-%d", n))
	}
	s.holds(t, "apps/web", all...)
}

func testIndexes(t *testing.T, s suite) {
	amd, arm, other := single("amd64"), single("arm64"), single("other")
	oci := index(image.MediaTypeOCIIndex, amd, arm)
	docker := index(image.MediaTypeDockerManifestList, arm, other)
	nested := index(image.MediaTypeOCIIndex, oci, other)
	s.fill(t, "apps/web", amd, arm, other, oci, docker, nested)
	contents := s.read(t, "apps/web", false)
	if len(contents.Unreadable) > 0 {
		t.Errorf("unreadable: %v", contents.Unreadable)
	}
	for name, test := range map[string]struct {
		manifest  Manifest
		children  []image.Digest
		platforms []string
	}{
		"OCI index":            {oci, []image.Digest{amd.Digest(), arm.Digest()}, []string{"linux/amd64", "linux/arm64"}},
		"Docker manifest list": {docker, []image.Digest{arm.Digest(), other.Digest()}, []string{"linux/amd64", "linux/arm64"}},
		"index of an index":    {nested, []image.Digest{oci.Digest(), other.Digest()}, []string{"linux/amd64", "linux/arm64"}},
	} {
		img, m := find(t, contents, test.manifest)
		if !img.IsIndex() || m == nil {
			t.Errorf("%s: is index: %v, manifest: %v", name, img.IsIndex(), m)
			continue
		}
		var children []image.Digest
		var platforms []string
		for _, c := range m.Children {
			children, platforms = append(children, c.Digest), append(platforms, c.Platform)
		}
		if !slices.Equal(test.children, children) || !slices.Equal(test.platforms, platforms) {
			t.Errorf("%s: got %v, want the children %v for %v", name, m.Children, test.children, test.platforms)
		}
	}
	if img, _ := find(t, contents, amd); img.IsIndex() || img.MediaType() != image.MediaTypeOCIManifest {
		t.Errorf("an image has the media type %q", img.MediaType())
	}
}

func testSubjects(t *testing.T, s suite) {
	web := single("web")
	signature := attached("signature", &web)
	missing := single("never pushed")
	orphan := attached("orphan", &missing)
	s.fill(t, "apps/web", web, signature, orphan)
	contents := s.read(t, "apps/web", false)
	for name, test := range map[string]struct {
		manifest Manifest
		subject  image.Digest
	}{
		"image":                     {web, image.Digest{}},
		"signature":                 {signature, web.Digest()},
		"subject that is not there": {orphan, missing.Digest()},
	} {
		img, m := find(t, contents, test.manifest)
		subject := img.Subject()
		if subject.IsZero() && m != nil && m.Subject != nil {
			subject = *m.Subject
		}
		if subject != test.subject {
			t.Errorf("%s: got the subject %q, want %q", name, subject, test.subject)
		}
	}
}

func testAllManifests(t *testing.T, s suite) {
	a, b := single("a"), single("b")
	both := index(image.MediaTypeOCIIndex, a, b)
	s.fill(t, "apps/web", a, b, both)
	contents := s.read(t, "apps/web", true)
	for _, want := range []Manifest{a, b, both} {
		parsed, err := image.ParseManifest(want.Content, want.MediaType)
		if err != nil {
			t.Fatal(err)
		}
		_, got := find(t, contents, want)
		if diff := cmp.Diff(parsed, got); diff != "" {
			t.Errorf("manifest %s (-pushed +read):\n%s", want.Digest(), diff)
		}
	}
}

func testConcurrent(t *testing.T, s suite) {
	a, b := single("a"), single("b")
	all := []Manifest{a, b, index(image.MediaTypeOCIIndex, a, b)}
	s.fill(t, "apps/web", all...)
	s.fill(t, "apps/api", all...)
	var group errgroup.Group
	for n := range 16 {
		repository := image.Repository{Name: [...]string{"apps/web", "apps/api"}[n%2]}
		group.Go(func() error {
			c, err := s.Reader.Read(t.Context(), repository, n%4 < 2)
			if err != nil {
				return err
			}
			if got := digests(c); !slices.Equal(sorted(all...), got) || len(c.Unreadable) > 0 {
				return fmt.Errorf("read %v, and could not read %v", got, c.Unreadable)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}
