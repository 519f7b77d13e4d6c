package strict

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// unknown says of a field that the mapping cannot have what was probably meant.
func (v Value) unknown(name string) string {
	here := v.doc.around[len(v.doc.around)-1].members
	if v.doc.options.Hint != nil {
		if hint := v.doc.options.Hint(Generic(v.path), name); hint != "" {
			return "unknown field: " + hint
		}
	}
	names := memberNames(here)
	if same := spelledAlike(name, names); same != "" {
		return didYouMean(same)
	}
	if inside := v.inside(here, func(names []string) string { return spelledAlike(name, names) }); inside != "" {
		return "unknown field here: it belongs into " + inside
	}
	if beside := v.beside(name); beside != "" {
		return beside
	}
	if near := Nearest(name, names); near != "" {
		return didYouMean(near)
	}
	for _, f := range slices.Backward(v.doc.around[:len(v.doc.around)-1]) {
		if aside := v.inside(f.members, func(names []string) string { return spelledAlike(name, names) }); aside != "" {
			return fmt.Sprintf("unknown field here: it belongs into %s, beside %s", aside, f.active)
		}
	}
	if inside := v.inside(here, func(names []string) string { return Nearest(name, names) }); inside != "" {
		return "unknown field (did you mean " + inside + "?)"
	}
	return "unknown field: there are " + strings.Join(names, ", ")
}

func didYouMean(name string) string { return "unknown field (did you mean " + name + "?)" }

// inside looks among the fields of what the members hold, and returns the
// member that has one as it is written: "keep: [{newest: …}]".
func (v Value) inside(members []Member, find func(names []string) string) string {
	for _, m := range members {
		t, list := m.Type, false
		for t != nil && (t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice) {
			list = list || t.Kind() == reflect.Slice
			t = t.Elem()
		}
		if t == nil || t.Kind() != reflect.Struct {
			continue
		}
		var names []string
		for _, f := range Fields(t) {
			names = append(names, f.Name)
		}
		found := find(names)
		switch {
		case found == "":
		case list:
			return fmt.Sprintf("%s: [{%s: …}]", m.Name, found)
		default:
			return fmt.Sprintf("%s: {%s: …}", m.Name, found)
		}
	}
	return ""
}

// beside looks for the field in the mappings around this one.
func (v Value) beside(name string) string {
	outer := v.doc.around[:len(v.doc.around)-1]
	for _, f := range slices.Backward(outer) {
		if same := spelledAlike(name, memberNames(f.members)); same != "" {
			return fmt.Sprintf("unknown field here: %s belongs beside %s, not into it", same, f.active)
		}
	}
	return ""
}

func memberNames(members []Member) []string {
	names := make([]string, len(members))
	for i, m := range members {
		names[i] = m.Name
	}
	return names
}

// spelledAlike returns the name that differs in case, "-" and "_" at most.
func spelledAlike(name string, names []string) string {
	for _, n := range names {
		if plain(n) == plain(name) {
			return n
		}
	}
	return ""
}

func plain(name string) string {
	return strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(name))
}

// Nearest returns the name that a typing error most likely turned into name,
// or "" where none is near.
func Nearest(name string, names []string) string {
	best, least := "", 1+len(name)/4
	for _, n := range names {
		if d := distance(plain(name), plain(n)); d <= least {
			if best == "" || d < least {
				best, least = n, d
			}
		}
	}
	return best
}

// distance counts the insertions, deletions, replacements and swaps of
// neighbours that turn a into b.
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	const long = 64
	if len(s) > long || len(t) > long {
		return long
	}
	rows := make([][]int, len(s)+1)
	for i := range rows {
		rows[i] = make([]int, len(t)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(s); i++ {
		for j := 1; j <= len(t); j++ {
			differs := 1
			if s[i-1] == t[j-1] {
				differs = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+differs)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(s)][len(t)]
}
