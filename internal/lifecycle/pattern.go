package lifecycle

import (
	"regexp"
	"regexp/syntax"
	"strings"
)

// match reports whether a glob, in which * stands for any characters, matches
// the whole text.
func match(glob, text string) bool {
	parts := strings.Split(glob, "*")
	if len(parts) == 1 {
		return glob == text
	}
	first, last := parts[0], parts[len(parts)-1]
	if len(text) < len(first)+len(last) || !strings.HasPrefix(text, first) || !strings.HasSuffix(text, last) {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		at := strings.Index(text, part)
		if at < 0 {
			return false
		}
		text = text[at+len(part):]
	}
	return true
}

// contains reports whether one glob matches everything that another does. It may
// say no where that is so all the same.
func contains(glob, other string) bool {
	// In other * is a character that only * matches.
	return match(glob, other)
}

// overlaps reports whether some text matches both globs.
func overlaps(a, b string) bool {
	// below[j] says whether what follows a[i] and b[j] can be the same text, for
	// the i of the row before.
	below := make([]bool, len(b)+1)
	for i := len(a); i >= 0; i-- {
		row := make([]bool, len(b)+1)
		for j := len(b); j >= 0; j-- {
			moreA, moreB := i < len(a), j < len(b)
			switch {
			case !moreA && !moreB:
				row[j] = true
			case moreA && a[i] == '*':
				row[j] = below[j] || moreB && row[j+1]
			case moreB && b[j] == '*':
				row[j] = row[j+1] || moreA && below[j]
			case moreA && moreB && a[i] == b[j]:
				row[j] = below[j+1]
			}
		}
		below = row
	}
	return below[0]
}

// tagPattern is what a pattern can have so that a tag matches it.
var tagPattern = regexp.MustCompile(`^[A-Za-z0-9_*][A-Za-z0-9._*-]*$`)

// native returns a pattern of the configuration as a pattern of ECR that matches
// exactly the same tags, if there is one: not for regular expressions, for globs
// with ?, and for those with more than four *.
func native(pattern string) (string, bool) {
	if isRegexp(pattern) || !tagPattern.MatchString(pattern) { // ? is in no tag
		return "", false
	}
	glob := simplify(pattern)
	return glob, strings.Count(glob, "*") <= MaxWildcards
}

// wider returns a pattern of ECR that matches at least the tags that a pattern of
// the configuration does.
func wider(pattern string) string {
	if isRegexp(pattern) {
		return regexpPrefix(pattern[1:len(pattern)-1]) + "*"
	}
	glob := simplify(strings.ReplaceAll(pattern, "?", "*"))
	if strings.Count(glob, "*") > MaxWildcards {
		glob = glob[:strings.Index(glob, "*")+1]
	}
	if !tagPattern.MatchString(glob) {
		return "*"
	}
	return glob
}

func isRegexp(pattern string) bool {
	return len(pattern) >= 2 && pattern[0] == '/' && pattern[len(pattern)-1] == '/'
}

func simplify(glob string) string {
	for strings.Contains(glob, "**") {
		glob = strings.ReplaceAll(glob, "**", "*")
	}
	return glob
}

// regexpPrefix returns what every text that a regular expression matches begins
// with, if it says so in the simplest way: ^ and characters.
func regexpPrefix(expr string) string {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil || re.Op != syntax.OpConcat || len(re.Sub) < 2 || re.Sub[0].Op != syntax.OpBeginText {
		return ""
	}
	literal := re.Sub[1]
	if literal.Op != syntax.OpLiteral || literal.Flags&syntax.FoldCase != 0 || !tagPattern.MatchString(string(literal.Rune)) {
		return ""
	}
	return string(literal.Rune)
}
