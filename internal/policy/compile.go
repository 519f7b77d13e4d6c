package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"github.com/Masterminds/semver/v3"
)

// Policy is a compiled Spec. It is safe for concurrent use.
type Policy struct {
	protect []protect
	rules   []rule
	limits  Limits
	marks   marks
	grace   time.Duration
	// unseen warns of patterns that match little but regsweep's own tags.
	unseen []string
}

type protect struct {
	path         string
	globs        []string
	repositories Repositories
	tags         []matcher // empty: any image
}

type rule struct {
	Rule
	path         string
	repositories Repositories
	tags         []matcher
	keeps        []keep
	// gone and goneOrphan are why a root or an orphan that nothing keeps goes. All
	// of them share these, since they are most of a large repository.
	gone, goneOrphan []Reason
	// readsTags says that a keep reads the resource tags of the repository.
	readsTags bool
}

type keep struct {
	Keep
	path       string
	per        grouping
	constraint *semver.Constraints
	when       *expression
}

// grouping returns the groups that a root with these tags is in.
type grouping func(tags []string) []string

// Limits returns the limits of the policy.
func (p *Policy) Limits() Limits { return p.limits }

// Grace returns how long an image is condemned before it may be deleted; zero is
// no grace period.
func (p *Policy) Grace() time.Duration { return p.grace }

// RuleRef names a rule.
type RuleRef struct {
	Name string
	// Path is its place in the configuration, such as "rules[1]".
	Path string
}

// Keepless returns the rules that keep nothing, so that whatever they govern
// goes. That is legal, and seldom meant.
func (p *Policy) Keepless() (rules []RuleRef) {
	for i := range p.rules {
		if len(p.rules[i].keeps) == 0 {
			rules = append(rules, RuleRef{p.rules[i].Name, p.rules[i].path})
		}
	}
	return rules
}

// NeedsRepositoryTags reports whether any rule reads resource tags.
func (p *Policy) NeedsRepositoryTags() bool {
	return slices.ContainsFunc(p.rules, func(r rule) bool { return len(r.RepositoryTags) > 0 || r.readsTags })
}

// Compile checks a Spec and compiles it, or returns every mistake in it, in the
// order of the Spec.
func Compile(spec Spec) (*Policy, []Problem) {
	c := compiler{}
	c.p = Policy{limits: spec.Limits, marks: newMarks(spec.Tag), grace: spec.Grace}
	c.graceMarks(spec)
	for i, s := range spec.Protect {
		path := fmt.Sprintf("protect[%d]", i)
		if len(s.Repositories) == 0 && len(s.Tags) == 0 {
			c.problem(path, "an entry without tags and repositories would protect everything; name what to protect (\"*\" for all tags)")
		}
		c.p.protect = append(c.p.protect, protect{path, s.Repositories, c.repositories(path, s.Repositories), c.tags(path, s.Tags)})
	}
	names := map[string]int{}
	for i, s := range spec.Rules {
		path := fmt.Sprintf("rules[%d]", i)
		if s.Name == "" {
			s.Name = fmt.Sprintf("rule %d", i+1)
		}
		if first, ok := names[s.Name]; ok {
			c.problem(path+".name", "rules[%d] is called %q too; names tell rules apart in plans", first, s.Name)
		} else {
			names[s.Name] = i
		}
		c.p.rules = append(c.p.rules, c.rule(path, s))
	}
	// What is kept of every image names them by numbers of 16 bits.
	c.atMost("rules", len(spec.Rules))
	c.atMost("protect", len(spec.Protect))
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	return &c.p, nil
}

// graceMarks checks that the grace period and what it writes are of use.
func (c *compiler) graceMarks(spec Spec) {
	if spec.Grace < 0 {
		c.problem("grace", "a grace period cannot be negative")
	}
	if p := spec.Tag.Prefix + "-"; p == CondemnedPrefix || p == KeptPrefix {
		c.problem("tag.prefix", "%s is the prefix of the marks of the grace period; choose another", spec.Tag.Prefix)
	}
	if isGraceMark(spec.Tag.Name) {
		c.problem("tag.name", "%s is a mark of the grace period; choose another", spec.Tag.Name)
	}
}

// maxEntries is how many rules, or protect entries, a policy can have.
const maxEntries = 1<<15 - 2

func (c *compiler) atMost(path string, entries int) {
	if entries > maxEntries {
		c.problem(path, "%d entries, and %d are the most", entries, maxEntries)
	}
}

type compiler struct {
	p        Policy
	problems []Problem
	env      *cel.Env
}

func (c *compiler) problem(path, format string, args ...any) {
	c.problems = append(c.problems, Problem{Path: path, Detail: fmt.Sprintf(format, args...)})
}

func (c *compiler) repositories(path string, globs []string) Repositories {
	r, errs := CompileRepositories(globs)
	for i := range globs {
		if err := errs[i]; err != nil {
			c.problem(fmt.Sprintf("%s.repositories[%d]", path, i), "%v", err)
		}
	}
	return r
}

func (c *compiler) tags(path string, patterns []string) []matcher {
	var ms []matcher
	for i, p := range patterns {
		path := fmt.Sprintf("%s.tags[%d]", path, i)
		m, err := compileTag(p)
		switch {
		case err != nil:
			c.problem(path, "%v", err)
			continue
		case c.p.marks.meant(m):
			c.p.unseen = append(c.p.unseen, fmt.Sprintf("%s: regsweep itself writes tags that %q matches, and its own tags count as none here", path, p))
		}
		ms = append(ms, m)
	}
	return ms
}

func (c *compiler) rule(path string, s Rule) rule {
	r := rule{Rule: s, path: path, repositories: c.repositories(path, s.Repositories), tags: c.tags(path, s.Tags)}
	switch s.Action {
	case "":
		r.Action = Delete
	case Delete, Archive:
	default:
		c.problem(path+".action", "%q is no action; write delete or archive", string(s.Action))
	}
	switch s.Order {
	case "", "pushed", "semver":
	default:
		c.problem(path+".order", "%q is no order; write pushed or semver", s.Order)
	}
	if s.AnyTag && len(s.Tags) == 0 {
		c.problem(path+".anyTag", "anyTag says how tags match, and this rule has no tags")
	}
	if s.Orphans {
		if s.Untagged {
			c.problem(path+".untagged", "orphans are selected by orphans: true; untagged has no meaning here")
		}
		if s.Order != "" {
			c.problem(path+".order", "orphans are not ranked")
		}
	}
	for i, k := range s.Keep {
		kp := fmt.Sprintf("%s.keep[%d]", path, i)
		if s.Orphans && (k.Newest > 0 || k.MaxImages > 0) {
			c.problem(kp, "orphans are not ranked: newest and maxImages have no meaning here")
		}
		compiled := c.keep(kp, k)
		r.keeps = append(r.keeps, compiled)
		r.readsTags = r.readsTags || k.YoungerThan.RepositoryTag != "" || compiled.when != nil && compiled.when.readsRepositoryTags
	}
	r.gone = []Reason{{Code: CodeNotKept, Path: path, text: r.describe()}}
	r.goneOrphan = []Reason{{Code: CodeOrphan, text: "what it was attached to is gone"}, r.gone[0]}
	return r
}

func (c *compiler) keep(path string, s Keep) keep {
	k := keep{Keep: s, path: path}
	if s == (Keep{}) {
		c.problem(path, "an entry without fields would keep everything; name a condition")
	}
	for _, n := range []struct {
		field string
		value int
	}{{"newest", s.Newest}, {"maxImages", s.MaxImages}} {
		if n.value < 0 {
			c.problem(path+"."+n.field, "%d is no number of images; write 1 or more", n.value)
		}
	}
	for _, d := range []struct {
		field string
		value time.Duration
	}{{"youngerThan", s.YoungerThan.Fixed}, {"youngerThan.default", s.YoungerThan.Default},
		{"pulledWithin", s.PulledWithin}, {"usedWithin", s.UsedWithin}} {
		if d.value < 0 {
			c.problem(path+"."+d.field, "a negative duration keeps nothing")
		}
	}
	if s.Per != "" {
		if s.Newest == 0 {
			c.problem(path+".per", "per groups what newest ranks, and this entry has no newest")
		}
		k.per = c.grouping(path+".per", s.Per)
	}
	if s.Semver != "" {
		constraint, err := semver.NewConstraint(s.Semver)
		if err != nil {
			c.problem(path+".semver", "%q is no version constraint such as \">=2.0.0\" or \"^1.4\": %v", s.Semver, err)
		} else {
			// 2.1.0-rc.1 is at least 2.0.0. Other tools leave pre-releases out of
			// ranges; here that would delete more.
			constraint.IncludePrerelease = true
			k.constraint = constraint
		}
	}
	if s.When != "" {
		k.when = c.expression(path+".when", s.When)
	}
	return k
}

func (c *compiler) expression(path, source string) *expression {
	if c.env == nil {
		env, err := newCELEnv()
		if err != nil {
			c.problem(path, "%v", err)
			return nil
		}
		c.env = env
	}
	x, problems := compileExpression(c.env, source)
	for _, p := range problems {
		p.Path = path
		c.problems = append(c.problems, p)
	}
	return x
}

func (c *compiler) grouping(path, per string) grouping {
	switch per {
	case "semver.major":
		return versionGroups(func(v *semver.Version) string { return fmt.Sprint(v.Major()) })
	case "semver.minor":
		return versionGroups(func(v *semver.Version) string { return fmt.Sprintf("%d.%d", v.Major(), v.Minor()) })
	}
	expr, ok := cutRegexp(per)
	if !ok {
		c.problem(path, "%q is no grouping; write semver.major, semver.minor or a /regular expression/ with one capture group", per)
		return nil
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		c.problem(path, "invalid regular expression %s: %v", per, err)
		return nil
	}
	if re.NumSubexp() != 1 {
		c.problem(path, "%s has %d capture groups and needs exactly one, which names the group; write (?:…) for the others", per, re.NumSubexp())
		return nil
	}
	return func(tags []string) (groups []string) {
		for _, t := range tags {
			if m := re.FindStringSubmatch(t); m != nil {
				groups = append(groups, m[1])
			}
		}
		return groups
	}
}

func versionGroups(name func(*semver.Version) string) grouping {
	return func(tags []string) (groups []string) {
		for _, t := range tags {
			if v, ok := version(t); ok {
				groups = append(groups, name(v))
			}
		}
		return groups
	}
}

// matchTags reports whether the rule selects a root with these ordinary tags.
func (r *rule) matchTags(tags []string) bool {
	if len(r.tags) == 0 && !r.Untagged {
		return true
	}
	if len(tags) == 0 {
		return r.Untagged
	}
	if len(r.tags) == 0 {
		return false
	}
	matches := func(t string) bool { return anyMatch(r.tags, t) }
	if r.AnyTag {
		return slices.ContainsFunc(tags, matches)
	}
	return !slices.ContainsFunc(tags, func(t string) bool { return !matches(t) })
}

// describe names the rule's keeps for a reason.
func (r *rule) describe() string {
	switch name := r.title(); len(r.keeps) {
	case 0:
		return name + " keeps nothing"
	case 1:
		return fmt.Sprintf("the keep of %s does not hold", name)
	default:
		return fmt.Sprintf("none of the %d keeps of %s holds", len(r.keeps), name)
	}
}

// title names the rule in a sentence. One without a name is called rule 1 already.
func (r *rule) title() string { return "rule " + strings.TrimPrefix(r.Name, "rule ") }

// parseAge reads the value of a resource tag: a number of units, or a duration
// with its own unit.
func parseAge(value string, unit time.Duration) (time.Duration, error) {
	s := strings.TrimSpace(value)
	units := map[byte]time.Duration{
		's': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour,
	}
	if len(s) > 0 {
		if u, ok := units[s[len(s)-1]]; ok {
			unit, s = u, s[:len(s)-1]
		}
	}
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, fmt.Errorf("%q is no whole number and no duration such as 30d", value)
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n > int64(maxAge/unit) {
		return 0, fmt.Errorf("%q is too large", value)
	}
	return time.Duration(n) * unit, nil
}

// maxAge is the longest duration that a tag may name: 100 years.
const maxAge = 100 * 365 * 24 * time.Hour
