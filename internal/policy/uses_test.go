package policy

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/graph/graphtest"
	"github.com/regsweep/regsweep/internal/image"
)

const testHost = "registry.example.com"

// inRegistry takes every reference to the host for the registry "prod".
func inRegistry(ref image.Reference) []string {
	if ref.Host == testHost {
		return []string{"prod"}
	}
	return nil
}

func usedAs(reference, imageID string) image.Use {
	return image.Use{Source: "s", State: image.Running, Reference: reference, ImageID: imageID, Holder: "h"}
}

// Of each use, the images that it holds, and whether it is reported as one of
// an image that is not there.
func TestUses(t *testing.T) {
	hexOf := func(name string) string { return graphtest.D(name).String() }
	other := "sha512:" + strings.Repeat("ab", 64)
	here := testHost + "/r"
	// An index of two images, one of them with the config "config", and a plain
	// image.
	build := func() *graphtest.Repository {
		r := graphtest.New("r").Add("index", graphtest.Lists("child"), graphtest.Tags("v1", "latest")).
			Add("child").Add("plain", graphtest.Tags("v2", "in-use-1770000000"))
		i, _ := r.Graph().Find(graphtest.D("child"))
		r.Manifests[i] = &image.Manifest{Config: graphtest.D("config").OrNil()}
		return r
	}
	all := []string{"child", "index", "plain"}
	for _, tt := range []struct {
		name    string
		use     image.Use
		holds   []string
		missing bool
	}{
		{"by tag", usedAs(here+":v2", ""), []string{"plain"}, false},
		{"by neither", usedAs(here, ""), []string{"index"}, false},
		{"by the tag of a mark", usedAs(here+":in-use-1770000000", ""), []string{"plain"}, false},
		{"by a tag that is not there", usedAs(here+":v3", ""), nil, true},
		{"by digest", usedAs(here+"@"+hexOf("child"), ""), []string{"child"}, false},
		{"by a digest that is not there", usedAs(here+"@"+hexOf("gone"), ""), nil, true},
		{"by digest, of another repository", usedAs(testHost+"/x@"+hexOf("child"), ""), []string{"child"}, false},
		{"by digest, of another registry", usedAs("elsewhere.example.com/r@"+hexOf("child"), ""), []string{"child"}, false},
		{"by a digest that is not there, of another registry", usedAs("elsewhere.example.com/r@"+hexOf("gone"), ""), nil, false},
		{"by tag, of another repository", usedAs(testHost+"/x:v2", ""), nil, false},
		{"by tag, of another registry", usedAs("elsewhere.example.com/r:v2", ""), nil, false},
		{"by tag and digest of one image", usedAs(here+":v2@"+hexOf("plain"), ""), []string{"plain"}, false},
		{"by tag and digest of two images", usedAs(here+":v2@"+hexOf("child"), ""), []string{"child", "plain"}, false},
		{"by tag and a digest that is not there", usedAs(here+":v2@"+hexOf("gone"), ""), []string{"plain"}, true},
		{"by a tag that is not there and digest", usedAs(here+":v3@"+hexOf("child"), ""), []string{"child"}, false},
		{"by image id", usedAs(here+":v3", hexOf("config")), []string{"child"}, true},
		{"by image id and the tag of another image", usedAs(here+":v2", hexOf("config")), []string{"child", "plain"}, false},
		{"by the digest of a manifest as image id", usedAs(here+":v3", hexOf("plain")), []string{"plain"}, false},
		{"by an image id that is not there", usedAs(here+":v2", hexOf("unknown")), all, false},
		{"by an image id that is not there, and digest", usedAs(here+"@"+hexOf("plain"), hexOf("unknown")), []string{"plain"}, false},
		{"by an image id that is not there, of another repository", usedAs(testHost+"/x:v2", hexOf("unknown")), nil, false},
		{"by an image id alone", usedAs(hexOf("config"), ""), nil, false},
		{"by the digest of a manifest alone", usedAs(hexOf("plain"), ""), []string{"plain"}, false},
		{"by a digest of another algorithm", usedAs(here+"@"+other, ""), all, false},
		{"by tag and a digest of another algorithm", usedAs(here+":v3@"+other, ""), all, true},
		{"by a digest of another algorithm, of another repository", usedAs(testHost+"/x@"+other, ""), nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u, err := NewUses([]image.Use{tt.use}, inRegistry)
			if err != nil {
				t.Fatal(err)
			}
			g := build().Graph()
			p, problems := Compile(Spec{Rules: []Rule{{}}})
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			result := p.Evaluate(Input{Graph: g, Now: graphtest.Now, Uses: u})
			// The index is the root of its child.
			roots := map[string]string{"child": "index", "index": "index", "plain": "plain"}
			var direct, kept, wantKept []string
			for _, name := range all {
				i, _ := g.Find(graphtest.D(name))
				if len(result.UsesOf(i)) > 0 {
					direct = append(direct, name)
				}
				if slices.Contains(tt.holds, name) {
					wantKept = append(wantKept, roots[name])
				}
				for _, d := range result.Decisions {
					if d.Root == i && d.Verdict == VerdictKeep {
						kept = append(kept, name)
					}
				}
			}
			slices.Sort(wantKept)
			if diff := cmp.Diff(slices.Compact(wantKept), kept); diff != "" {
				t.Errorf("kept roots (-want +got):\n%s", diff)
			}
			if len(tt.holds) != len(all) { // what holds the whole repository is of no image
				if diff := cmp.Diff(tt.holds, direct); diff != "" {
					t.Errorf("images in use (-want +got):\n%s", diff)
				}
			}
			if got := len(result.Missing) == 1; got != tt.missing {
				t.Errorf("missing: %v", result.Missing)
			}
		})
	}
}

// Every use of an image that is not there is reported, once, in a fixed order.
func TestMissingUses(t *testing.T) {
	uses := []image.Use{
		usedAs(testHost+"/r:z", ""), usedAs(testHost+"/r:there", ""), usedAs(testHost+"/x:y", ""),
		usedAs(testHost+"/r:a@"+graphtest.D("gone").String(), ""), usedAs(testHost+"/r:m", ""),
	}
	want := []image.Use{uses[3], uses[4], uses[0]}
	for range 5 {
		slices.Reverse(uses)
		u, err := NewUses(slices.Clone(uses), inRegistry)
		if err != nil {
			t.Fatal(err)
		}
		p, _ := Compile(Spec{})
		got := p.Evaluate(Input{Graph: graphtest.New("r").Add("a", graphtest.Tags("there")).Graph(), Now: graphtest.Now, Uses: u}).Missing
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("missing (-want +got):\n%s", diff)
		}
	}
}

func TestNeedManifests(t *testing.T) {
	u, err := NewUses([]image.Use{
		usedAs(testHost+"/byid:v1", graphtest.D("config").String()), usedAs(testHost+"/bytag:v1", ""), usedAs(graphtest.D("alone").String(), ""),
	}, inRegistry)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		registry, repository string
		want                 bool
	}{{"prod", "byid", true}, {"prod", "bytag", false}, {"prod", "unused", false}, {"lab", "byid", false}} {
		if got := u.NeedManifests(tt.registry, tt.repository); got != tt.want {
			t.Errorf("NeedManifests(%s, %s) = %v", tt.registry, tt.repository, got)
		}
	}
}

// A use that cannot be understood is an error: it could be of any image.
func TestNewUsesErrors(t *testing.T) {
	for _, tt := range []struct {
		name string
		use  image.Use
		want string
	}{
		{"the reference", image.Use{Reference: "https://example.com/x", Holder: "job"}, `use by job: "https://example.com/x" is not an image reference`},
		{"no reference", image.Use{Holder: "job"}, `use by job: "" is not an image reference`},
		{"the image id", image.Use{Reference: testHost + "/r", ImageID: "sha256:12", Holder: "job"}, `use by job: image id: "sha256:12" is not a digest`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u, err := NewUses([]image.Use{usedAs(testHost+"/r", ""), tt.use}, inRegistry)
			if err == nil || u != nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("NewUses: %v, want %q", err, tt.want)
			}
		})
	}
}

// Of several uses of an image the strongest state is named, then the first.
func TestInUseNamesTheStrongest(t *testing.T) {
	use := func(state image.State, holder string) image.Use {
		return image.Use{Source: "s", State: state, Reference: testHost + "/r:v1", Holder: holder}
	}
	u, err := NewUses([]image.Use{use(image.Rollback, "a"), use(image.Running, "z"), use(image.Running, "y"), use(image.Declared, "b")}, inRegistry)
	if err != nil {
		t.Fatal(err)
	}
	p, _ := Compile(Spec{})
	r := p.Evaluate(Input{Graph: graphtest.New("r").Add("a", graphtest.Tags("v1")).Add("b").Graph(), Now: graphtest.Now, Uses: u})
	a, _ := r.evaluation.g.Find(graphtest.D("a"))
	b, _ := r.evaluation.g.Find(graphtest.D("b"))
	if reason, ok := r.InUse(a); !ok || reason.Code != CodeInUse || reason.Detail() != "running by y and 3 more" {
		t.Errorf("InUse = %v, %q", ok, reason.Detail())
	}
	if reason, ok := r.InUse(b); ok {
		t.Errorf("an image that nobody uses: %q", reason.Detail())
	}
	if got := len(r.UsesOf(a)); got != 4 {
		t.Errorf("%d uses", got)
	}
}
