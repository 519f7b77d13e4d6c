// Package lifecycle reads, checks and evaluates the lifecycle policies of Amazon
// ECR, and compiles rules of regsweep to them. It is pure: the time is an
// argument. What it knows of ECR is from the ECR user guide ("Lifecycle policy
// properties", "How lifecycle policies work" and the examples).
package lifecycle

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Limits of a policy, as the ECR API has them.
const (
	// MaxRules is how many rules a policy can have.
	MaxRules = 50
	// MinText is the least length of the document, in characters.
	MinText = 100
	// MaxText is the greatest length of the document, in characters.
	MaxText = 30_720
	// MaxWildcards is how many * a pattern can have.
	MaxWildcards = 4
	// maxImages is how many images a repository can have by default. A count
	// above it never acts.
	maxImages = 100_000
)

// Policy is a valid lifecycle policy.
type Policy struct {
	// Rules are sorted by priority, the first to be applied first.
	Rules []Rule
}

// Rule is one rule of a policy.
type Rule struct {
	// Index is the position in the document.
	Index       int
	Priority    int
	Description string
	Selection   Selection
	Action      Action
	// Line and Column are where the rule begins in its document, from 1; zero
	// for a policy that was not read from one.
	Line, Column int
}

// Selection says which images a rule is about.
type Selection struct {
	TagStatus TagStatus
	// Patterns and Prefixes are what tags must match, if TagStatus is Tagged: for
	// every element there must be a tag of the image that matches it. Only one of
	// the two is set.
	Patterns, Prefixes []string
	Storage            Storage
	CountType          CountType
	// CountNumber is a number of images or of days.
	CountNumber int
}

// TagStatus says whether images must have tags.
type TagStatus string

// The values of tagStatus.
const (
	Tagged   TagStatus = "tagged"
	Untagged TagStatus = "untagged"
	Any      TagStatus = "any"
)

// Storage is a storage class.
type Storage string

// The storage classes.
const (
	Standard Storage = "standard"
	Archive  Storage = "archive"
)

// CountType is what a rule counts.
type CountType string

// The values of countType.
const (
	CountMoreThan     CountType = "imageCountMoreThan"
	SincePushed       CountType = "sinceImagePushed"
	SincePulled       CountType = "sinceImagePulled"
	SinceTransitioned CountType = "sinceImageTransitioned"
)

// Action is what happens to an image.
type Action string

// The actions. A transition is always into the archive.
const (
	Keep       Action = ""
	Expire     Action = "expire"
	Transition Action = "transition"
)

// Path returns where the rule is in its document.
func (r *Rule) Path() string { return fmt.Sprintf("rules[%d]", r.Index) }

// Describe says in one line what the rule does.
func (r *Rule) Describe() string {
	s := &r.Selection
	what := map[TagStatus]string{Untagged: "untagged images", Any: "any image"}[s.TagStatus]
	if s.TagStatus == Tagged {
		what = "images tagged " + strings.Join(s.globs(), " and ")
	}
	if s.Storage == Archive {
		what = "archived " + what
	}
	does := map[Action]string{Expire: "expire", Transition: "archive"}[r.Action]
	switch s.CountType {
	case CountMoreThan:
		return fmt.Sprintf("%s %s beyond the newest %d", does, what, s.CountNumber)
	case SincePulled:
		return fmt.Sprintf("%s %s not pulled for %d days", does, what, s.CountNumber)
	case SinceTransitioned:
		return fmt.Sprintf("%s %s after %d days in the archive", does, what, s.CountNumber)
	default:
		return fmt.Sprintf("%s %s older than %d days", does, what, s.CountNumber)
	}
}

// globs returns what tags must match as patterns with *.
func (s *Selection) globs() []string {
	globs := slices.Clone(s.Patterns)
	for _, p := range s.Prefixes {
		globs = append(globs, p+"*")
	}
	return globs
}

// Counts reports whether a rule goes by a number of images that a repository can
// have.
func (p *Policy) Counts() bool {
	return slices.ContainsFunc(p.Rules, func(r Rule) bool {
		return r.Selection.CountType == CountMoreThan && r.Selection.CountNumber < maxImages
	})
}

// The document as ECR takes it.
type (
	document struct {
		Rules []ruleDocument `json:"rules"`
	}
	ruleDocument struct {
		Priority    int               `json:"rulePriority"`
		Description string            `json:"description,omitempty"`
		Selection   selectionDocument `json:"selection"`
		Action      actionDocument    `json:"action"`
	}
	selectionDocument struct {
		TagStatus   TagStatus `json:"tagStatus"`
		Patterns    []string  `json:"tagPatternList,omitempty"`
		Prefixes    []string  `json:"tagPrefixList,omitempty"`
		Storage     Storage   `json:"storageClass,omitempty"`
		CountType   CountType `json:"countType"`
		CountUnit   string    `json:"countUnit,omitempty"`
		CountNumber int       `json:"countNumber"`
	}
	actionDocument struct {
		Type   Action  `json:"type"`
		Target Storage `json:"targetStorageClass,omitempty"`
	}
)

// MarshalJSON implements json.Marshaler: the document as ECR takes it.
func (p *Policy) MarshalJSON() ([]byte, error) {
	doc := document{Rules: []ruleDocument{}}
	for _, r := range p.Rules {
		s := r.Selection
		out := ruleDocument{Priority: r.Priority, Description: r.Description, Action: actionDocument{Type: r.Action}}
		out.Selection = selectionDocument{TagStatus: s.TagStatus, Patterns: s.Patterns, Prefixes: s.Prefixes, CountType: s.CountType, CountNumber: s.CountNumber}
		if s.Storage == Archive {
			out.Selection.Storage = Archive
		}
		if s.CountType != CountMoreThan {
			out.Selection.CountUnit = "days"
		}
		if r.Action == Transition {
			out.Action.Target = Archive
		}
		doc.Rules = append(doc.Rules, out)
	}
	return json.Marshal(doc)
}

// Text returns the document, indented, as files and ECR hold it.
func (p *Policy) Text() (string, error) {
	text, err := json.MarshalIndent(p, "", "  ")
	return string(text), err
}
