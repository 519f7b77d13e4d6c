package usage

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The longest parts of a source's detail, in bytes. Details stand in tables and
// in one field of a plan.
const (
	maxError    = 1000
	maxNote     = 300
	maxExample  = 100
	maxExamples = 3
)

// oneLine puts text into one line of at most limit bytes.
func oneLine(text string, limit int) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
	if len(text) <= limit {
		return text
	}
	const more = "…"
	end := limit - len(more)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + more
}

// addDetail adds a part to a detail.
func addDetail(detail, part string) string {
	if detail == "" || part == "" {
		return detail + part
	}
	return detail + "; " + part
}

// count is "1 use" or "2 uses".
func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// examples lists the first few of a set in their order, quoted.
func examples(set map[string]struct{}) string {
	all := slices.Sorted(maps.Keys(set))
	some := all[:min(len(all), maxExamples)]
	quoted := make([]string, len(some))
	for i, s := range some {
		quoted[i] = fmt.Sprintf("%q", oneLine(s, maxExample))
	}
	list := strings.Join(quoted, ", ")
	if len(all) > len(some) {
		list += ", …"
	}
	return list
}
