package lifecycle

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/regsweep/regsweep/internal/policy"
)

// Compiled is the nearest policy of ECR to the rules of a configuration, for one
// repository.
type Compiled struct {
	// Policy is nil where nothing can be expressed.
	Policy *Policy
	// Notes say what became of each part of the configuration, in its order.
	Notes []Note
}

// Note says what became of one part of a configuration.
type Note struct {
	// Path is the part, such as "rules[0]"; Name is the rule's name, or "".
	Path string `json:"path"`
	Name string `json:"name,omitempty"`
	// Expressed says that the policy does something for it. What it says then may
	// still be less than the configuration.
	Expressed bool   `json:"expressed"`
	Text      string `json:"text"`
}

// String returns the note as one line.
func (n Note) String() string {
	at := n.Path
	if n.Name != "" {
		at += " (" + n.Name + ")"
	}
	return at + ": " + n.Text
}

// CompileOptions are what a policy may rely on.
type CompileOptions struct {
	// Plain says that the repository holds plain images only, now and later: no
	// indexes, nothing attached, no two images of one push time, and none that was
	// restored from the archive, which may count as a push. Then counts and untagged
	// images can be expressed.
	Plain bool
}

// shieldCount is the count of rules that are there for their tag requirement
// alone: no repository can have as many images.
const shieldCount = 1_000_000

// artifactTags are the tags of attached artifacts: the fallback of the OCI
// referrers API and what cosign writes.
const artifactTags = "sha256-*"

// Compile returns the nearest policy for a repository. What the policy expires,
// the rules delete, whatever the repository will hold, as long as
//
//   - attached artifacts (an OCI subject) have no tags but those that regsweep and
//     cosign write, and are attached to one image,
//   - no member of a family has a tag that protect names unless its root has one,
//
// and with Plain, as CompileOptions says. A rule for which that cannot be said is
// left out. Uses and limits are not expressed; images in use stay by the tags of
// `regsweep tag`.
func Compile(spec policy.Spec, repository string, o CompileOptions) Compiled {
	c := &compiler{spec: spec, repository: repository, plain: o.Plain}
	whole := c.protect()
	for i := range spec.Rules {
		if c.applies(spec.Rules[i].Repositories) {
			c.rules = append(c.rules, sourceRule{Rule: &spec.Rules[i], at: i})
		}
	}
	if whole {
		return Compiled{Notes: c.notes}
	}
	c.marks()
	for k := range c.rules {
		c.rule(k)
	}
	c.limits()
	c.premises()
	p, why := c.assemble().checked()
	if why != "" {
		c.notes = append(c.notes, Note{"policy", "", false, why})
	}
	return Compiled{Policy: p, Notes: c.notes}
}

// checked returns the policy if ECR takes it, and why not otherwise.
func (p *Policy) checked() (*Policy, string) {
	if p == nil {
		return nil, ""
	}
	text, err := p.Text()
	if err != nil {
		return nil, "it cannot be written: " + err.Error()
	}
	if _, mistakes := Parse([]byte(text)); len(mistakes) > 0 {
		return nil, "ECR would not take it: " + mistakes[0].String()
	}
	return p, ""
}

type compiler struct {
	spec       policy.Spec
	repository string
	plain      bool
	rules      []sourceRule // those that apply to the repository
	// shields are the patterns of the first rules, and out is what follows.
	shields []shield
	out     []nativeRule
	// marked are the patterns of the tags that regsweep writes.
	marked []string
	// acts is what the rules in out do with images, or Keep.
	acts  Action
	notes []Note
}

// sourceRule is a rule of the configuration, and its position there.
type sourceRule struct {
	*policy.Rule
	at int
}

func (r *sourceRule) path() string { return fmt.Sprintf("rules[%d]", r.at) }

// shield is a tag requirement that keeps later rules off.
type shield struct{ pattern, why string }

// nativeRule is a rule of the policy before it has a priority.
type nativeRule struct {
	requirement
	description string
	count       CountType
	number      int
	action      Action
}

// requirement is a tag requirement with one pattern.
type requirement struct {
	status  TagStatus
	pattern string // if status is Tagged
}

func (r requirement) String() string {
	if r.status == Tagged {
		return r.pattern
	}
	return string(r.status)
}

func (c *compiler) note(r *sourceRule, expressed bool, format string, args ...any) {
	c.notes = append(c.notes, Note{r.path(), r.Name, expressed, fmt.Sprintf(format, args...)})
}

// applies reports whether repository globs select the repository. Those that
// cannot be compiled select it: what is not known keeps.
func (c *compiler) applies(globs []string) bool {
	selected, errs := policy.CompileRepositories(globs)
	return len(errs) > 0 || selected.Match(c.repository)
}

// protect shields what protect entries name, and reports whether the whole
// repository is protected.
func (c *compiler) protect() (whole bool) {
	for i, p := range c.spec.Protect {
		if !c.applies(p.Repositories) {
			continue
		}
		path := fmt.Sprintf("protect[%d]", i)
		if len(p.Tags) == 0 {
			c.notes = append(c.notes, Note{path, "", true, "protects the whole repository, so there is no policy for it"})
			return true
		}
		var patterns []string
		for _, tag := range p.Tags {
			pattern := wider(tag)
			patterns = append(patterns, pattern)
			c.addShield(pattern, path)
		}
		c.notes = append(c.notes, Note{path, "", true, fmt.Sprintf("first rules keep what is tagged %s, as long as the tag is on the index itself: "+
			"regsweep also keeps an index of which a platform image is protected, and a policy does not", either(patterns))})
	}
	return false
}

// marks shields what the tags of regsweep mark, and attached artifacts.
func (c *compiler) marks() {
	prefix := c.spec.Tag.Prefix
	if prefix == "" {
		prefix = policy.DefaultMarkPrefix
	}
	names := []string{prefix + "-*"}
	if c.spec.Tag.Name != "" {
		names = append(names, c.spec.Tag.Name)
	}
	c.marked = append(slices.Clone(names), policy.CondemnedPrefix+"*", policy.KeptPrefix+"*")
	for _, name := range names {
		c.addShield(name, "in use, as regsweep tag says")
	}
	c.addShield(artifactTags, "attached artifacts")
	c.addShield(policy.CondemnedPrefix+"*", "condemned by regsweep")
	c.addShield(policy.KeptPrefix+"*", "no longer condemned by regsweep")
	usage := Note{"usage", "", true, fmt.Sprintf("a policy knows no uses: first rules keep what is tagged %s, so regsweep tag must run, and go on running, where images are used", either(names))}
	if c.spec.Tag.Name != "" {
		usage.Expressed = false
		usage.Text = fmt.Sprintf("a policy knows no uses: first rules keep what is tagged %s, and regsweep tag gives %s to one image of a repository: whatever else is in use there may expire (tag.prefix marks all that is in use)", either(names), c.spec.Tag.Name)
	}
	c.notes = append(c.notes, usage,
		Note{"artifacts", "", true, "first rules keep signatures and other artifacts that are attached by tag (" + artifactTags + "), and what regsweep has condemned or acquitted; regsweep apply deletes those"})
}

// addShield adds a shield to those of the first rules.
func (c *compiler) addShield(pattern, why string) {
	c.shields = withShield(c.shields, shield{pattern, why})
}

// withShield adds a shield to others, without those that another one contains.
func withShield(shields []shield, more shield) []shield {
	if slices.ContainsFunc(shields, func(s shield) bool { return contains(s.pattern, more.pattern) }) {
		return shields
	}
	shields = slices.DeleteFunc(shields, func(s shield) bool { return contains(more.pattern, s.pattern) })
	return append(shields, more)
}

// limits says what no policy knows.
func (c *compiler) limits() {
	if c.spec.Grace > 0 {
		c.notes = append(c.notes, Note{"grace", "", true, fmt.Sprintf("is %d days more for each rule by age; a policy marks and shows nothing before it expires images", inDays(c.spec.Grace))})
	}
	text := "a policy knows no limits: it may expire many images at once"
	if n := c.spec.Limits.MinRemaining; n > 0 {
		text += fmt.Sprintf(", and by age also the last ones of a repository, of which minRemaining keeps %d", n)
	}
	c.notes = append(c.notes, Note{"limits", "", false, text})
}

// premises says what the policy relies on.
func (c *compiler) premises() {
	text := "relies on this, now and later: what is attached to an image has no tags but " + artifactTags + " and those of regsweep"
	if c.plain {
		text = "relies on what --plain says, now and later: there are no indexes, nothing is attached to an image, no two images were pushed at one moment, and none was restored from the archive"
	}
	c.notes = append(c.notes, Note{"premises", "", true, text})
}

// rule expresses one rule, or says why not.
func (c *compiler) rule(k int) {
	r := &c.rules[k]
	switch {
	case r.Orphans:
		c.note(r, false, "left out: a policy cannot tell orphans from other images")
		return
	case len(r.RepositoryTags) > 0:
		c.note(r, false, "left out: repositoryTags can change, and a policy would not follow")
		return
	}
	number, count, why := c.condition(r)
	if why != "" {
		c.note(r, false, "left out: %s", why)
		return
	}
	for _, want := range c.requirements(r) {
		if want.why != "" {
			c.note(r, false, "%s left out: %s", want.what, want.why)
			continue
		}
		c.express(k, want, count, number)
	}
}

// condition returns the one condition under which no keep of a rule holds, or why
// there is none.
func (c *compiler) condition(r *sourceRule) (number int, count CountType, why string) {
	days, whyNotAge := ageOf(r.Keep)
	if whyNotAge == "" {
		return days + inDays(c.spec.Grace), SincePushed, ""
	}
	n, whyNotRank := rankOf(r.Rule)
	if whyNotRank != "" && !slices.ContainsFunc(r.Keep, func(k policy.Keep) bool { return k.Newest == 0 }) {
		return 0, "", whyNotRank
	}
	switch {
	case whyNotRank != "" && slices.ContainsFunc(r.Keep, func(k policy.Keep) bool { return k.Newest > 0 }) && slices.ContainsFunc(r.Keep, func(k policy.Keep) bool { return !k.YoungerThan.IsZero() }):
		return 0, "", "a rule of a policy goes by age or by count, and here an image must be both old and beyond the newest"
	case whyNotRank != "":
		return 0, "", whyNotAge
	case !c.plain:
		return 0, "", fmt.Sprintf("newest: %d ranks whole images, and what ECR counts is not documented: platform images and artifacts may take places, and of equal push times it may take any (lifecycle compile --plain, where there are none)", n)
	case c.spec.Grace > 0:
		return 0, "", fmt.Sprintf("newest: %d and a grace period: what a policy counts out goes at once, and grace keeps it for another %d days", n, inDays(c.spec.Grace))
	}
	return n, CountMoreThan, ""
}

// ageOf returns the days after which no entry can hold, or which entry could. An
// image that is older fails each entry with a youngerThan, whatever else the
// entry says.
func ageOf(keeps []policy.Keep) (days int, why string) {
	days = 1
	for i, k := range keeps {
		switch a := k.YoungerThan; {
		case a.RepositoryTag != "":
			return 0, fmt.Sprintf("keep[%d].youngerThan reads the repository's tag %s, which can change, and a policy would not follow", i, a.RepositoryTag)
		case a.IsZero():
			return 0, fmt.Sprintf("keep[%d] (%s) is nothing that a policy knows", i, strings.Join(fieldsOf(k), ", "))
		default:
			days = max(days, inDays(a.Fixed))
		}
	}
	return days, ""
}

// inDays returns how many whole days a duration takes.
func inDays(d time.Duration) int {
	const day = 24 * time.Hour
	return int((d + day - 1) / day)
}

// rankOf returns the rank after which no entry can hold, or why there is none.
func rankOf(r *policy.Rule) (n int, why string) {
	for i, k := range r.Keep {
		switch {
		case k.Newest == 0:
			return 0, fmt.Sprintf("keep[%d] (%s) is nothing that a policy counts", i, strings.Join(fieldsOf(k), ", "))
		case k.Per != "":
			return 0, fmt.Sprintf("keep[%d].per: a policy does not count by groups", i)
		}
		n = max(n, k.Newest)
	}
	if r.Order == "semver" {
		return 0, "order: a policy ranks by push time only"
	}
	return n, ""
}

// fieldsOf names the fields of an entry that are set.
func fieldsOf(k policy.Keep) (names []string) {
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"newest", k.Newest > 0}, {"per", k.Per != ""}, {"youngerThan", !k.YoungerThan.IsZero()}, {"pulledWithin", k.PulledWithin > 0},
		{"usedWithin", k.UsedWithin > 0}, {"semver", k.Semver != ""}, {"maxImages", k.MaxImages > 0}, {"when", k.When != ""},
	} {
		if f.set {
			names = append(names, f.name)
		}
	}
	return names
}

// wanted is a requirement for a part of a rule's selectors, or why there is none.
type wanted struct {
	requirement
	what, why string
}

// requirements returns what the selectors of a rule need.
func (c *compiler) requirements(r *sourceRule) (all []wanted) {
	const untagged = "a policy cannot tell an untagged image from an attached artifact (a signature, an SBOM) of an image that stays (lifecycle compile --plain, where there are none)"
	if len(r.Tags) == 0 && !r.Untagged {
		if c.plain {
			return []wanted{{requirement: requirement{status: Any}, what: "all images"}}
		}
		return []wanted{{requirement: requirement{Tagged, "*"}, what: "tagged images"}, {what: "untagged images", why: untagged}}
	}
	for _, tag := range r.Tags {
		w := wanted{what: "tag " + tag}
		var ok bool
		if w.pattern, ok = native(tag); ok {
			w.status = Tagged
		} else {
			w.why = "it is no pattern of ECR, which has * only, and at most four of them"
		}
		all = append(all, w)
	}
	if r.Untagged {
		w := wanted{requirement: requirement{status: Untagged}, what: "untagged images"}
		if !c.plain {
			w.why = untagged
		}
		all = append(all, w)
	}
	return all
}

// assemble makes the policy, or returns nil where it would do nothing.
func (c *compiler) assemble() *Policy {
	if c.acts == Keep {
		return nil
	}
	var all []nativeRule
	for _, s := range c.shields {
		all = append(all, shieldRule(s))
	}
	all = append(all, c.out...)
	p := &Policy{}
	for i, r := range all {
		s := Selection{TagStatus: r.status, Storage: Standard, CountType: r.count, CountNumber: r.number}
		if r.status == Tagged {
			s.Patterns = []string{r.pattern}
		}
		p.Rules = append(p.Rules, Rule{Index: i, Priority: i + 1, Description: r.description, Selection: s, Action: r.action})
	}
	return p
}

func shieldRule(s shield) nativeRule {
	return nativeRule{requirement: requirement{Tagged, s.pattern}, description: "keep: " + s.why,
		count: CountMoreThan, number: shieldCount, action: Expire}
}
