// Package policy decides, for one repository at a time, which roots the rules
// govern and which of them something keeps. It is pure: the time is an
// argument, everything is compiled beforehand, and evaluation cannot fail.
package policy

import "time"

// Spec is the part of the configuration that decides what is kept.
type Spec struct {
	Protect []Protect `yaml:"protect"`
	Rules   []Rule    `yaml:"rules"`
	Limits  Limits    `yaml:"limits"`
	Tag     Tag       `yaml:"tag"`
	// Grace is how long an image is condemned before it may be deleted; zero is
	// no grace period.
	Grace time.Duration `yaml:"-"`
}

// Protect wins over every rule. All fields that are set must hold.
type Protect struct {
	// Repositories are globs; "**" crosses slashes, a leading "!" excludes.
	Repositories []string `yaml:"repositories"`
	// Tags are globs or /regular expressions/; one matching tag is enough.
	Tags []string `yaml:"tags"`
}

// Rule governs the roots that match its selectors, unless an earlier rule does.
type Rule struct {
	Name         string   `yaml:"name"`
	Repositories []string `yaml:"repositories"`
	// RepositoryTags are resource tags that the repository must have.
	RepositoryTags map[string]string `yaml:"repositoryTags"`
	// Tags are globs or /regular expressions/: every tag of the root must match
	// one of them, or, with AnyTag, one tag must.
	Tags     []string `yaml:"tags"`
	AnyTag   bool     `yaml:"anyTag"`
	Untagged bool     `yaml:"untagged"`
	// Orphans makes the rule govern orphans, and nothing else.
	Orphans bool `yaml:"orphans"`
	// Order is what "newest" means: "pushed" (default) or "semver".
	Order string `yaml:"order"`
	Keep  []Keep `yaml:"keep"`
	// Action is what happens to a root that nothing keeps.
	Action Action `yaml:"action"`
}

// Action is what happens to an image that nothing keeps.
type Action string

// The actions of a rule.
const (
	Delete  Action = "delete"
	Archive Action = "archive"
)

// Keep keeps a root for which all fields that are set hold. Zero values mean
// "not set"; the configuration rejects them where a user writes them.
type Keep struct {
	Newest int `yaml:"newest"`
	// Per groups what Newest ranks: a /regular expression/ with one capture
	// group, "semver.major" or "semver.minor".
	Per          string        `yaml:"per"`
	YoungerThan  Age           `yaml:"youngerThan"`
	PulledWithin time.Duration `yaml:"pulledWithin"`
	UsedWithin   time.Duration `yaml:"usedWithin"`
	// Semver is a version constraint that one of the root's tags satisfies.
	Semver    string `yaml:"semver"`
	MaxImages int    `yaml:"maxImages"`
	// When is a CEL expression of type bool.
	When string `yaml:"when"`
}

// Age is a duration, fixed or read from a resource tag of the repository.
type Age struct {
	// Fixed is the age where RepositoryTag is empty.
	Fixed time.Duration
	// RepositoryTag names the tag that holds a number of Units, or a duration
	// with its own unit.
	RepositoryTag string
	Unit          time.Duration
	// Default applies where the repository does not have the tag; without it
	// such a repository is a gap.
	Default    time.Duration
	HasDefault bool
}

// IsZero reports whether the field was not set.
func (a Age) IsZero() bool { return a == Age{} }

// Limits cap the damage of a run.
type Limits struct {
	// MaxDeletes is how many images a run may delete or archive; over it nothing
	// is. Zero or less allows none.
	MaxDeletes int `yaml:"maxDeletes"`
	// MaxShare is the largest share of a repository's images, 0 to 1, that a run
	// may delete or archive; over it the repository is held.
	MaxShare float64 `yaml:"maxShare"`
	// MinRemaining is how many of the newest roots of a repository always stay.
	MinRemaining int `yaml:"minRemaining"`
}

// Tag is how `regsweep tag` marks images in use.
type Tag struct {
	Prefix string `yaml:"prefix"`
	Name   string `yaml:"name"`
}

// Problem is a mistake in a Spec.
type Problem struct {
	// Path is where it is, for example "rules[0].keep[1].when".
	Path string
	// Detail says what is wrong and what to write instead.
	Detail string
	// Line and Column, from 1, are where in the value it is, for an expression;
	// zero means the whole value.
	Line, Column int
}

func (p Problem) Error() string { return p.Path + ": " + p.Detail }
