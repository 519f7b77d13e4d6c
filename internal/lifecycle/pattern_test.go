package lifecycle

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestMatch(t *testing.T) {
	tests := []struct {
		glob, text string
		want       bool
	}{
		{"v1", "v1", true}, {"v1", "v12", false}, {"v*", "v", true}, {"v*", "w", false}, {"*", "", true},
		{"ab*ba", "aba", false}, {"ab*ba", "abba", true}, {"a*b*a", "aba", true}, {"*b*", "abc", true}, {"*bb*", "abc", false},
		{"a*b*c", "acb", false}, {"*-rc", "v1-rc", true},
	}
	for _, tt := range tests {
		if got := match(tt.glob, tt.text); got != tt.want {
			t.Errorf("match(%q, %q) = %v", tt.glob, tt.text, got)
		}
	}
}

// TestPatterns compares globs with regular expressions on short texts of few
// letters, of which all are tried.
func TestPatterns(t *testing.T) {
	var texts []string
	for length, from := 0, []string{""}; length <= 5; length++ {
		texts = append(texts, from...)
		var longer []string
		for _, text := range from {
			longer = append(longer, text+"a", text+"b")
		}
		from = longer
	}
	glob := rapid.StringMatching(`[ab*]{0,4}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := glob.Draw(t, "a"), glob.Draw(t, "b")
		matches := func(glob string) map[string]bool {
			re := regexp.MustCompile(`^` + strings.ReplaceAll(glob, "*", ".*") + `$`)
			found := map[string]bool{}
			for _, text := range texts {
				found[text] = re.MatchString(text)
				if match(glob, text) != found[text] {
					t.Errorf("match(%q, %q) is not %v", glob, text, found[text])
				}
			}
			return found
		}
		inA, inB := matches(a), matches(b)
		both, more := false, false // in both, and in b alone
		for _, text := range texts {
			both = both || inA[text] && inB[text]
			more = more || inB[text] && !inA[text]
		}
		// Two globs of four characters that share a text share one this short,
		// unless it is of more letters than both.
		if both && !overlaps(a, b) {
			t.Errorf("%q and %q share a text, and do not overlap", a, b)
		}
		if len(a)+len(b) <= 5 && overlaps(a, b) != both {
			t.Errorf("%q and %q overlap: %v, want %v", a, b, overlaps(a, b), both)
		}
		if overlaps(a, b) != overlaps(b, a) {
			t.Errorf("%q and %q overlap one way", a, b)
		}
		if more && contains(a, b) {
			t.Errorf("%q contains not all of %q", a, b)
		}
	})
}

func TestNativeAndWider(t *testing.T) {
	tests := []struct{ pattern, native, wider string }{
		{"pr-*", "pr-*", "pr-*"}, {"latest", "latest", "latest"}, {"a**b", "a*b", "a*b"}, {"*", "*", "*"},
		{"pr-?", "", "pr-*"}, {"*a*b*c*", "*a*b*c*", "*a*b*c*"}, {"x*a*b*c*d*", "", "x*"},
		{"/^pr-[0-9]+$/", "", "pr-*"}, {"/pr-/", "", "*"}, {"/^(?i)pr-/", "", "*"}, {"/^pr-?/", "", "pr*"}, {"/^a|^b/", "", "*"}, {"/^/", "", "*"},
		{"/(?m)^pr-/", "", "*"}, {"/[/", "", "*"}, {"feature/x", "", "*"},
	}
	for _, tt := range tests {
		got, ok := native(tt.pattern)
		if ok != (tt.native != "") || ok && got != tt.native {
			t.Errorf("native(%q) = %q, %v, want %q", tt.pattern, got, ok, tt.native)
		}
		if got := wider(tt.pattern); got != tt.wider {
			t.Errorf("wider(%q) = %q, want %q", tt.pattern, got, tt.wider)
		}
	}
}
