package app

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	. "github.com/regsweep/regsweep/internal/graph/graphtest"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/journal"
	"github.com/regsweep/regsweep/internal/objects"
	"github.com/regsweep/regsweep/internal/registry"
)

// plainManifest is the manifest of an image without layers.
const plainManifest = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"c","digest":"sha256:0000000000000000000000000000000000000000000000000000000000000001","size":1},"layers":[]}`

// newPlace returns a new journal.
func newPlace(t *testing.T) *journal.Place {
	t.Helper()
	place, err := journal.Open(filepath.Join(t.TempDir(), "a.jsonl"), objects.Env{}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return place
}

// recorded returns an image as a journal has it that has its manifest.
func recorded(manifest string, tags ...string) journal.Image {
	if tags == nil {
		tags = []string{}
	}
	return journal.Image{Digest: image.DigestOf([]byte(manifest)), Tags: tags, Manifest: []byte(manifest)}
}

// TestPutBackOfAnOlderRecord: the digest says what the manifest is, so any record
// that has it will do where the latest has none; the tags are those of the latest.
func TestPutBackOfAnOlderRecord(t *testing.T) {
	older := recorded(plainManifest, "v1")
	archived := journal.Image{Digest: older.Digest, Tags: []string{"v2"}, NoManifest: "it is archived"}
	damaged := older
	damaged.Tags, damaged.Manifest = []string{"v2"}, []byte("{}")
	index := recorded(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"`+older.Digest.String()+`","size":1}]}`, "multi")
	for _, tt := range []struct {
		name, image string
		latest      journal.Image
		want        []PutBack
	}{
		{"deleted while archived", "r:v2", archived, []PutBack{{Digest: older.Digest, Tags: []string{"v2"}}}},
		{"damaged", "r:v2", damaged, []PutBack{{Digest: older.Digest, Tags: []string{"v2"}}}},
		{"by the older tag", "r:v1", archived, []PutBack{{Digest: older.Digest, Tags: []string{"v1"}}}},
		{"a child", "r:multi", archived, []PutBack{{Digest: older.Digest, Tags: []string{"v2"}}, {Digest: index.Digest, Tags: []string{"multi"}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			place := newPlace(t)
			a, how := restoring(t, &vault{shelf: shelf{repo: New("r").Add("other", Tags("v3"))}}, place)
			wroteDown(t, place, a.Now, older)
			wroteDown(t, place, a.Now, tt.latest)
			wroteDown(t, place, a.Now, index)
			out, err := a.Restore(t.Context(), tt.image, how)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, out.Put); diff != "" || out.Result != PutAgain {
				t.Errorf("result %q (-want +got):\n%s", out.Result, diff)
			}
		})
	}
}

// TestFamilyWithoutManifest: a record without a manifest whose family the journal
// has is looked for once more, and not for ever.
func TestFamilyWithoutManifest(t *testing.T) {
	place := newPlace(t)
	a, how := restoring(t, &vault{shelf: shelf{repo: New("r").Add("other", Tags("v3"))}}, place)
	member := recorded(plainManifest)
	root := journal.Image{Digest: D("root"), Tags: []string{"v1"}, NoManifest: "it is archived", Family: []journal.Member{{Digest: member.Digest, Tags: []string{}}}}
	wroteDown(t, place, a.Now, member)
	wroteDown(t, place, a.Now, root)
	out, err := a.Restore(t.Context(), "r:v1", how)
	if want := "the journal has no manifest of " + D("root").String() + ": it is archived"; err == nil || err.Error() != want || len(out.Put) > 0 {
		t.Errorf("put %v, error %v, want %s", out.Put, err, want)
	}
}

// TestTagsOfWhatIsThere: an image that was deleted and is there again by other
// hands gets the tags back that it had and that are free, and nothing is claimed
// that was not done.
func TestTagsOfWhatIsThere(t *testing.T) {
	const mark = "regsweep-condemned-1770000000"
	there := recorded(plainManifest)
	with := func(tags ...string) journal.Image {
		img := there
		img.Tags = tags
		return img
	}
	denied := errors.New("denied")
	for _, tt := range []struct {
		name, image string
		journal     journal.Image
		status      image.Status
		failing     error
		want        Restored
	}{
		{name: "its tag is free", image: "r:v1", journal: with("again", "v1"),
			want: Restored{Result: PutAgain, Tagged: []PutBack{{Digest: there.Digest, Tags: []string{"v1"}}}}},
		{name: "one is refused after others", image: "r:v1", journal: with("moved", "v1"), failing: denied,
			want: Restored{Tagged: []PutBack{{Digest: there.Digest, Tags: []string{}, Left: []string{"moved"}}}}},
		{name: "one is free and one is not", image: "r:v1", journal: with("moved", "v1"),
			want: Restored{Result: PutAgain, Tagged: []PutBack{{Digest: there.Digest, Tags: []string{"v1"}, Left: []string{"moved"}}}}},
		{name: "by a tag of regsweep's own", image: "r:" + mark, journal: with(mark), want: Restored{Result: AlreadyThere}},
		{name: "by a tag of regsweep's own, with another", image: "r:" + mark, journal: with(mark, "v1"),
			want: Restored{Result: PutAgain, Tagged: []PutBack{{Digest: there.Digest, Tags: []string{"v1"}}}}},
		{name: "by a tag of regsweep's own, and no other is free", image: "r:" + mark, journal: with("moved", mark),
			want: Restored{Result: AlreadyThere, Tagged: []PutBack{{Digest: there.Digest, Tags: []string{}, Left: []string{"moved"}}}}},
		{name: "in the archive", image: "r:v1", journal: with("v1"), status: image.Archived,
			want: Restored{Result: Unarchived, Activated: []image.Digest{there.Digest}, Tagged: []PutBack{{Digest: there.Digest, Tags: []string{"v1"}}}}},
		{name: "refused", image: "r:v1", journal: with("v1"), failing: denied},
		{name: "by its digest", image: "r@" + there.Digest.String(), journal: with("v1"), want: Restored{Result: AlreadyThere}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			place := newPlace(t)
			repo := New("r").Add("other", Tags("moved")).Add("again", Tags("again"), func(i *image.Image, _ *image.Manifest) { i.Digest, i.Status = there.Digest, tt.status })
			v := &vault{shelf: shelf{repo: repo}, failing: tt.failing}
			a, how := restoring(t, v, place)
			wroteDown(t, place, a.Now, tt.journal)
			out, err := a.Restore(t.Context(), tt.image, how)
			if !errors.Is(err, tt.failing) {
				t.Fatal(err)
			}
			got := Restored{Result: out.Result, Activated: out.Activated, Put: out.Put, Tagged: out.Tagged}
			if diff := cmp.Diff(tt.want, got); diff != "" || out.Digest != there.Digest || len(v.put) > 0 {
				t.Errorf("of %s, put %v (-want +got):\n%s", out.Digest, v.put, diff)
			}
		})
	}
}

// collected is a registry that has lost the layers of one image.
type collected struct {
	*vault
	image image.Digest
}

func (c *collected) Put(ctx context.Context, repository string, m registry.Manifest, tags []string) error {
	if m.Digest == c.image {
		return &registry.LayersGoneError{Digest: m.Digest}
	}
	return c.vault.Put(ctx, repository, m, tags)
}

// TestPutBackOfAPart: an error names what was put before and stays.
func TestPutBackOfAPart(t *testing.T) {
	empty := recorded(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`)
	child := recorded(plainManifest)
	entry := func(d image.Digest) string { return `{"mediaType":"m","digest":"` + d.String() + `","size":1}` }
	index := recorded(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[`+entry(empty.Digest)+`,`+entry(child.Digest)+`]}`, "v1")
	const stays = "; what was put back before that stays: "
	for _, tt := range []struct {
		name string
		gone image.Digest
		want string
	}{
		{"the last child", child.Digest, stays + empty.Digest.String()},
		{"the first child", empty.Digest, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			place := newPlace(t)
			v := &vault{shelf: shelf{repo: New("r").Add("other", Tags("v3"))}}
			a, how := restoring(t, v, place)
			how.Open = func(context.Context, string) (registry.Writer, error) { return &collected{v, tt.gone}, nil }
			wroteDown(t, place, a.Now, index, empty, child)
			out, err := a.Restore(t.Context(), "r:v1", how)
			var layers *registry.LayersGoneError
			if !errors.As(err, &layers) || out.Result != "" {
				t.Fatalf("result %q, error %v", out.Result, err)
			}
			if !strings.HasSuffix(err.Error(), tt.want) || strings.Contains(err.Error(), stays) != (tt.want != "") {
				t.Errorf("error %v, want it to end in %q", err, tt.want)
			}
			if (len(out.Put) > 0) != (tt.want != "") {
				t.Errorf("put %v", out.Put)
			}
		})
	}
}
