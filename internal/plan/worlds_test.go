package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	. "github.com/regsweep/regsweep/internal/graph/graphtest"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/oracle"
	. "github.com/regsweep/regsweep/internal/oracle/oracletest"
	"github.com/regsweep/regsweep/internal/policy"
)

// A world is drawn in the plain types of the oracle, and translated for the
// code under test.

const (
	msDay    = int64(24 * 3600 * 1000)
	repoName = "apps/r"
)

// names are those of the images that can be there, be listed, be a subject or
// be in use. More are drawn than there usually are, so that some are gone.
var names = []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}

func digest(name string) string { return D(name).String() }

// ago draws a time before Now, of few, so that many are equal or at the edge.
func ago(t *rapid.T) int64 {
	now := int64(Now)
	return Pick(t, now-100*msDay, now-50*msDay, now-31*msDay-1, now-31*msDay, now-30*msDay-1, now-30*msDay, now-10*msDay,
		now-msDay, now, now+400*365*msDay)
}

func markTag(prefix string, ms int64) string { return fmt.Sprintf("%s-%d", prefix, ms/1000) }

var tagPool = []string{
	"latest", "v1.0.0", "v1.2.0", "1.2", "1.2.1", "v2.0.0-rc.1", "2", "2.0.1", "20260101", "abc1234",
	"pr-1", "pr-2", "dev-1", "dev-2", "x", "production",
	markTag("in-use", int64(Now)-msDay), markTag("in-use", int64(Now)-30*msDay), markTag("in-use", int64(Now)-31*msDay),
	"in-use-15000000000", "in-use-soon", markTag("keep", int64(Now)-msDay), markTag("regsweep-condemned", int64(Now)-msDay),
	markTag("regsweep-condemned", int64(Now)-7*msDay), markTag("regsweep-condemned", int64(Now)-7*msDay-1000),
	markTag("regsweep-condemned", int64(Now)-9*msDay), markTag("regsweep-condemned", int64(Now)-30*msDay), "regsweep-condemned-15000000000", "regsweep-condemned-soon",
	markTag("regsweep-kept", int64(Now)-7*msDay-1000), markTag("regsweep-kept", int64(Now)-msDay), "regsweep-kept-1",
}

// drawImage draws an image of a name. Mostly it lists those whose names come
// later and is attached to those that come before, so that circles are few.
func drawImage(t *rapid.T) oracle.Image {
	n := rapid.IntRange(0, len(names)-1).Draw(t, "name")
	before, after := append([]string{"gone"}, names[:n]...), names[n+1:]
	if Rare(t, 8) {
		before, after = names, names
	}
	img := oracle.Image{Digest: digest(names[n]), Pushed: ago(t), Archived: Rare(t, 8)}
	if Rare(t, 15) {
		img.Pushed = 0
	}
	if Rare(t, 2) {
		img.Pulled = ago(t)
		if img.OwnPull = Rare(t, 3); img.OwnPull && Rare(t, 2) {
			img.PulledBefore = ago(t)
		}
	}
	img.Index = Rare(t, 3)
	switch {
	case img.Index && Rare(t, 20):
		img.Unreadable = true
	case img.Index && len(after) > 0:
		platforms := Rare(t, 2)
		for _, child := range Some(t, 3, after...) {
			img.Lists = append(img.Lists, oracle.Entry{Digest: digest(child), Platform: platforms})
		}
	case !img.Index && Rare(t, 3):
		img.Config = digest(Pick(t, "config 1", "config 2"))
	}
	if Rare(t, 6) {
		if img.Subject = digest(Pick(t, before...)); img.Subject == img.Digest {
			img.Subject = ""
		}
	}
	img.Tags = Some(t, Pick(t, 0, 1, 1, 2, 3), tagPool...)
	if Rare(t, 4) { // marks as they are written, on images that may have no other tag
		img.Tags = Some(t, 2, slices.DeleteFunc(slices.Clone(tagPool), func(tag string) bool { return !strings.HasPrefix(tag, "regsweep-") })...)
	}
	if Rare(t, 8) {
		img.Tags = append(img.Tags, "sha256-"+D(Pick(t, before...)).Hex()+Pick(t, "", ".sig", ".att", ".sbom", ".other"))
	}
	return img
}

func drawImages(t *rapid.T) []oracle.Image {
	images := rapid.SliceOfNDistinct(rapid.Custom(drawImage), Pick(t, 0, 3, 5), 9, func(i oracle.Image) string { return i.Digest }).Draw(t, "images")
	// Two images of a repository never share a tag.
	taken := map[string]bool{}
	for i := range images {
		images[i].Tags = slices.DeleteFunc(images[i].Tags, func(tag string) bool { return taken[tag] })
		for _, tag := range images[i].Tags {
			taken[tag] = true
		}
	}
	return images
}

func drawUse(t *rapid.T) oracle.Use {
	u := oracle.Use{Here: !Rare(t, 4)}
	if Rare(t, 2) {
		u.Tag = Pick(t, tagPool...)
	}
	switch {
	case Rare(t, 3):
		u.Digest = digest(Pick(t, names...))
	case Rare(t, 5):
		u.ImageID = digest(Pick(t, "config 1", "config 2", "a", "config 4"))
		if Rare(t, 3) {
			u.Digest = digest(Pick(t, names...))
		}
	case Rare(t, 20):
		u.OtherDigest = "sha512:" + strings.Repeat("ab", 64)
	}
	return u
}

var policies = Policies{
	Repositories: []string{"apps/**", "apps/*", "**", "*", "apps/?", "!apps/r", "!other", "other/**", "apps/r"},
	Protected:    []string{"!apps/r", "base/**", "apps/**"},
}

// wanted says which worlds a property is about.
type wanted struct {
	// noMaxImages leaves the keep out for which more that is kept elsewhere
	// means less that is kept here.
	noMaxImages bool
	// noMaxShare lets any share of the images go.
	noMaxShare bool
}

// world prints itself as what a person needs to repeat a failure by hand.
type world struct{ oracle.World }

func (w world) GoString() string {
	name := map[string]string{"": ""}
	for _, n := range append([]string{"gone", "config 1", "config 2", "config 4"}, names...) {
		name[digest(n)] = n
	}
	text := fmt.Sprintf("\n  tags %v unknown %v guards %v gaps %v", w.Repository.Tags, w.Repository.TagsUnknown, w.Repository.Guards, w.Gaps)
	for _, i := range w.Repository.Images {
		var lists []string
		for _, e := range i.Lists {
			lists = append(lists, fmt.Sprintf("%s %v", name[e.Digest], e.Platform))
		}
		at := func(ms int64) string { return fmt.Sprintf("%gd", float64(w.Now-ms)/float64(msDay)) }
		text += fmt.Sprintf("\n  image %s %q pushed %s pulled %s archived %v index %v %v unreadable %v subject %q config %q own %v %s",
			name[i.Digest], i.Tags, at(i.Pushed), at(i.Pulled), i.Archived, i.Index, lists, i.Unreadable, name[i.Subject], name[i.Config], i.OwnPull, at(i.PulledBefore))
	}
	for _, u := range w.Uses {
		text += fmt.Sprintf("\n  use here %v tag %q digest %q id %q %s", u.Here, u.Tag, name[u.Digest], name[u.ImageID], u.OtherDigest)
	}
	return text + fmt.Sprintf("\n  policy %+v", spec(&w.World))
}

func (want wanted) worlds() *rapid.Generator[world] {
	return rapid.Custom(func(t *rapid.T) world {
		w := oracle.World{Now: int64(Now), Repository: oracle.Repository{Name: repoName, Images: drawImages(t)}}
		w.Repository.Tags = Pick(t, ResourceTags...)
		w.Repository.TagsUnknown = Rare(t, 20)
		if w.Repository.TagsUnknown {
			w.Repository.Tags = nil
		}
		w.Repository.Guards = Rare(t, 2)
		w.Policy = oracle.Policy{MaxSharePercent: 100, MinRemaining: Pick(t, 0, 0, 0, 0, 1, 2), MarkPrefix: "in-use"}
		if Rare(t, 3) {
			w.Policy.Grace = 7 * msDay
		}
		if !want.noMaxShare && Rare(t, 4) {
			w.Policy.MaxSharePercent = Pick(t, 29, 50, 67, 0, 80)
		}
		if Rare(t, 5) {
			w.Policy.MarkPrefix, w.Policy.MarkName = Pick(t, "in-use", "keep"), "production"
		}
		policies := policies
		policies.NoMaxImages = want.noMaxImages
		w.Policy.Rules = policies.Rules(t)
		for range Pick(t, 0, 0, 0, 0, 1, 2) {
			w.Policy.Protect = append(w.Policy.Protect, policies.Protect(t))
		}
		for range Pick(t, 0, 0, 0, 1, 2, 3) {
			w.Uses = append(w.Uses, drawUse(t))
		}
		if Rare(t, 25) {
			w.Gaps = []string{"denied"}
		}
		return world{w}
	})
}

// parse translates a digest.
func parse(s string) image.Digest {
	var d image.Digest
	if err := d.UnmarshalText([]byte(s)); err != nil {
		panic(err)
	}
	return d
}

// contents translates the repository, in the order that the graph needs.
func contents(w *oracle.World) *image.Contents {
	c := &image.Contents{
		Repository:   image.Repository{Registry: "prod", Name: w.Repository.Name, Tags: w.Repository.Tags},
		GuardsListed: w.Repository.Guards, Unreadable: map[int]string{}, OwnPulls: map[int]image.Time{},
	}
	if w.Repository.TagsUnknown {
		c.Repository.TagsError = fmt.Errorf("denied")
	}
	images := slices.Clone(w.Repository.Images)
	slices.SortFunc(images, func(a, b oracle.Image) int { return strings.Compare(a.Digest, b.Digest) })
	for i, img := range images {
		out := image.Image{
			Digest: parse(img.Digest), Tags: slices.Sorted(slices.Values(img.Tags)),
			PushedAt: image.Time(img.Pushed), PulledAt: image.Time(img.Pulled), Size: 1000, Type: image.NewType(image.MediaTypeOCIManifest, "", parse(img.Subject)),
		}
		if img.Archived {
			out.Status = image.Archived
		}
		var m *image.Manifest
		switch {
		case img.Unreadable:
			out.Type = image.NewType(image.MediaTypeOCIIndex, "", out.Subject())
			c.Unreadable[i] = "cut off"
		case img.Index:
			out.Type = image.NewType(image.MediaTypeOCIIndex, "", out.Subject())
			m = &image.Manifest{MediaType: out.MediaType(), Subject: out.Subject().OrNil()}
			for _, e := range img.Lists {
				child := image.Child{Digest: parse(e.Digest)}
				if e.Platform {
					child.Platform = "linux/amd64"
				}
				m.Children = append(m.Children, child)
			}
		case img.Config != "":
			m = &image.Manifest{MediaType: out.MediaType(), Subject: out.Subject().OrNil(), Config: parse(img.Config).OrNil()}
		}
		if img.OwnPull {
			c.OwnPulls[i] = image.Time(img.PulledBefore)
		}
		c.Images = append(c.Images, out)
		c.Manifests = append(c.Manifests, m)
	}
	return c
}

// spec translates the policy.
func spec(w *oracle.World) policy.Spec {
	ms := func(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
	p := &w.Policy
	s := policy.Spec{
		Limits: policy.Limits{MaxDeletes: 1000, MaxShare: float64(p.MaxSharePercent) / 100, MinRemaining: p.MinRemaining},
		Tag:    policy.Tag{Prefix: p.MarkPrefix, Name: p.MarkName}, Grace: ms(p.Grace),
	}
	for _, pr := range p.Protect {
		s.Protect = append(s.Protect, policy.Protect{Repositories: pr.Repositories, Tags: pr.Tags})
	}
	for _, r := range p.Rules {
		out := policy.Rule{
			Repositories: r.Repositories, RepositoryTags: r.RepositoryTags, Tags: r.Tags,
			AnyTag: r.AnyTag, Untagged: r.Untagged, Orphans: r.Orphans,
		}
		if r.Archive {
			out.Action = policy.Archive
		}
		if r.Semver {
			out.Order = "semver"
		}
		for _, k := range r.Keeps {
			keep := policy.Keep{
				Newest: k.Newest, Per: k.Per, PulledWithin: ms(k.PulledWithin), UsedWithin: ms(k.UsedWithin),
				Semver: k.Semver, MaxImages: k.MaxImages,
			}
			if a := k.YoungerThan; a != nil {
				keep.YoungerThan = policy.Age{Fixed: ms(a.Fixed), RepositoryTag: a.Tag, Unit: ms(a.Unit), HasDefault: a.HasDefault, Default: ms(a.Default)}
			}
			out.Keep = append(out.Keep, keep)
		}
		s.Rules = append(s.Rules, out)
	}
	return s
}

// imageUse writes a use as a holder does: i tells uses apart. What is not here
// is in another repository, account or region.
func imageUse(u oracle.Use, i int) image.Use {
	elsewhere := []string{
		host + "/other", strings.Replace(host, "eu-west-1", "us-east-1", 1) + "/" + repoName,
		strings.Replace(host, "1111", "9999", 1) + "/" + repoName, repoName, "registry.example.com/" + repoName,
	}
	ref := host + "/" + repoName
	if !u.Here {
		ref = elsewhere[i%len(elsewhere)]
	}
	if u.Tag != "" {
		ref += ":" + u.Tag
	}
	if d := u.Digest + u.OtherDigest; d != "" {
		ref += "@" + d
	}
	states := []image.State{image.Running, image.Declared, image.Rollback}
	return image.Use{Source: "ecs", State: states[i/2%3], Reference: ref, ImageID: u.ImageID, Holder: fmt.Sprintf("ecs/shop/web%d", i)}
}

func imageUses(w *oracle.World) (list []image.Use) {
	for i, u := range w.Uses {
		list = append(list, imageUse(u, i))
	}
	return list
}

func imageGaps(w *oracle.World) (list []image.Gap) {
	for _, g := range w.Gaps {
		list = append(list, image.Gap{Source: "ecs", Detail: g})
	}
	return list
}

// TestWorlds checks the generator: what a property never sees it never tests.
func TestWorlds(t *testing.T) {
	seen := map[string]int{}
	count := func(what string, is bool) {
		if is {
			seen[what]++
		}
	}
	worlds := wanted{}.worlds()
	for seed := range 3000 {
		w := worlds.Example(seed)
		verdicts := map[string]int{}
		for _, j := range oracle.Judge(w.World) {
			verdicts[j.Verdict]++
			for _, g := range j.Grounds {
				seen[g]++
			}
			count("delete after the grace period", j.Verdict == "delete" && slices.Contains(j.Grounds, "grace"))
			count(j.Mark, j.Mark != "")
		}
		for v := range verdicts {
			seen[v]++
		}
		count("delete and keep", verdicts["delete"] > 0 && verdicts["keep"] > 0)
		count("delete and held", verdicts["delete"] > 0 && verdicts["held"] > 0)
		count("delete and archive", verdicts["delete"] > 0 && verdicts["archive"] > 0)
		for _, img := range w.Repository.Images {
			count("nested index", img.Index && slices.ContainsFunc(img.Lists, func(e oracle.Entry) bool {
				return slices.ContainsFunc(w.Repository.Images, func(o oracle.Image) bool { return o.Digest == e.Digest && o.Index })
			}))
			count("unreadable", img.Unreadable)
			count("own pull of an index", img.Index && img.OwnPull)
		}
	}
	for _, what := range []string{
		"keep", "held", "archive", "delete", "delete and keep", "delete and held", "delete and archive", "nested index", "unreadable", "own pull of an index",
		"in-use", "protected", "newest", "younger", "pulled", "used", "semver", "max-images", "limit", "gap", "orphan", "no-rule", "not-kept",
		"grace", "delete after the grace period", "condemn", "unmark",
	} {
		if seen[what] < 15 {
			t.Errorf("%s: %d times in 3000 worlds", what, seen[what])
		}
	}
	t.Log(seen)
}
