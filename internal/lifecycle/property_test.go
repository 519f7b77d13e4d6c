package lifecycle_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	. "github.com/regsweep/regsweep/internal/graph/graphtest"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/lifecycle"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/policy"
)

const repository = "apps/r"

func pick[T any](t *rapid.T, of ...T) T { return rapid.SampledFrom(of).Draw(t, "pick") }

func some[T comparable](t *rapid.T, most int, of ...T) []T {
	if len(of) == 0 {
		return nil
	}
	return rapid.SliceOfNDistinct(rapid.SampledFrom(of), 0, most, rapid.ID[T]).Draw(t, "some")
}

// rare is true once in so many draws; failures shrink towards false.
func rare(t *rapid.T, once int) bool { return rapid.IntRange(1, once).Draw(t, "rare") == once }

// Patterns and tags that meet in many ways.
var (
	patternPool = []string{"pr-*", "pr-?", "v*", "v1*", "*", "*-rc", "v1-rc", "latest", "x", "/^pr-[0-9]+$/", "/rc/", "*a*b*c*d*e*"}
	tagPool     = []string{"pr-1", "pr-2", "pr-22", "v1", "v2", "v1-rc", "v2-rc", "pr-1-rc", "latest", "x", "y", "in-use-1700000000",
		"regsweep-condemned-1700000000", "regsweep-kept-1700000000", "production", "in-use-soon"}
	names = []string{"a", "b", "c", "d", "e", "f", "g", "h"}
)

func drawKeep(t *rapid.T) policy.Keep {
	k := policy.Keep{}
	age := pick(t, 36*time.Hour, 2*Day, 10*Day, 30*Day)
	switch rapid.IntRange(0, 9).Draw(t, "keep") {
	case 0, 1, 2, 3:
		k.YoungerThan.Fixed = age
	case 4, 5:
		k.Newest = rapid.IntRange(1, 3).Draw(t, "newest")
		if rare(t, 4) {
			k.Per = "semver.major"
		}
	case 6:
		k.Newest, k.YoungerThan.Fixed = 1, age
	case 7:
		k.PulledWithin, k.YoungerThan.Fixed = age, pick(t, 0, 10*Day)
	case 8:
		k.Semver = ">=2"
	case 9:
		k.MaxImages = 2
	}
	return k
}

func drawSpec(t *rapid.T) policy.Spec {
	spec := policy.Spec{Limits: policy.Limits{MaxDeletes: 1000, MaxShare: 1}, Tag: policy.Tag{Name: pick(t, "", "production")}}
	if rare(t, 4) {
		spec.Protect = append(spec.Protect, policy.Protect{Tags: some(t, 2, patternPool...), Repositories: pick(t, nil, []string{"apps/**"}, []string{"other"})})
		if p := &spec.Protect[0]; len(p.Tags)+len(p.Repositories) == 0 {
			p.Tags = []string{"latest"}
		}
	}
	for range rapid.IntRange(1, 4).Draw(t, "rules") {
		r := policy.Rule{
			Tags: some(t, 2, patternPool...), Untagged: rare(t, 4), Orphans: rare(t, 10),
			Repositories: pick(t, nil, nil, nil, []string{"!apps/r"}), Action: pick(t, "", "", policy.Delete, policy.Archive),
		}
		r.AnyTag = len(r.Tags) > 0 && !rare(t, 3)
		if rare(t, 10) {
			r.RepositoryTags = map[string]string{"team": "a"}
		}
		for range rapid.IntRange(0, 2).Draw(t, "keeps") {
			r.Keep = append(r.Keep, drawKeep(t))
		}
		if r.Orphans {
			r.Untagged, r.AnyTag, r.Tags, r.Keep = false, false, nil, nil
		} else if rare(t, 8) {
			r.Order = "semver"
		}
		spec.Rules = append(spec.Rules, r)
	}
	return spec
}

// drawRepository draws the images of a repository. They are as the premises of
// Compile say: with plain nothing but plain images; else attached artifacts have
// artifact tags only, and members of families have tags of their own where no
// entry protects tags.
func drawRepository(t *rapid.T, plain, memberTags bool) *Repository {
	r := New(repository)
	free := slices.Clone(tagPool)
	tags := func() []string {
		mine := some(t, 3, free...)
		free = slices.DeleteFunc(free, func(tag string) bool { return slices.Contains(mine, tag) })
		return mine
	}
	if rare(t, 3) {
		r.Repository.Tags["team"] = "a"
	}
	r.GuardsListed = true
	present := some(t, len(names), names...)
	slices.Sort(present)
	members := map[string]bool{}
	for n, name := range present {
		age := pick(t, time.Hour, 36*time.Hour, 2*Day, 2*Day+time.Millisecond, 9*Day, 10*Day, 11*Day, 30*Day, 31*Day, 100*Day)
		if plain {
			age += time.Duration(n) * time.Second // no two of one time
		}
		options := []Option{Age(age), With(func(i *image.Image) {
			if rare(t, 8) {
				i.Status = pick(t, image.Archived, image.Activating)
			}
		})}
		later, before := present[n+1:], present[:n]
		kind := rapid.IntRange(0, 7).Draw(t, "kind")
		switch {
		case plain || kind < 4:
			if !members[name] || memberTags {
				options = append(options, Tags(tags()...))
			}
		case kind < 6 && len(later) > 0:
			lists := some(t, 3, later...)
			for _, l := range lists {
				members[l] = true
			}
			options = append(options, Lists(lists...))
			if !members[name] || memberTags {
				options = append(options, Tags(tags()...))
			}
		case kind == 6:
			options = append(options, Subject(pick(t, append(slices.Clone(before), "gone")...)))
		default:
			subject := pick(t, append(slices.Clone(before), "gone")...)
			tag := "sha256-" + D(subject).Hex() + pick(t, ".sig", ".att", ".sbom")
			if slices.ContainsFunc(r.Images, func(i image.Image) bool { return slices.Contains(i.Tags, tag) }) {
				break
			}
			options = append(options, Tags(tag))
			if memberTags {
				options = append(options, Tags(tags()...))
			}
			if lists := some(t, 2, later...); rare(t, 3) { // the fallback of the referrers API
				for _, l := range lists {
					members[l] = true
				}
				tag = strings.TrimSuffix(tag, tag[strings.LastIndexByte(tag, '.'):])
				options = append(options, Tags(tag), Artifacts(lists...))
			}
		}
		r.Add(name, options...)
	}
	return r
}

// drawTimes draws which images were restored from the archive, and when.
func drawTimes(t *rapid.T, r *Repository) map[image.Digest]lifecycle.Times {
	times := map[image.Digest]lifecycle.Times{}
	for i := range r.Images {
		img := &r.Images[i]
		if img.Status == image.Active && rare(t, 6) {
			at := image.At(Now.Time().Add(-pick(t, time.Minute, 3*Day)))
			times[img.Digest] = lifecycle.Times{ArchivedAt: img.PushedAt, ActivatedAt: max(at, img.PushedAt)}
		}
	}
	return times
}

// verdicts are what the rules say of every image, with nothing in use.
func verdicts(t *rapid.T, spec policy.Spec, r *Repository) []policy.Verdict {
	compiled, problems := policy.Compile(spec)
	if len(problems) > 0 {
		t.Fatalf("specification: %v", problems)
	}
	uses, err := policy.NewUses(nil, func(image.Reference) []string { return nil })
	if err != nil {
		t.Fatal(err)
	}
	g := r.Graph()
	return plan.Judge(g, compiled.Evaluate(policy.Input{Graph: g, Now: Now, Uses: uses}), spec.Limits).Verdicts
}

// TestCompileKeepsWhatRulesKeep is the promise of Compile: in any repository that
// is as its premises say, whatever the policy expires the rules delete, in
// whichever way ECR's documentation is read; and what it archives they delete or
// archive. The policy is one that ECR takes, without a rule that cannot act.
func TestCompileKeepsWhatRulesKeep(t *testing.T) {
	for _, plain := range []bool{false, true} {
		t.Run(fmt.Sprintf("plain=%t", plain), func(t *testing.T) {
			acted := 0
			rapid.Check(t, func(t *rapid.T) {
				for range 30 { // most drawn rules cannot be expressed at all
					acted += checkCompiled(t, plain)
				}
			})
			if acted == 0 {
				t.Error("no policy ever expired an image")
			}
		})
	}
}

// checkCompiled draws rules and a repository, and returns how many images the
// compiled policy lets go, in both readings.
func checkCompiled(t *rapid.T, plain bool) (acted int) {
	spec := drawSpec(t)
	c := lifecycle.Compile(spec, repository, lifecycle.CompileOptions{Plain: plain})
	if c.Policy == nil {
		return 0
	}
	text, err := c.Policy.Text()
	if err != nil {
		t.Fatal(err)
	}
	p := parseRapid(t, text)
	for _, w := range lifecycle.Lint(p) {
		if strings.Contains(w.Detail, "never act") {
			t.Errorf("%s\n%v", describe(p), w)
		}
	}
	r := drawRepository(t, plain, len(spec.Protect) == 0)
	times := map[image.Digest]lifecycle.Times{}
	if !plain || !p.Counts() {
		times = drawTimes(t, r)
	}
	rules := verdicts(t, spec, r)
	for _, reading := range []lifecycle.Reading{lifecycle.Least, lifecycle.Most} {
		for i, f := range lifecycle.Evaluate(p, lifecycle.Input{Graph: r.Graph(), Now: Now, Times: times}, reading) {
			fine := f.Action == lifecycle.Keep || rules[i] == policy.VerdictDelete ||
				f.Action == lifecycle.Transition && rules[i] == policy.VerdictArchive
			if !fine {
				t.Errorf("reading %d: image %+v: the policy says %s by %+v, and the rules say %v\n%s\n%+v",
					reading, r.Images[i], f.Action, p.Rules[f.Rule], rules[i], describe(p), spec)
			}
			if f.Action != lifecycle.Keep {
				acted++
			}
		}
	}
	return acted
}

// describe returns the rules of a policy as lines.
func describe(p *lifecycle.Policy) string {
	var lines []string
	for i := range p.Rules {
		lines = append(lines, fmt.Sprintf("%d: %s", p.Rules[i].Priority, p.Rules[i].Describe()))
	}
	return strings.Join(lines, "\n")
}

func parseRapid(t *rapid.T, text string) *lifecycle.Policy {
	p, mistakes := lifecycle.Parse([]byte(text))
	if len(mistakes) > 0 {
		t.Fatalf("%s\n%v", text, mistakes)
	}
	return p
}
