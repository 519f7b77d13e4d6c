package tagging_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	. "github.com/regsweep/regsweep/internal/graph/graphtest"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/policy"
	"github.com/regsweep/regsweep/internal/tagging"
)

// use is one reference into the repository "web".
func use(state image.State, reference string) image.Use {
	return image.Use{Source: "k", State: state, Reference: "registry.example.com/" + reference, Holder: "k/" + reference}
}

// decide decides on a repository with these uses.
func decide(t interface{ Fatal(...any) }, s tagging.Spec, r *Repository, uses ...image.Use) []tagging.Image {
	u, err := policy.NewUses(uses, func(image.Reference) []string { return []string{"prod"} })
	if err != nil {
		t.Fatal(err)
	}
	g := r.Graph()
	deployed := map[string]string{}
	for _, use := range uses {
		if _, tag, ok := strings.Cut(use.Reference, "web:"); ok {
			deployed[tag] = use.Holder
		}
	}
	return s.Decide(g, u.Naming(g), deployed, Now)
}

// names tells which digest is which.
func names(all ...string) map[image.Digest]string {
	m := map[image.Digest]string{}
	for _, name := range all {
		m[D(name)] = name
	}
	return m
}

func mark(age time.Duration) string {
	return fmt.Sprintf("in-use-%d", Now.Time().Add(-age).Unix())
}

func TestDecide(t *testing.T) {
	running, declared, rollback := image.Running, image.Declared, image.Rollback
	dated := tagging.Spec{Refresh: Day, KeepPerImage: 1}
	named := tagging.Spec{Tag: policy.Tag{Name: "production"}}
	for _, tt := range []struct {
		name string
		spec tagging.Spec
		repo *Repository
		uses []image.Use
		want []string
	}{
		{"nothing is in use", dated, New("web").Add("a", Tags("v1")), nil, nil},
		{"an image by its tag", dated, New("web").Add("a", Tags("v1")).Add("b", Tags("v2")), []image.Use{use(running, "web:v1")},
			[]string{"a tag " + mark(0)}},
		{"without a tag it is latest", dated, New("web").Add("a", Tags("latest")), []image.Use{use(running, "web")}, []string{"a tag " + mark(0)}},
		{"by its digest, untagged", dated, New("web").Add("a"), []image.Use{use(running, "web@"+D("a").String())}, []string{"a tag " + mark(0)}},
		{"a digest of another repository is not tagged here", dated, New("web").Add("a"), []image.Use{use(running, "copy@"+D("a").String())}, nil},
		{"a mark that is young enough stays", dated, New("web").Add("a", Tags("v1", mark(Day-time.Second))), []image.Use{use(running, "web:v1")},
			[]string{"a keep " + mark(Day-time.Second)}},
		{"an old one is replaced", dated, New("web").Add("a", Tags("v1", mark(Day))), []image.Use{use(running, "web:v1")},
			[]string{"a tag " + mark(0) + " -" + mark(Day)}},
		{"keepPerImage", tagging.Spec{Refresh: Day, KeepPerImage: 2}, New("web").Add("a", Tags("v1", mark(Day), mark(3*Day), mark(2*Day))), []image.Use{use(running, "web:v1")},
			[]string{"a tag " + mark(0) + " -" + mark(2*Day) + " -" + mark(3*Day)}},
		{"a surplus goes although the mark is young", dated, New("web").Add("a", Tags("v1", mark(time.Hour), mark(3*Day))), []image.Use{use(running, "web:v1")},
			[]string{"a keep " + mark(time.Hour) + " -" + mark(3*Day)}},
		{"a mark of later is young", dated, New("web").Add("a", Tags("v1", mark(-time.Hour))), []image.Use{use(running, "web:v1")},
			[]string{"a keep " + mark(-time.Hour)}},
		{"no refresh at all", tagging.Spec{KeepPerImage: 1}, New("web").Add("a", Tags("v1", mark(0))), []image.Use{use(running, "web:v1")},
			[]string{"a tag " + mark(-time.Second) + " -" + mark(0)}},
		{"what is no mark stays", dated, New("web").Add("a", Tags("v1", "in-use-soon", "in-use-7", "in-used-1781524800")), []image.Use{use(running, "web:v1")},
			[]string{"a tag " + mark(0)}},
		{"another prefix", tagging.Spec{Tag: policy.Tag{Prefix: "live"}, Refresh: Day, KeepPerImage: 1}, New("web").Add("a", Tags("v1", mark(3*Day))), []image.Use{use(running, "web:v1")},
			[]string{"a tag live-" + strings.TrimPrefix(mark(0), "in-use-")}},
		{"a platform stands for its index", dated, New("web").Add("p").Add("i", Tags("v1"), Lists("p")), []image.Use{use(running, "web@"+D("p").String())},
			[]string{"i tag " + mark(0)}},
		{"of a nested index, for the outer", dated, New("web").Add("p").Add("i", Lists("p")).Add("o", Tags("v1"), Lists("i")), []image.Use{use(running, "web@"+D("p").String())},
			[]string{"o tag " + mark(0)}},
		{"a tagged platform, too", dated, New("web").Add("p", Tags("v1-amd64")).Add("i", Tags("v1"), Lists("p")), []image.Use{use(running, "web:v1-amd64")},
			[]string{"i tag " + mark(0)}},
		{"one mark, by tag and by platform", dated, New("web").Add("p").Add("i", Tags("v1"), Lists("p")), []image.Use{use(running, "web:v1@"+D("p").String())},
			[]string{"i tag " + mark(0)}},
		{"an image that nothing lists is tagged itself", dated, New("web").Add("p").Add("i", Tags("v1"), Lists("q")), []image.Use{use(running, "web@"+D("p").String())},
			[]string{"p tag " + mark(0)}},
		{"an index of referrers is no image", dated, New("web").Add("p").Add("i", Tags("sha256-"+strings.TrimPrefix(D("x").String(), "sha256:")), Artifacts("p")),
			[]image.Use{use(running, "web@"+D("p").String())}, []string{"p tag " + mark(0)}},

		{"name: the only one", named, New("web").Add("a", Tags("v1")), []image.Use{use(declared, "web:v1")}, []string{"a tag production"}},
		{"name: the newest that runs", named, New("web").Add("a", Tags("v1"), Age(2*Day)).Add("b", Tags("v2"), Age(Day)).Add("c", Tags("v3"), Age(time.Hour)),
			[]image.Use{use(running, "web:v1"), use(running, "web:v2"), use(declared, "web:v3")}, []string{"a pass ", "b tag production", "c pass "}},
		{"name: declared before rollback", named, New("web").Add("a", Tags("v1"), Age(2*Day)).Add("b", Tags("v2"), Age(Day)),
			[]image.Use{use(declared, "web:v1"), use(rollback, "web:v2")}, []string{"a tag production", "b pass "}},
		{"name: what was pulled, not what has the tag now", named, New("web").Add("a", Age(2*Day)).Add("b", Tags("v1"), Age(Day)),
			[]image.Use{use(running, "web:v1@"+D("a").String())}, []string{"a tag production", "b pass "}},
		{"name: it is there already", named, New("web").Add("a", Tags("v1", "production")), []image.Use{use(running, "web:v1")}, []string{"a keep production"}},
		{"name: it moves, also from what is not in use", named, New("web").Add("a", Tags("v1")).Add("b", Tags("v0", "production"), Age(3*Day)), []image.Use{use(running, "web:v1")},
			[]string{"a move production <b"}},
		{"name: it does not move where something is deployed by it", named, New("web").Add("a", Tags("v1")).Add("b", Tags("v0", "production"), Age(3*Day)),
			[]image.Use{use(running, "web:v1"), use(declared, "web:production")},
			[]string{"a move  !k/web:production is deployed by the tag production, which " + D("b").String()[:19] + " has: moving it would change what that runs", "b pass "}},
		{"name: what is deployed by it may have it", named, New("web").Add("a", Tags("v1", "production")).Add("b", Tags("v0"), Age(3*Day)),
			[]image.Use{use(running, "web:production"), use(running, "web:v0")}, []string{"a keep production", "b pass "}},
		{"name: of the same push time the smaller digest is newer", named, New("web").Add("a", Tags("v1")).Add("b", Tags("v2")),
			[]image.Use{use(running, "web:v1"), use(running, "web:v2")}, smaller("a", "b")},
		{"name: what is archived cannot have it", named, New("web").Add("a", Tags("v1"), Age(2*Day)).Add("b", Tags("v2"), With(func(i *image.Image) { i.Status = image.Archived })),
			[]image.Use{use(running, "web:v1"), use(running, "web:v2")}, []string{"a tag production", "b tag production"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			called := names("a", "b", "c", "p", "i", "o", "x")
			var got []string
			for _, img := range decide(t, tt.spec, tt.repo, tt.uses...) {
				line := fmt.Sprintf("%s %s %s", called[img.Digest], img.Action, img.Tag)
				if !img.From.IsZero() {
					line += " <" + called[img.From]
				}
				for _, tag := range img.Remove {
					line += " -" + tag
				}
				if img.Error != "" {
					line += " !" + img.Error
				}
				got = append(got, line)
			}
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// smaller is what is wanted where the smaller digest of two is chosen.
func smaller(a, b string) []string {
	if D(b).Compare(D(a)) < 0 {
		return []string{a + " pass ", b + " tag production"}
	}
	return []string{a + " tag production", b + " pass "}
}

// Whatever images, tags and uses there are: every image in use, or an index above
// it, has a mark that no other image has; the newest marks stay, as many as are
// wanted, and with them the last tag; and what was done once needs nothing more.
func TestDecideProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := tagging.Spec{Refresh: time.Duration(rapid.IntRange(0, 3).Draw(t, "refresh")) * Day, KeepPerImage: rapid.IntRange(1, 3).Draw(t, "keep")}
		r := New("web")
		n := rapid.IntRange(1, 6).Draw(t, "images")
		free := map[string]bool{}
		for i := range n {
			tags := []string{fmt.Sprintf("v%d", i)}
			for _, age := range rapid.SliceOfN(rapid.IntRange(-3, 5), 0, 4).Draw(t, "marks") {
				// Marks of the same second as new ones, and a little after it.
				for _, tag := range []string{mark(time.Duration(age) * time.Second), mark(time.Duration(age) * Day)} {
					if !free[tag] {
						free[tag] = true
						tags = append(tags, tag)
					}
				}
			}
			options := []Option{Tags(tags...)}
			if i > 0 && rapid.Bool().Draw(t, "index") {
				options = append(options, Lists(fmt.Sprintf("m%d", rapid.IntRange(0, i-1).Draw(t, "child"))))
			}
			r.Add(fmt.Sprintf("m%d", i), options...)
		}
		var uses []image.Use
		for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 0, n, rapid.ID).Draw(t, "used") {
			uses = append(uses, use(image.Running, fmt.Sprintf("web:v%d", i)))
		}
		images := decide(t, s, r, uses...)
		if len(uses) > 0 && len(images) == 0 {
			t.Fatalf("nothing is marked for %v", uses)
		}
		for _, img := range images {
			apply(t, r, &img)
		}
		owners := map[string]image.Digest{}
		for _, img := range r.Images {
			for _, tag := range img.Tags {
				if other, ok := owners[tag]; ok {
					t.Fatalf("%s and %s have the tag %s", other, img.Digest, tag)
				}
				owners[tag] = img.Digest
			}
		}
		if s.Refresh == 0 {
			return // every run writes
		}
		for _, img := range decide(t, s, r, uses...) {
			if img.Action != tagging.Leave || len(img.Remove) > 0 {
				t.Fatalf("a second run does %s %s, removes %v", img.Action, img.Tag, img.Remove)
			}
		}
	})
}

// apply does what was decided on one image, and checks what is left of it.
func apply(t *rapid.T, r *Repository, img *tagging.Image) {
	at, _ := slices.BinarySearchFunc(r.Images, img.Digest, func(i image.Image, d image.Digest) int { return i.Digest.Compare(d) })
	tags := slices.Clone(r.Images[at].Tags)
	if img.Action == tagging.Write {
		tags = append(tags, img.Tag)
	}
	remove, anchor := img.Surplus(img.Action == tagging.Write)
	for _, tag := range remove {
		if tag == anchor || !slices.Contains(tags, anchor) {
			t.Fatalf("%s goes with the anchor %s", tag, anchor)
		}
		if tag > anchor {
			t.Fatalf("%s goes and the older %s stays", tag, anchor)
		}
		tags = slices.DeleteFunc(tags, func(other string) bool { return other == tag })
	}
	slices.Sort(tags)
	r.Images[at].Tags = tags
}

// A mark by which something is deployed, and a tag that only looks like one, stay
// however old they are.
func TestDeployedMarksStay(t *testing.T) {
	old, older, oldest := mark(20*Day), mark(30*Day), mark(40*Day)
	repo := New("web").Add("a", Tags("v1", old, older, oldest))
	spec := tagging.Spec{Refresh: Day, KeepPerImage: 1}
	images := decide(t, spec, repo, use(image.Running, "web:"+older))
	img := images[0]
	if diff := cmp.Diff([]string{old, oldest}, img.Remove); diff != "" || !strings.Contains(img.Detail, older+" stays: k/web:"+older) {
		t.Errorf("%s (-want +got):\n%s", img.Detail, diff)
	}
	if remove, anchor := img.Room(); !slices.Equal(remove, []string{oldest}) || anchor != old {
		t.Errorf("%v go for another mark, and %s stays", remove, anchor)
	}
	img.KeepMarks()
	surplus, _ := img.Surplus(true)
	if room, _ := img.Room(); surplus != nil || room != nil || img.Remove != nil {
		t.Errorf("all marks are kept, and yet %v, %v, %v go", surplus, room, img.Remove)
	}
}

// An image with as many tags as it may have makes room only with marks that have
// a newer one.
func TestRoom(t *testing.T) {
	for _, tt := range []struct {
		marks, keep int
		want        int
	}{{0, 1, 0}, {1, 1, 0}, {2, 1, 1}, {3, 1, 2}, {3, 3, 1}, {2, 3, 0}} {
		tags := []string{"v1"}
		for i := range tt.marks {
			tags = append(tags, mark(time.Duration(2+i)*Day))
		}
		images := decide(t, tagging.Spec{Refresh: Day, KeepPerImage: tt.keep}, New("web").Add("a", Tags(tags...)), use(image.Running, "web:v1"))
		remove, anchor := images[0].Room()
		if len(remove) != tt.want || len(remove) > 0 && anchor != mark(2*Day) {
			t.Errorf("%d marks of %d: %v go, and %s stays", tt.marks, tt.keep, remove, anchor)
		}
	}
}

// An image that has as many tags as it may have takes a mark only where an older
// one can go before, and a tag from another image never.
func TestFull(t *testing.T) {
	dated, named := tagging.Spec{Refresh: Day, KeepPerImage: 1}, tagging.Spec{Tag: policy.Tag{Name: "production"}}
	many := func(n int) (tags []string) {
		for i := range n {
			tags = append(tags, fmt.Sprint("x", i))
		}
		return tags
	}
	running := []image.Use{use(image.Running, "web:x0")}
	for _, tt := range []struct {
		name string
		spec tagging.Spec
		repo *Repository
		want bool
	}{
		{"room for one", dated, New("web").Add("a", Tags(many(999)...)), false},
		{"no room", dated, New("web").Add("a", Tags(many(1000)...)), true},
		{"one mark, which stays until there is another", dated, New("web").Add("a", Tags(many(999)...), Tags(mark(2*Day))), true},
		{"two marks", dated, New("web").Add("a", Tags(many(998)...), Tags(mark(2*Day), mark(3*Day))), false},
		{"a name", named, New("web").Add("a", Tags(many(1000)...)), true},
		{"a name that another has", named, New("web").Add("a", Tags(many(998)...), Tags(mark(2*Day), mark(3*Day))).Add("b", Tags("production")), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			images := decide(t, tt.spec, tt.repo, running...)
			if len(images) != 1 || images[0].Full() != tt.want {
				t.Errorf("full: %t of %d images, want %t", images[0].Full(), len(images), tt.want)
			}
		})
	}
}
