package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	. "github.com/regsweep/regsweep/internal/graph/graphtest"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/journal"
	"github.com/regsweep/regsweep/internal/objects"
	"github.com/regsweep/regsweep/internal/planfile"
	"github.com/regsweep/regsweep/internal/policy"
	"github.com/regsweep/regsweep/internal/registry"
)

// vault is a registry whose images come back from the archive after a time.
type vault struct {
	shelf
	registry.Writer // nil: a restore calls nothing else
	now             *time.Time
	takes           time.Duration
	asked           map[image.Digest]time.Time
	put, tagged     []string
	failing         error
}

func (v *vault) Identity() registry.Identity { return v.shelf.Identity() }

func (v *vault) Activate(_ context.Context, _ string, d image.Digest) error {
	v.asked[d] = *v.now
	return v.failing
}

func (v *vault) Find(_ context.Context, _ string, d image.Digest) (image.Image, bool, error) {
	g := v.repo.Graph()
	i, ok := g.Find(d)
	if !ok {
		return image.Image{}, false, nil
	}
	img := g.Images[i]
	if at, asked := v.asked[d]; asked {
		img.Status = image.Activating
		if !v.now.Before(at.Add(v.takes)) {
			img.Status = image.Active
		}
	}
	return img, true, nil
}

func (v *vault) Put(_ context.Context, _ string, m registry.Manifest, tags []string) error {
	var taken []error
	for _, tag := range tags {
		if tag == "moved" {
			taken = append(taken, &registry.TagTakenError{Digest: m.Digest, Tag: tag, Other: D("other")})
		}
	}
	v.put = append(v.put, m.Digest.String())
	return errors.Join(v.failing, errors.Join(taken...))
}

func (v *vault) Tag(_ context.Context, _ string, d image.Digest, tag string) error {
	if tag == "moved" {
		return fmt.Errorf("tag: %w", &registry.TagTakenError{Digest: d, Tag: tag, Other: D("other")})
	}
	v.tagged = append(v.tagged, tag)
	return v.failing
}

// restoring returns a run over a vault.
func restoring(t *testing.T, v *vault, place *journal.Place) (*App, Restoring) {
	t.Helper()
	now := Now.Time()
	v.now, v.asked, v.reads = &now, map[image.Digest]time.Time{}, new(int)
	p, problems := policy.Compile(policy.Spec{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	a := &App{
		Readers: []registry.Reader{v}, UsageNone: true, Policy: p, Now: func() time.Time { return now },
		Store: planfile.NewStore(), Log: slog.New(slog.DiscardHandler), Journal: place,
	}
	return a, Restoring{
		Open:    func(context.Context, string) (registry.Writer, error) { return v, nil },
		Timeout: 30 * time.Minute,
		Wait: func(_ context.Context, d time.Duration) error {
			now = now.Add(d)
			return nil
		},
	}
}

func frozen(i *image.Image, _ *image.Manifest) { i.Status = image.Archived }

func coming(i *image.Image, _ *image.Manifest) { i.Status = image.Activating }

func TestRestoreFromTheArchive(t *testing.T) {
	repo := func() *Repository {
		return New("r").Add("index", Tags("v1"), Lists("amd", "arm"), frozen).Add("amd", frozen).Add("arm").Add("other", Tags("v2"), frozen).Add("half", Tags("v3"), coming)
	}
	for _, tt := range []struct {
		name, image string
		takes       time.Duration
		failing     error
		asked, back int
		waited      time.Duration
		err         any
	}{
		{name: "an index with its family", image: "r:v1", takes: 20 * time.Minute, asked: 2, back: 2, waited: 20*time.Minute + 5*time.Second},
		{name: "at once", image: "registry.example.com/r:v2", asked: 1, back: 1},
		{name: "by digest", image: "r@" + D("other").String(), takes: time.Second, asked: 1, back: 1, waited: 5 * time.Second},
		{name: "one that is there", image: "r@" + D("arm").String()},
		{name: "it takes too long", image: "r:v2", takes: time.Hour, asked: 1, waited: 30 * time.Minute, err: new(*TimeoutError)},
		{name: "refused", image: "r:v2", failing: &registry.ImageGoneError{}, asked: 1, err: new(*registry.ImageGoneError)},
		{name: "in no journal", image: "r:v9", err: new(*NoRecordError)},
		{name: "no repository", image: "x:v1", err: new(*NotFoundError)},
		{name: "without a repository", image: D("other").String(), err: new(*NameError)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := &vault{shelf: shelf{repo: repo()}, takes: tt.takes, failing: tt.failing}
			a, how := restoring(t, v, nil)
			out, err := a.Restore(t.Context(), tt.image, how)
			if (tt.err == nil) != (err == nil) || tt.err != nil && !errors.As(err, tt.err) {
				t.Fatalf("error %v", err)
			}
			back := 0
			if out != nil {
				back = len(out.Activated)
				want := RestoreResult("")
				if err == nil && tt.asked > 0 {
					want = Unarchived
				} else if err == nil {
					want = AlreadyThere
				}
				if out.Result != want {
					t.Errorf("result %q, want %q", out.Result, want)
				}
			}
			if waited := v.now.Sub(Now.Time()); len(v.asked) != tt.asked || back != tt.back || waited != tt.waited {
				t.Errorf("asked for %d, %d came back, waited %v", len(v.asked), back, waited)
			}
		})
	}
	t.Run("one that is on its way already", func(t *testing.T) {
		v := &vault{shelf: shelf{repo: repo()}}
		a, how := restoring(t, v, nil)
		how.Wait = func(context.Context, time.Duration) error { return context.Canceled }
		if _, err := a.Restore(t.Context(), "r:v3", how); !errors.Is(err, context.Canceled) || len(v.asked) != 0 {
			t.Errorf("asked for %d, %v", len(v.asked), err)
		}
	})
}

// TestPutBackChecksTheManifest: a manifest that is not that of the image is not
// put, whatever the journal says.
func TestPutBackChecksTheManifest(t *testing.T) {
	for name, tt := range map[string]struct {
		img  journal.Image
		want string
	}{
		"another manifest": {journal.Image{Manifest: []byte("{}"), MediaType: "m"}, D("index").String() + ": the manifest in the journal does not have the digest of the image"},
		"none":             {journal.Image{NoManifest: "it is archived"}, "the journal has no manifest of " + D("index").String() + ": it is archived"},
		"no manifest":      {journal.Image{Manifest: []byte("index"), MediaType: "m"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			place, err := journal.Open(filepath.Join(t.TempDir(), "a.jsonl"), objects.Env{}, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			v := &vault{shelf: shelf{repo: New("r").Add("other", Tags("v2"))}}
			a, how := restoring(t, v, place)
			tt.img.Digest, tt.img.Tags = D("index"), []string{"v1"}
			wroteDown(t, place, a.Now, tt.img)
			_, err = a.Restore(t.Context(), "r:v1", how)
			if err == nil || len(v.put) > 0 || tt.want != "" && err.Error() != tt.want {
				t.Errorf("put %v, error %v", v.put, err)
			}
		})
	}
}

// wroteDown makes a journal of a run that deleted images.
func wroteDown(t *testing.T, place *journal.Place, now func() time.Time, images ...journal.Image) {
	t.Helper()
	id := shelf{}.Identity()
	run, err := place.Begin(t.Context(), journal.Begin{Plan: "sha256:abc", Registries: []journal.Registry{{Name: id.Name, Host: id.Host}}}, now)
	if err != nil {
		t.Fatal(err)
	}
	n, err := run.Before(t.Context(), journal.Batch{Action: journal.Delete, Registry: id.Name, Repository: "r", Images: images})
	if err == nil {
		err = run.After(t.Context(), n, journal.Outcomes(images, journal.Done, ""))
	}
	if err = errors.Join(err, run.End(t.Context(), journal.End{})); err != nil {
		t.Fatal(err)
	}
}

// TestPutBack: what an index lists is put before it, what is attached after it,
// without the marks of the grace period, and tags that went to other images are
// left to those.
func TestPutBack(t *testing.T) {
	manifest := func(text string) (image.Digest, journal.Image) {
		d := image.DigestOf([]byte(text))
		return d, journal.Image{Digest: d, Tags: []string{}, Manifest: []byte(text)}
	}
	child, childImage := manifest(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"c","digest":"` + D("config").String() + `","size":1},"layers":[]}`)
	index, indexImage := manifest(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"` + child.String() + `","size":1}]}`)
	sbom, sbomImage := manifest(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","subject":{"mediaType":"m","digest":"` + index.String() + `","size":1},"config":{"mediaType":"c","digest":"` + D("config").String() + `","size":1},"layers":[]}`)
	indexImage.Tags = []string{"moved", "regsweep-condemned-1770000000", "v1"}
	lost := D("lost")
	for _, m := range []image.Digest{sbom, lost, child} {
		indexImage.Family = append(indexImage.Family, journal.Member{Digest: m, Tags: []string{}})
	}
	place, err := journal.Open(filepath.Join(t.TempDir(), "a.jsonl"), objects.Env{}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	v := &vault{shelf: shelf{repo: New("r").Add("other", Tags("moved"))}}
	a, how := restoring(t, v, place)
	wroteDown(t, place, a.Now, indexImage, childImage)
	wroteDown(t, place, a.Now, sbomImage) // by another run
	out, err := a.Restore(t.Context(), "r:v1", how)
	if err != nil {
		t.Fatal(err)
	}
	want := []PutBack{{Digest: child, Tags: []string{}}, {Digest: index, Tags: []string{"v1"}, Left: []string{"moved"}}, {Digest: sbom, Tags: []string{}}}
	if diff := cmp.Diff(want, out.Put); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{lost.String() + " is not in the journal"}, out.Missing); diff != "" || out.By != "sha256:abc" || out.Result != PutAgain {
		t.Errorf("missing, of plan %s (-want +got):\n%s", out.By, diff)
	}
}

// TestRestoreByBeginningOfDigest: the first digits of a digest are enough where
// they mean one image, of the repository or of the journal.
func TestRestoreByBeginningOfDigest(t *testing.T) {
	one, two, both := alike(6)
	a, b := D(one), D(two)
	place, err := journal.Open(filepath.Join(t.TempDir(), "a.jsonl"), objects.Env{}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	v := &vault{shelf: shelf{repo: New("r").Add("there")}}
	app, how := restoring(t, v, place)
	wroteDown(t, place, app.Now, journal.Image{Digest: a, NoManifest: "archived"})
	wroteDown(t, place, app.Now, journal.Image{Digest: b, NoManifest: b.String() + " is archived"}, journal.Image{Digest: a, NoManifest: "archived"})
	for _, tt := range []struct {
		name, asked, want string
	}{
		{"there", D("there").String()[:19], ""},
		{"in the journal, twice", a.String()[:30], "the journal has no manifest of " + a.String() + ": archived"},
		{"whose record names it already", b.String()[:30], "the journal has no manifest: " + b.String() + " is archived"},
	} {
		if _, err := app.Restore(t.Context(), "r@"+tt.asked, how); (err == nil) != (tt.want == "") || err != nil && err.Error() != tt.want {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	_, err = app.Restore(t.Context(), "r@"+both, how)
	several, ok := errors.AsType[*AmbiguousError](err)
	if !ok || len(several.Images) != 2 {
		t.Errorf("several in the journal: %v", err)
	}
	var name *NameError
	if _, err := app.Restore(t.Context(), both, how); !errors.As(err, &name) {
		t.Errorf("without a repository: %v", err)
	}
}
