package app

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	. "github.com/regsweep/regsweep/internal/graph/graphtest"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/policy"
	"github.com/regsweep/regsweep/internal/registry"
)

// alike returns two names whose digests begin with the same digits, and the
// beginning.
func alike(digits int) (a, b, prefix string) {
	seen := map[string]string{}
	for i := 0; ; i++ {
		b := fmt.Sprint("image", i)
		prefix := D(b).String()[:len("sha256:")+digits]
		if a, ok := seen[prefix]; ok {
			return a, b, prefix
		}
		seen[prefix] = b
	}
}

// TestExplainByBeginningOfDigest names images by the digits that tables print.
func TestExplainByBeginningOfDigest(t *testing.T) {
	a, b, both := alike(6)
	p, problems := policy.Compile(policy.Spec{Rules: []policy.Rule{{Name: "all"}}, Limits: policy.Limits{MaxDeletes: 99, MaxShare: 1}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	shelves := func() (readers []registry.Reader) {
		for _, name := range []string{"apps/web", "apps/api"} {
			repo := New(name).Add(a, Age(9*Day)).Add("common", Age(9*Day), Tags("v1"))
			if name == "apps/web" {
				repo.Add(b, Age(9*Day))
			}
			readers = append(readers, shelf{repo: repo, reads: new(int)})
		}
		return readers
	}
	full := func(name string) string { return D(name).String() }
	short := func(name string) string { return full(name)[:19] }
	for _, tt := range []struct {
		name, asked string
		want        []string // repository@digest
		ambiguous   bool
		missing     bool
		malformed   bool
	}{
		{name: "as tables print it", asked: short(b), want: []string{"apps/web@" + full(b)}},
		{name: "of a repository", asked: "apps/web@" + short(a), want: []string{"apps/web@" + full(a)}},
		{name: "of a repository with its host", asked: "registry.example.com/apps/web@" + short(a), want: []string{"apps/web@" + full(a)}},
		{name: "one image in two repositories", asked: short("common"), want: []string{"apps/api@" + full("common"), "apps/web@" + full("common")}},
		{name: "without the algorithm", asked: short(b)[7:], want: []string{"apps/web@" + full(b)}},
		{name: "of a repository without the algorithm", asked: "apps/web@" + short(a)[7:], want: []string{"apps/web@" + full(a)}},
		{name: "the whole without the algorithm", asked: full(b)[7:], want: []string{"apps/web@" + full(b)}},
		{name: "the whole of a repository without the algorithm", asked: "apps/web@" + full(b)[7:], want: []string{"apps/web@" + full(b)}},
		{name: "of two images without the algorithm", asked: "apps/web@" + both[7:], want: []string{"apps/web@" + full(a), "apps/web@" + full(b)}, ambiguous: true},
		{name: "fewer digits alone are a repository", asked: short(b)[7:18], missing: true},
		{name: "too few without the algorithm, of a repository", asked: "apps/web@" + full(b)[7:12], malformed: true},
		{name: "all but one digit", asked: full(b)[:70], want: []string{"apps/web@" + full(b)}},
		{name: "the whole", asked: full(b), want: []string{"apps/web@" + full(b)}},
		{name: "of two images", asked: both, want: []string{"apps/api@" + full(a), "apps/web@" + full(a), "apps/web@" + full(b)}, ambiguous: true},
		{name: "of two images in a repository", asked: "apps/web@" + both, want: []string{"apps/web@" + full(a), "apps/web@" + full(b)}, ambiguous: true},
		{name: "of another repository", asked: "apps/api@" + short(b), missing: true},
		{name: "of another host", asked: "other.example.com/apps/web@" + short(a), missing: true},
		{name: "of nothing", asked: "sha256:000000000000", missing: true},
		{name: "too short", asked: "sha256:" + full(b)[7:12], malformed: true},
		{name: "too short, of a repository", asked: "apps/web@sha256:" + full(b)[7:12], malformed: true},
		{name: "no digits", asked: "apps/web@sha256:image", malformed: true},
		{name: "in upper case", asked: "Apps/Web:v1", malformed: true},
		{name: "a tag like digits", asked: "apps/web:" + short(b)[7:], missing: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			app := &App{Readers: shelves(), UsageNone: true, Policy: p, Judge: Now.Time, Now: Now.Time, Log: slog.New(slog.DiscardHandler)}
			app.Usage.Now = app.Now
			found, err := app.Explain(t.Context(), []string{tt.asked})
			var got []string
			for _, x := range found {
				got = append(got, x.Repository+"@"+x.Image.Digest.String())
			}
			slices.Sort(got)
			var several *AmbiguousError
			var missing *NotFoundError
			var malformed *MalformedError
			if errors.As(err, &several) {
				got = several.Images
			}
			if errors.As(err, &several) != tt.ambiguous || errors.As(err, &missing) != tt.missing || errors.As(err, &malformed) != tt.malformed ||
				err != nil && !tt.ambiguous && !tt.missing && !tt.malformed {
				t.Errorf("error %v", err)
			}
			slices.Sort(tt.want)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("images (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAmbiguousErrorIsShort lists ten images at most.
func TestAmbiguousErrorIsShort(t *testing.T) {
	e := AmbiguousError{Name: "sha256:ab", Images: make([]string, 12)}
	for i := range e.Images {
		e.Images[i] = fmt.Sprintf("apps/web@%s", image.DigestOf([]byte{byte(i)}))
	}
	want := "sha256:ab could be any of 12 images, give more of the digest:"
	for _, img := range e.Images[:10] {
		want += "\n  " + img
	}
	want += "\n  and 2 more"
	if diff := cmp.Diff(want, e.Error()); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}

// TestExplainTagInSeveralRegistries: a tag without a host means each registry,
// and the images that carry it are all explained.
func TestExplainTagInSeveralRegistries(t *testing.T) {
	p, problems := policy.Compile(policy.Spec{Rules: []policy.Rule{{Name: "all"}}, Limits: policy.Limits{MaxDeletes: 99, MaxShare: 1}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	one, other := New("apps/web").Add("a", Age(9*Day), Tags("v1")), New("apps/web").Add("b", Age(9*Day), Tags("v1"))
	app := &App{
		Readers:   []registry.Reader{shelf{repo: one, reads: new(int)}, shelf{repo: other, reads: new(int)}},
		UsageNone: true, Policy: p, Judge: Now.Time, Now: Now.Time, Log: slog.New(slog.DiscardHandler),
	}
	app.Usage.Now = app.Now
	found, err := app.Explain(t.Context(), []string{"apps/web:v1"})
	if err != nil || len(found) != 2 || found[0].Image.Digest != D("a") || found[1].Image.Digest != D("b") {
		t.Errorf("found %v, error %v; want both images", found, err)
	}
}
