package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/regsweep/regsweep/internal/config/strict"
	"github.com/regsweep/regsweep/internal/policy"
)

// checker looks at what the decoder cannot see: how fields go together.
type checker struct {
	doc *strict.Document
	cfg *Config
}

// check records what is wrong with a decoded configuration, and fills in the
// names that follow from other fields.
func check(doc *strict.Document, cfg *Config) {
	c := checker{doc, cfg}
	c.version()
	c.registries()
	c.sources()
	c.protect()
	c.rules()
	c.limits()
	c.tag()
	c.price()
	c.mode()
	c.controller()
	c.notify()
	c.policy()
}

// said reports whether the document says a field and says it right so far.
func (c checker) said(path string) bool { return c.doc.Has(path) && !c.doc.Bad(path) }

func (c checker) version() {
	switch {
	case !c.doc.Has("version"):
		c.doc.Wrong("version", "is missing: write version: 1")
	case c.said("version") && c.cfg.Version != 1:
		c.doc.Wrong("version", "is %s, and this version of regsweep reads version 1 only", c.doc.Show("version"))
	}
}

func (c checker) registries() {
	const example = "registries: [{name: prod, ecr: {region: eu-west-1}}]"
	switch {
	case !c.doc.Has("registries"):
		c.doc.Wrong("registries", "is missing: name at least one, such as %s", example)
	case c.said("registries") && len(c.cfg.Registries) == 0:
		c.doc.Wrong("registries", "is empty: name at least one, such as %s", example)
	}
	names := newNames(c.doc)
	for i := range c.cfg.Registries {
		r := &c.cfg.Registries[i]
		names.add(strict.Index("registries", i), &r.Name, r.Kind)
		for j, other := range c.cfg.Registries[:i] {
			if r.Config != nil && sameSettings(r.Config, other.Config) {
				c.doc.Wrong(strict.Index("registries", i), "is the same registry as registries[%d] on line %d: write it once",
					j, c.doc.At(strict.Index("registries", j)).Line)
			}
		}
	}
}

func (c checker) sources() {
	names := newNames(c.doc)
	for i := range c.cfg.Usage.Sources {
		s := &c.cfg.Usage.Sources[i]
		path := strict.Index("usage", i)
		names.add(path, &s.Name, s.Kind)
		c.notEmpty(path+".covers", len(s.Covers), "would say that the source covers no repository: remove the field for all")
		_, errs := policy.CompileRepositories(s.Covers)
		for at, err := range errs {
			c.problem(policy.Problem{Path: strict.Index(path+".covers", at), Detail: err.Error()})
		}
		c.atLeast(path+".atLeast", s.AtLeast, 0)
	}
}

func (c checker) protect() {
	for i, p := range c.cfg.Policy.Protect {
		path := strict.Index("protect", i)
		c.notEmpty(path+".repositories", len(p.Repositories), "is empty: name repositories, or remove the field for all")
		c.notEmpty(path+".tags", len(p.Tags), "is empty: name tags, or remove the field for all")
	}
}

func (c checker) rules() {
	all := map[bool]int{}
	named := map[string]string{}
	for i := range c.cfg.Policy.Rules {
		r := &c.cfg.Policy.Rules[i]
		path := strict.Index("rules", i)
		if r.Name == "" {
			r.Name = fmt.Sprintf("rule %d", i+1)
		}
		if strings.ContainsFunc(r.Name, isControl) {
			c.doc.Wrong(path+".name", "must be one line of text")
		}
		if first, ok := named[r.Name]; ok {
			c.doc.Wrong(path+".name", "%s is the name of %s on line %d too: names tell rules apart in plans", c.showName(path, r.Name), first, c.doc.At(first).Line)
		} else {
			named[r.Name] = path
		}
		if r.Action == "" {
			r.Action = policy.Delete
		}
		// An empty selector selects everything, which nobody means by one.
		c.notEmpty(path+".repositories", len(r.Repositories), "is empty: name repositories, or remove the field to govern all")
		c.notEmpty(path+".repositoryTags", len(r.RepositoryTags), "is empty: name tags, or remove the field to govern all")
		c.notEmpty(path+".tags", len(r.Tags), "is empty: name tags, or remove the field to govern all")
		if first, ok := all[r.Orphans]; ok {
			c.doc.Wrong(path, "governs nothing, since rules[%d] on line %d governs everything that comes to it: put that one last",
				first, c.doc.At(strict.Index("rules", first)).Line)
		} else if !c.doc.Bad(path) && c.governsAll(path) {
			all[r.Orphans] = i
		}
		for j, k := range r.Keep {
			c.keep(strict.Index(path+".keep", j), k)
		}
	}
}

// showName returns the name of an entry, as it is written if it is.
func (c checker) showName(path, name string) string {
	if at := path + ".name"; c.doc.Has(at) {
		return c.doc.Show(at)
	}
	return strconv.Quote(name)
}

// governsAll reports whether a rule has no selectors.
func (c checker) governsAll(path string) bool {
	return !slices.ContainsFunc([]string{"repositories", "repositoryTags", "tags", "untagged"},
		func(field string) bool { return c.doc.Has(path + "." + field) })
}

func (c checker) keep(path string, k policy.Keep) {
	c.atLeast(path+".newest", k.Newest, 1)
	c.atLeast(path+".maxImages", k.MaxImages, 1)
	if c.said(path+".per") && !c.doc.Has(path+".newest") {
		c.doc.WrongField(path+".per", "says how newest groups images, and this entry has no newest: write newest: 3 beside it")
	}
	if k.UsedWithin > 0 && c.cfg.Tag.Name != "" {
		c.doc.Wrong(path+".usedWithin", "needs marks with a time, and tag.name on line %d gives marks without: write tag: {prefix: …}",
			c.doc.At("tag.name").Line)
	}
}

func (c checker) limits() {
	l := c.cfg.Policy.Limits
	c.atLeast("limits.maxDeletes", l.MaxDeletes, 0)
	c.atLeast("limits.minRemaining", l.MinRemaining, 0)
}

// policy compiles the policy and records what is wrong with it, other than
// what follows from mistakes that are known already.
func (c checker) policy() {
	c.cfg.Policy.Tag = policy.Tag{Prefix: c.cfg.Tag.Prefix, Name: c.cfg.Tag.Name}
	c.cfg.Policy.Grace = c.cfg.Grace
	compiled, problems := policy.Compile(c.cfg.Policy)
	c.cfg.Compiled = compiled
	known := map[string]bool{}
	for _, p := range problems {
		known[p.Path] = known[p.Path] || c.doc.Bad(p.Path)
	}
	for _, p := range problems {
		if !known[p.Path] {
			c.problem(p)
		}
	}
}

// problem records a problem of the policy. Its text may show the value, so it
// is left out where the environment has a part in that.
func (c checker) problem(p policy.Problem) {
	switch {
	case c.doc.Reveals(p.Path, p.Detail):
		c.doc.Wrong(p.Path, "%s does not give a valid value here; what it gives is not shown, since it can be a secret", c.doc.Show(p.Path))
	case p.Line > 0:
		c.doc.WrongWithin(p.Path, strict.Position{Line: p.Line, Column: max(p.Column, 1)}, p.Detail)
	default:
		c.doc.Wrong(p.Path, "%s", p.Detail)
	}
}

// atLeast checks a number that the document says.
func (c checker) atLeast(path string, n, least int) {
	if c.said(path) && n < least {
		c.doc.Wrong(path, "must be %d at least, and this is %s", least, c.doc.Show(path))
	}
}

// notEmpty checks a list or a mapping that the document says.
func (c checker) notEmpty(path string, length int, detail string) {
	if c.said(path) && length == 0 {
		c.doc.Wrong(path, "%s", detail)
	}
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// names checks that names are well formed and unique.
type names struct {
	doc   *strict.Document
	first map[string]string
}

func newNames(doc *strict.Document) names { return names{doc, map[string]string{}} }

// Names are parts of other names ("kubernetes/prod") and of flags.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// add checks the name of the entry at path. An entry without a name is called
// by its kind.
func (n names) add(path string, name *string, kind string) {
	at := path + ".name"
	switch {
	case *name == "" && (n.doc.Has(at) || kind == ""):
		return // that is a mistake already
	case *name == "":
		*name, at = kind, path
	case !namePattern.MatchString(*name):
		n.doc.Wrong(at, "is %s: a name has letters, digits, \".\", \"_\" and \"-\" and starts with a letter or digit, 64 at most", n.doc.Show(at))
		return
	}
	first, taken := n.first[*name]
	if !taken {
		n.first[*name] = path
		return
	}
	line := n.doc.At(first).Line
	if at == path {
		n.doc.Wrong(at, "has no name and is called %s, as is %s on line %d: give one of them another name", kind, first, line)
	} else {
		n.doc.Wrong(at, "%s is the name of %s on line %d too: give one of them another name", n.doc.Show(at), first, line)
	}
}
