package strict

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var simpleKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// Join returns the path of a field of the mapping at path.
func Join(path, key string) string {
	switch {
	case !simpleKey.MatchString(key):
		// A bracket inside is escaped, so that parent finds the one that opens.
		return path + "[" + strings.ReplaceAll(strconv.Quote(key), "[", `\x5b`) + "]"
	case path == "":
		return key
	}
	return path + "." + key
}

// Index returns the path of an entry of the list at path.
func Index(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// parent returns the path of what is around a path, and "" for the document.
func parent(path string) string {
	if strings.HasSuffix(path, `"]`) {
		if i := strings.LastIndex(path, `["`); i >= 0 {
			return path[:i]
		}
	}
	return path[:max(strings.LastIndexAny(path, ".["), 0)]
}

var anyIndex = regexp.MustCompile(`\[[0-9]+\]`)

// Generic returns a path with its indexes left out, "rules[].keep[].newest".
func Generic(path string) string { return anyIndex.ReplaceAllString(path, "[]") }
