package oracle

import (
	"regexp"
	"slices"
	"strings"
)

// matchTag matches a tag with a glob or a /regular expression/.
func matchTag(pattern, tag string) bool {
	if len(pattern) >= 2 && strings.HasPrefix(pattern, "/") && strings.HasSuffix(pattern, "/") {
		return regexp.MustCompile(pattern[1 : len(pattern)-1]).MatchString(tag)
	}
	return glob(pattern, tag, false)
}

func matchesAny(patterns []string, tag string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matchTag(p, tag) })
}

// matchRepository matches a name with globs of which some may exclude.
func matchRepository(globs []string, name string) bool {
	included, includes := false, false
	for _, g := range globs {
		if rest, exclusion := strings.CutPrefix(g, "!"); exclusion {
			if glob(rest, name, true) {
				return false
			}
			continue
		}
		includes = true
		included = included || glob(g, name, true)
	}
	return included || !includes
}

// MatchRepository reports whether a repository is one of those that globs select.
func MatchRepository(globs []string, name string) bool { return matchRepository(globs, name) }

// glob matches the whole of s. In a path only ** crosses slashes.
func glob(pattern, s string, path bool) bool {
	if pattern == "" {
		return s == ""
	}
	star, crosses, rest := pattern[0] == '*', !path, pattern[1:]
	if path && strings.HasPrefix(pattern, "**") {
		crosses, rest = true, pattern[2:]
	}
	if star {
		for n := 0; ; n++ {
			if glob(rest, s[n:], path) {
				return true
			}
			if n == len(s) || s[n] == '/' && !crosses {
				return false
			}
		}
	}
	if s == "" || pattern[0] == '?' && path && s[0] == '/' {
		return false
	}
	return (pattern[0] == '?' || pattern[0] == s[0]) && glob(rest, s[1:], path)
}
