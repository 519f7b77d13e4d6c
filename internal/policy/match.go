package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A matcher is one compiled pattern.
type matcher func(s string) bool

// compileTag compiles a pattern for tags: a glob, in which * stands for any
// characters and ? for one, that must match the whole tag; or a /regular
// expression/, which matches anywhere unless it is anchored.
func compileTag(pattern string) (matcher, error) {
	if expr, ok := cutRegexp(pattern); ok {
		re, err := regexp.Compile(expr)
		if err != nil {
			return nil, fmt.Errorf("invalid regular expression %s: %w", pattern, err)
		}
		return re.MatchString, nil
	}
	switch {
	case pattern == "":
		return nil, fmt.Errorf("an empty pattern matches no tag (untagged: true selects images without tags)")
	case strings.HasPrefix(pattern, "!"):
		return nil, fmt.Errorf("%q: tags take no exclusions; put what must stay under protect or keep", pattern)
	case strings.HasPrefix(pattern, "/"):
		return nil, fmt.Errorf("%q: a regular expression must end with / too", pattern)
	}
	m, err := compileGlob(pattern, false)
	if at := strings.IndexFunc(pattern, inNoTag); err == nil && at >= 0 {
		return nil, fmt.Errorf("%q matches no tag, since none has a %q in it", pattern, []rune(pattern[at:])[0])
	}
	return m, err
}

// inNoTag reports whether a character of a glob is in no tag ("Pulling manifests"
// in the OCI distribution specification).
func inNoTag(r rune) bool {
	switch {
	case r >= '0' && r <= '9', r >= 'A' && r <= 'Z', r >= 'a' && r <= 'z':
		return false
	}
	return !strings.ContainsRune("._-*?", r)
}

// cutRegexp returns the expression of a pattern in the form /expression/.
func cutRegexp(pattern string) (string, bool) {
	if len(pattern) < 2 || pattern[0] != '/' || pattern[len(pattern)-1] != '/' {
		return "", false
	}
	return pattern[1 : len(pattern)-1], true
}

// compileGlob compiles a glob that must match the whole string. With path, *
// and ? stop at slashes and only ** crosses them.
func compileGlob(pattern string, path bool) (matcher, error) {
	if !strings.ContainsAny(pattern, "*?[]{}\\") {
		return func(s string) bool { return s == pattern }, nil
	}
	if strings.ContainsAny(pattern, "[]{}\\") {
		if path {
			return nil, fmt.Errorf("%q: a repository glob knows *, ** and ? only", pattern)
		}
		return nil, fmt.Errorf("%q: a glob knows * and ? only; write a /regular expression/ for more", pattern)
	}
	// The commonest glob needs no regular expression.
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok && !path && !strings.ContainsAny(prefix, "*?") {
		return func(s string) bool { return strings.HasPrefix(s, prefix) }, nil
	}
	var b strings.Builder
	b.WriteString(`\A(?s:`)
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '*' && (!path || strings.HasPrefix(pattern[i:], "**")):
			if path {
				i++
			}
			b.WriteString(".*")
		case c == '*':
			b.WriteString("[^/]*")
		case c == '?' && path:
			b.WriteString("[^/]")
		case c == '?':
			b.WriteByte('.')
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	b.WriteString(`)\z`)
	re, err := regexp.Compile(b.String())
	if err != nil {
		return nil, fmt.Errorf("invalid glob %q: %w", pattern, err)
	}
	return re.MatchString, nil
}

// Repositories selects repositories by globs.
type Repositories struct{ include, exclude []matcher }

// Unmatched returns warnings for what is legal and seldom meant: repository globs
// that match none of the names (a mistyped exclusion protects nothing) or leave
// none together, patterns for tags that are none to rules, rules that keep nothing,
// and a grace period beside keeps that look at pulls.
func (p *Policy) Unmatched(names []string) (warnings []string) {
	warnings = append(warnings, p.unseen...)
	check := func(path string, globs []string, all Repositories) {
		before := len(warnings)
		for i, glob := range globs {
			m, err := compileGlob(strings.TrimPrefix(glob, "!"), true)
			if err == nil && !slices.ContainsFunc(names, m) {
				warnings = append(warnings, fmt.Sprintf("%s.repositories[%d]: %q matches no repository", path, i, glob))
			}
		}
		if len(globs) > 0 && len(warnings) == before && !slices.ContainsFunc(names, all.Match) {
			warnings = append(warnings, path+".repositories: no repository is left, since the exclusions take all of them")
		}
	}
	for i := range p.protect {
		check(p.protect[i].path, p.protect[i].globs, p.protect[i].repositories)
	}
	for i := range p.rules {
		check(p.rules[i].path, p.rules[i].Repositories, p.rules[i].repositories)
		if len(p.rules[i].keeps) == 0 {
			warnings = append(warnings, fmt.Sprintf("%s (%s) has no keep: whatever it governs goes, however young; a dash too many before keep: makes such a rule", p.rules[i].path, p.rules[i].Name))
		}
		for _, k := range p.rules[i].keeps {
			// aws/containers-roadmap#2390
			if p.grace > 0 && (k.PulledWithin > 0 || k.when != nil && k.when.readsPulls) {
				warnings = append(warnings, fmt.Sprintf("%s looks at pulls, and so does ECR at regsweep: marking an image for the grace period reads its manifest, which counts as a pull and keeps it again; exclude regsweep's role from pull times (aws ecr register-pull-time-update-exclusion)", k.path))
			}
		}
	}
	return warnings
}

// CompileRepositories compiles repository globs: "**" crosses slashes, a
// leading "!" excludes, and exclusions win wherever they stand. No glob, or
// exclusions only, selects every repository that is not excluded. The errors
// are by position in globs.
func CompileRepositories(globs []string) (Repositories, map[int]error) {
	var r Repositories
	var errs map[int]error
	for i, glob := range globs {
		g, exclude := strings.CutPrefix(glob, "!")
		m, err := compileGlob(g, true)
		if err == nil && g == "" {
			err = fmt.Errorf("%q: an empty glob matches no repository", glob)
		}
		if exclude && g == "**" {
			err = fmt.Errorf("%q: this excludes every repository, so that none is left", glob)
		}
		if err != nil {
			if errs == nil {
				errs = map[int]error{}
			}
			errs[i] = err
			continue
		}
		if exclude {
			r.exclude = append(r.exclude, m)
		} else {
			r.include = append(r.include, m)
		}
	}
	return r, errs
}

// Match reports whether the repository is selected.
func (r Repositories) Match(name string) bool {
	return !anyMatch(r.exclude, name) && (len(r.include) == 0 || anyMatch(r.include, name))
}

func anyMatch(ms []matcher, s string) bool {
	for _, m := range ms {
		if m(s) {
			return true
		}
	}
	return false
}
