package graph_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/graph"
	. "github.com/regsweep/regsweep/internal/graph/graphtest"
)

// names are all images that the tests name.
var names = []string{"index", "amd64", "arm64", "second", "sig", "sbom", "sigofsig", "fallback", "old-fallback", "plain", "gone"}

func name(g *graph.Graph, i int32) string {
	for _, n := range names {
		if D(n) == g.Images[i].Digest {
			return n
		}
	}
	return "?"
}

func list(g *graph.Graph, at []int32) []string {
	out := []string{}
	for _, i := range at {
		out = append(out, name(g, i))
	}
	slices.Sort(out)
	return out
}

func tagOf(name, suffix string) string { return "sha256-" + D(name).Hex() + suffix }

func TestRootsAndFamilies(t *testing.T) {
	tests := []struct {
		name     string
		repo     *Repository
		roots    []string
		orphans  []string
		families map[string][]string
	}{
		{"plain images are roots", New("r").Add("plain").Add("second"), []string{"plain", "second"}, []string{},
			map[string][]string{"plain": {"plain"}}},
		{"an index and what it lists", New("r").Add("index", Lists("amd64", "arm64")).Add("amd64").Add("arm64"),
			[]string{"index"}, []string{}, map[string][]string{"index": {"amd64", "arm64", "index"}}},
		{"a tagged child is no root", New("r").Add("index", Lists("amd64")).Add("amd64", Tags("v1-amd64")),
			[]string{"index"}, []string{}, map[string][]string{"index": {"amd64", "index"}}},
		{"a child that is not there", New("r").Add("index", Lists("gone")), []string{"index"}, []string{},
			map[string][]string{"index": {"index"}}},
		{"a child of two indexes", New("r").Add("index", Lists("amd64", "arm64")).Add("second", Lists("amd64")).Add("amd64").Add("arm64"),
			[]string{"index", "second"}, []string{}, map[string][]string{"index": {"amd64", "arm64", "index"}, "second": {"amd64", "second"}}},
		{"an index in an index", New("r").Add("index", Lists("second")).Add("second", Lists("amd64")).Add("amd64"),
			[]string{"index"}, []string{}, map[string][]string{"index": {"amd64", "index", "second"}}},
		{"referrers by subject, and theirs", New("r").Add("plain").Add("sbom", Subject("plain")).Add("sigofsig", Subject("sbom")),
			[]string{"plain"}, []string{}, map[string][]string{"plain": {"plain", "sbom", "sigofsig"}}},
		{"a signature by cosign's tag", New("r").Add("plain").Add("sig", Tags(tagOf("plain", ".sig"))),
			[]string{"plain"}, []string{}, map[string][]string{"plain": {"plain", "sig"}}},
		{"a referrer of a child", New("r").Add("index", Lists("amd64")).Add("amd64").Add("sbom", Tags(tagOf("amd64", ".sbom"))),
			[]string{"index"}, []string{}, map[string][]string{"index": {"amd64", "index", "sbom"}}},
		{"the index of a referrers tag, and one before it",
			New("r").Add("plain").Add("sig", Subject("plain")).Add("sbom", Subject("plain")).
				Add("fallback", Tags(tagOf("plain", "")), Artifacts("sig", "sbom")).Add("old-fallback", Artifacts("sig")),
			[]string{"old-fallback", "plain"}, []string{},
			map[string][]string{"plain": {"fallback", "plain", "sbom", "sig"}, "old-fallback": {"old-fallback", "sig"}}},
		{"a signature of nothing", New("r").Add("sig", Tags(tagOf("gone", ".att"))).Add("sigofsig", Subject("sig")), []string{}, []string{"sig"},
			map[string][]string{"sig": {"sig", "sigofsig"}}},
		{"a referrer of nothing that an index lists", New("r").Add("index", Artifacts("sbom")).Add("sbom", Subject("gone")),
			[]string{"index"}, []string{}, map[string][]string{"index": {"index", "sbom"}}},
		{"a content tag on a plain image is no referrers tag", New("r").Add("plain", Tags(tagOf("gone", ""))), []string{"plain"}, []string{}, nil},
		{"a content tag on a multi-platform image is none either",
			New("r").Add("index", Tags(tagOf("gone", "")), Lists("amd64")).Add("amd64"), []string{"index"}, []string{}, nil},
		{"an image with its own digest as tag", New("r").Add("plain", Tags(tagOf("plain", ".sig"))), []string{"plain"}, []string{}, nil},
		{"images that name each other have no root",
			New("r").Add("plain").Add("fallback", Tags(tagOf("plain", "")), Artifacts("plain")), []string{}, []string{}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := tt.repo.Graph()
			if diff := cmp.Diff(tt.roots, list(g, g.Roots)); diff != "" {
				t.Errorf("roots (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.orphans, list(g, g.Orphans)); diff != "" {
				t.Errorf("orphans (-want +got):\n%s", diff)
			}
			w := g.NewWalker()
			for root, want := range tt.families {
				i, ok := g.Find(D(root))
				if !ok {
					t.Fatalf("%s is not in the graph", root)
				}
				var family []int32
				w.Family(i, func(m int32) { family = append(family, m) })
				if diff := cmp.Diff(want, list(g, family)); diff != "" {
					t.Errorf("family of %s (-want +got):\n%s", root, diff)
				}
			}
		})
	}
}

func TestKinds(t *testing.T) {
	g := New("r").Add("plain").Add("index", Lists("amd64")).Add("amd64").Add("sig", Tags(tagOf("plain", ".sig"))).Graph()
	for n, want := range map[string]string{"plain": "image", "amd64": "image", "index": "index", "sig": "referrer"} {
		i, _ := g.Find(D(n))
		if got := g.Kinds[i].String(); got != want {
			t.Errorf("kind of %s = %s, want %s", n, got, want)
		}
	}
}

func TestArtifactTag(t *testing.T) {
	hex := D("plain").Hex()
	for _, tt := range []struct {
		tag, suffix string
		ok          bool
	}{
		{"sha256-" + hex, "", true},
		{"sha256-" + hex + ".sig", ".sig", true},
		{"sha256-" + hex + ".att", ".att", true},
		{"sha256-" + hex + ".sbom", ".sbom", true},
		{"sha256-" + hex + ".exe", "", false},
		{"sha256-" + hex[1:], "", false},
		{"sha256-" + hex + "0", "", false},
		{"sha256:" + hex, "", false},
		{"sha512-" + hex, "", false},
		{"sha256-" + "G" + hex[1:], "", false},
		{"", "", false},
	} {
		d, suffix, ok := graph.ArtifactTag(tt.tag)
		if ok != tt.ok || ok && (suffix != tt.suffix || d != D("plain")) {
			t.Errorf("ArtifactTag(%q) = %v, %q, %v", tt.tag, d, suffix, ok)
		}
	}
}

func TestCircles(t *testing.T) {
	for _, tt := range []struct {
		name string
		repo *Repository
		want []string
	}{
		{"none", New("r").Add("index", Lists("amd64")).Add("amd64").Add("sig", Subject("amd64")), []string{}},
		{"an orphan leads to what is attached to it", New("r").Add("sig", Subject("gone")).Add("sigofsig", Subject("sig")), []string{}},
		{"two, and what they hold", New("r").Add("plain").Add("fallback", Tags(tagOf("plain", "")), Artifacts("plain", "sbom")).Add("sbom").Add("second"),
			[]string{"fallback", "plain", "sbom"}},
		{"not what a root holds too", New("r").Add("index", Lists("amd64")).Add("amd64").Add("plain").
			Add("fallback", Tags(tagOf("plain", "")), Artifacts("plain", "amd64")), []string{"fallback", "plain"}},
		{"not those that a root leads to", New("r").Add("index", Lists("plain")).Add("plain").Add("fallback", Tags(tagOf("plain", "")), Artifacts("plain")), []string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := tt.repo.Graph()
			if diff := cmp.Diff(tt.want, list(g, g.Circles)); diff != "" {
				t.Errorf("circles (-want +got):\n%s", diff)
			}
		})
	}
}

// An index of which the registry does not tell the media type is known by its
// manifest, and as what it is where that cannot be read.
func TestIndexOfUnknownType(t *testing.T) {
	build := func(fallback Option) *Repository {
		return New("r").Add("plain").Add("sbom").Add("fallback", Tags(tagOf("plain", "")), fallback)
	}
	for _, tt := range []struct {
		name   string
		repo   *Repository
		family []string
	}{
		{"it lists images", build(Artifacts("sbom")), []string{"fallback", "plain", "sbom"}},
		{"it lists none, and names its type", build(Artifacts()), []string{"fallback", "plain"}},
		{"it cannot be read", build(Artifacts("sbom")).Unread("fallback"), []string{"fallback", "plain"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at, _ := tt.repo.Graph().Find(D("fallback"))
			if m := tt.repo.Manifests[at]; m != nil && len(m.Children) == 0 {
				m.MediaType = tt.repo.Images[at].MediaType()
			}
			tt.repo.Images[at].Type = nil
			g := tt.repo.Graph()
			root, _ := g.Find(D("plain"))
			var family []int32
			g.NewWalker().Family(root, func(m int32) { family = append(family, m) })
			if diff := cmp.Diff(tt.family, list(g, family)); diff != "" {
				t.Errorf("family (-want +got):\n%s", diff)
			}
		})
	}
}
