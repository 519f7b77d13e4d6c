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

// rare is true once in so many draws; failures shrink towards false.
func rare(t *rapid.T, once int) bool { return rapid.IntRange(1, once).Draw(t, "rare") == once }

func pick[T any](t *rapid.T, of ...T) T { return rapid.SampledFrom(of).Draw(t, "pick") }

func some[T comparable](t *rapid.T, most int, of ...T) []T {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(of), 0, most, rapid.ID[T]).Draw(t, "some")
}

// ago draws a time before Now, of few, so that many are equal or at the edge.
func ago(t *rapid.T) int64 {
	now := int64(Now)
	return pick(t, now-100*msDay, now-50*msDay, now-31*msDay-1, now-31*msDay, now-30*msDay-1, now-30*msDay, now-10*msDay,
		now-msDay, now, now+400*365*msDay)
}

func markTag(prefix string, ms int64) string { return fmt.Sprintf("%s-%d", prefix, ms/1000) }

var tagPool = []string{
	"latest", "v1.0.0", "v1.2.0", "1.2", "1.2.1", "v2.0.0-rc.1", "2", "2.0.1", "20260101", "abc1234",
	"pr-1", "pr-2", "dev-1", "dev-2", "x", "production",
	markTag("in-use", int64(Now)-msDay), markTag("in-use", int64(Now)-30*msDay), markTag("in-use", int64(Now)-31*msDay),
	"in-use-15000000000", "in-use-soon", markTag("keep", int64(Now)-msDay), markTag("regsweep-condemned", int64(Now)-msDay),
	markTag("regsweep-condemned", int64(Now)-7*msDay), markTag("regsweep-condemned", int64(Now)-7*msDay-1000),
	markTag("regsweep-condemned", int64(Now)-30*msDay), "regsweep-condemned-15000000000", "regsweep-condemned-soon",
	markTag("regsweep-kept", int64(Now)-7*msDay-1000), markTag("regsweep-kept", int64(Now)-msDay), "regsweep-kept-1",
}

// drawImage draws an image of a name. Mostly it lists those whose names come
// later and is attached to those that come before, so that circles are few.
func drawImage(t *rapid.T) oracle.Image {
	n := rapid.IntRange(0, len(names)-1).Draw(t, "name")
	before, after := append([]string{"gone"}, names[:n]...), names[n+1:]
	if rare(t, 8) {
		before, after = names, names
	}
	img := oracle.Image{Digest: digest(names[n]), Pushed: ago(t), Archived: rare(t, 8)}
	if rare(t, 15) {
		img.Pushed = 0
	}
	if rare(t, 2) {
		img.Pulled = ago(t)
		if img.OwnPull = rare(t, 3); img.OwnPull && rare(t, 2) {
			img.PulledBefore = ago(t)
		}
	}
	img.Index = rare(t, 3)
	switch {
	case img.Index && rare(t, 20):
		img.Unreadable = true
	case img.Index && len(after) > 0:
		platforms := rare(t, 2)
		for _, child := range some(t, 3, after...) {
			img.Lists = append(img.Lists, oracle.Entry{Digest: digest(child), Platform: platforms})
		}
	case !img.Index && rare(t, 3):
		img.Config = digest(pick(t, "config 1", "config 2"))
	}
	if rare(t, 6) {
		if img.Subject = digest(pick(t, before...)); img.Subject == img.Digest {
			img.Subject = ""
		}
	}
	img.Tags = some(t, pick(t, 0, 1, 1, 2, 3), tagPool...)
	if rare(t, 4) { // marks as they are written, on images that may have no other tag
		img.Tags = some(t, 2, slices.DeleteFunc(slices.Clone(tagPool), func(tag string) bool { return !strings.HasPrefix(tag, "regsweep-") })...)
	}
	if rare(t, 8) {
		img.Tags = append(img.Tags, "sha256-"+D(pick(t, before...)).Hex()+pick(t, "", ".sig", ".att", ".sbom", ".other"))
	}
	return img
}

func drawImages(t *rapid.T) []oracle.Image {
	images := rapid.SliceOfNDistinct(rapid.Custom(drawImage), pick(t, 0, 3, 5), 9, func(i oracle.Image) string { return i.Digest }).Draw(t, "images")
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
	u := oracle.Use{Here: !rare(t, 4)}
	if rare(t, 2) {
		u.Tag = pick(t, tagPool...)
	}
	switch {
	case rare(t, 3):
		u.Digest = digest(pick(t, names...))
	case rare(t, 5):
		u.ImageID = digest(pick(t, "config 1", "config 2", "a", "config 4"))
		if rare(t, 3) {
			u.Digest = digest(pick(t, names...))
		}
	case rare(t, 20):
		u.OtherDigest = "sha512:" + strings.Repeat("ab", 64)
	}
	return u
}

var (
	tagPatterns  = []string{"pr-*", "v*", "*", "?", "dev-?", "latest", "/^[0-9.]+$/", "/-/", "sha256-*", "in-use*", "production", "*.sig"}
	repoPatterns = []string{"apps/**", "apps/*", "**", "*", "apps/?", "!apps/r", "!other", "other/**", "apps/r"}
	resourceTags = []map[string]string{nil, {"Sweep": "true"}, {"Sweep": "false", "Days": "30"}, {"Sweep": "true", "Days": "9w"},
		{"Days": " 10d "}, {"Days": "0"}, {"Days": "many"}, {"Sweep": "true", "Days": "-1"}, {"Days": "99999999999"}}
)

// drawKeep draws an entry; maxImages only where it is allowed.
func drawKeep(t *rapid.T, orphans, withMaxImages bool) oracle.Keep {
	var k oracle.Keep
	for {
		switch rapid.IntRange(0, 8).Draw(t, "keep") {
		case 0, 1:
			if !orphans {
				k.Newest = pick(t, 1, 1, 2, 3)
				k.Per = pick(t, "", "", "", "/^([a-z]+)-/", "/^([a-z]*)-?/", "semver.major", "semver.minor")
			}
		case 2:
			k.YoungerThan = &oracle.Age{Fixed: pick(t, msDay, 10*msDay, 30*msDay)}
		case 3:
			k.YoungerThan = &oracle.Age{Tag: "Days", Unit: msDay}
			if !rare(t, 4) {
				k.YoungerThan.HasDefault, k.YoungerThan.Default = true, 10*msDay
			}
		case 4:
			k.PulledWithin = pick(t, 30*msDay, 9*msDay)
		case 5:
			k.UsedWithin = pick(t, msDay, 30*msDay)
		case 6:
			k.Semver = pick(t, ">=1.2.0", "^1.0", "~2.0", "<2", "1.2.x")
		case 7, 8:
			if !orphans && withMaxImages {
				k.MaxImages = pick(t, 1, 2, 3, 4, 6)
			}
		}
		if k != (oracle.Keep{}) && !rare(t, 3) {
			return k
		}
	}
}

func drawRule(t *rapid.T, withMaxImages bool) oracle.Rule {
	r := oracle.Rule{Orphans: rare(t, 4), Archive: rare(t, 3)}
	if rare(t, 8) {
		r.Repositories = some(t, 3, repoPatterns...)
	}
	if rare(t, 10) {
		r.RepositoryTags = map[string]string{"Sweep": "true"}
	}
	if rare(t, 3) {
		r.Tags = some(t, 3, tagPatterns...)
		r.AnyTag = len(r.Tags) > 0 && rare(t, 3)
	}
	if !r.Orphans {
		r.Untagged, r.Semver = rare(t, 6), rare(t, 4)
	}
	for range pick(t, 0, 1, 1, 2, 3) {
		r.Keeps = append(r.Keeps, drawKeep(t, r.Orphans, withMaxImages))
	}
	return r
}

func drawProtect(t *rapid.T) oracle.Protect {
	p := oracle.Protect{Tags: some(t, 2, tagPatterns...)}
	if len(p.Tags) == 0 || rare(t, 3) {
		p.Repositories = append(some(t, 1, repoPatterns...), pick(t, "!apps/r", "base/**", "apps/**"))
		slices.Sort(p.Repositories)
		p.Repositories = slices.Compact(p.Repositories)
	}
	return p
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
		w.Repository.Tags = pick(t, resourceTags...)
		w.Repository.TagsUnknown = rare(t, 20)
		if w.Repository.TagsUnknown {
			w.Repository.Tags = nil
		}
		w.Repository.Guards = rare(t, 2)
		w.Policy = oracle.Policy{MaxSharePercent: 100, MinRemaining: pick(t, 0, 0, 0, 0, 1, 2), MarkPrefix: "in-use"}
		if rare(t, 3) {
			w.Policy.Grace = 7 * msDay
		}
		if !want.noMaxShare && rare(t, 4) {
			w.Policy.MaxSharePercent = pick(t, 29, 50, 67, 0, 80)
		}
		if rare(t, 5) {
			w.Policy.MarkPrefix, w.Policy.MarkName = pick(t, "in-use", "keep"), "production"
		}
		for range pick(t, 0, 1, 2, 2) {
			w.Policy.Rules = append(w.Policy.Rules, drawRule(t, !want.noMaxImages))
		}
		if !rare(t, 4) { // the rest
			rest := drawRule(t, !want.noMaxImages)
			rest.Repositories, rest.RepositoryTags, rest.Tags, rest.AnyTag, rest.Untagged, rest.Orphans = nil, nil, nil, false, false, false
			w.Policy.Rules = append(w.Policy.Rules, rest)
		}
		for range pick(t, 0, 0, 0, 0, 1, 2) {
			w.Policy.Protect = append(w.Policy.Protect, drawProtect(t))
		}
		for range pick(t, 0, 0, 0, 1, 2, 3) {
			w.Uses = append(w.Uses, drawUse(t))
		}
		if rare(t, 25) {
			w.Gaps = []string{"denied"}
		}
		return world{w}
	})
}

// contents translates the repository, in the order that the graph needs.
func contents(w *oracle.World) *image.Contents {
	parse := func(s string) image.Digest {
		var d image.Digest
		if err := d.UnmarshalText([]byte(s)); err != nil {
			panic(err)
		}
		return d
	}
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
