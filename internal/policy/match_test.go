package policy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTagPatterns(t *testing.T) {
	for _, tt := range []struct {
		pattern  string
		yes, not []string
	}{
		{"latest", []string{"latest"}, []string{"", "latest2", "xlatest", "Latest"}},
		{"*", []string{"a", "1.2.3", "a/b"}, nil},
		{"pr-*", []string{"pr-", "pr-7", "pr-7-x"}, []string{"pr", "xpr-7", "PR-7"}},
		{"*-pr", []string{"-pr", "7-pr"}, []string{"7-pr-", "pr"}},
		{"v*.*", []string{"v1.2", "v.", "v1.2.3"}, []string{"v1", "1.2"}},
		{"v?", []string{"v1", "vx"}, []string{"v", "v12"}},
		{"a.b", []string{"a.b"}, []string{"axb"}},
		{"a.b*", []string{"a.b", "a.bc"}, []string{"axbc"}},
		{"?.b", []string{"a.b"}, []string{"axb", ".b"}},
		{"**", []string{"a", "a/b"}, nil},
		{"/^dev-[0-9]+$/", []string{"dev-1", "dev-22"}, []string{"dev-", "xdev-1", "dev-1x"}},
		{"/dev/", []string{"dev", "xdevx"}, []string{"DEV", "de"}},
		{"/(?i)dev/", []string{"DEV"}, []string{"de"}},
		{"//", []string{"", "anything"}, nil},
		{"/a/b/", []string{"a/b"}, []string{"ab"}},
	} {
		t.Run(tt.pattern, func(t *testing.T) {
			m, err := compileTag(tt.pattern)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range tt.yes {
				if !m(s) {
					t.Errorf("%s does not match %q", tt.pattern, s)
				}
			}
			for _, s := range tt.not {
				if m(s) {
					t.Errorf("%s matches %q", tt.pattern, s)
				}
			}
		})
	}
}

func TestTagPatternErrors(t *testing.T) {
	for pattern, want := range map[string]string{
		"":         "an empty pattern matches no tag",
		"!v1":      "tags take no exclusions",
		"/v1":      "must end with / too",
		"/":        "must end with / too",
		"v[12]":    "knows",
		"{a,b}":    "knows",
		`a\*`:      "knows",
		"web:v1":   `"web:v1" matches no tag, since none has a ':' in it`,
		"^v1$":     "none has a '^' in it",
		"v1*ü":     "none has a 'ü' in it",
		"/(/":      "invalid regular expression /(/",
		"/(?<=a)/": "invalid regular expression",
	} {
		if m, err := compileTag(pattern); err == nil || m != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("compileTag(%q): %v, want %q in it", pattern, err, want)
		}
	}
}

func TestRepositoryGlobs(t *testing.T) {
	for _, tt := range []struct {
		name     string
		globs    []string
		yes, not []string
	}{
		{"none selects all", nil, []string{"a", "a/b"}, nil},
		{"a name", []string{"apps/web"}, []string{"apps/web"}, []string{"apps/web2", "apps", "x/apps/web"}},
		{"* stops at slashes", []string{"apps/*"}, []string{"apps/web", "apps/"}, []string{"apps", "apps/web/x", "apps2/web"}},
		{"* within a word", []string{"apps/w*b"}, []string{"apps/web", "apps/wb"}, []string{"apps/w/b"}},
		{"** crosses slashes", []string{"apps/**"}, []string{"apps/web", "apps/web/x"}, []string{"apps", "base/web"}},
		{"** alone", []string{"**"}, []string{"a", "a/b/c"}, nil},
		{"** in the middle", []string{"a/**/z"}, []string{"a/b/z", "a/b/c/z"}, []string{"a/z", "a/b/zz"}},
		{"* alone is one level", []string{"*"}, []string{"a"}, []string{"a/b"}},
		{"? is no slash", []string{"a?b"}, []string{"axb"}, []string{"a/b", "ab"}},
		{"several", []string{"a", "b/*"}, []string{"a", "b/c"}, []string{"c"}},
		{"an exclusion", []string{"apps/**", "!apps/legacy"}, []string{"apps/web", "apps/legacy/x"}, []string{"apps/legacy", "base"}},
		{"an exclusion wins wherever it stands", []string{"!apps/legacy", "apps/**"}, []string{"apps/web"}, []string{"apps/legacy"}},
		{"only exclusions select the rest", []string{"!base/**"}, []string{"apps/web", "base"}, []string{"base/go"}},
		{"a dot is a dot", []string{"a.b/**"}, []string{"a.b/c"}, []string{"axb/c"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, errs := CompileRepositories(tt.globs)
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			for _, name := range tt.yes {
				if !r.Match(name) {
					t.Errorf("%v does not select %q", tt.globs, name)
				}
			}
			for _, name := range tt.not {
				if r.Match(name) {
					t.Errorf("%v selects %q", tt.globs, name)
				}
			}
		})
	}
}

func TestRepositoryGlobErrors(t *testing.T) {
	_, errs := CompileRepositories([]string{"ok", "", "!", "a[b]", "!{a,b}", `a\b`, "!**"})
	got := map[int]string{}
	for i, err := range errs {
		got[i] = err.Error()
	}
	want := map[int]string{
		1: `"": an empty glob matches no repository`,
		2: `"!": an empty glob matches no repository`,
		3: `"a[b]": a repository glob knows *, ** and ? only`,
		4: `"{a,b}": a repository glob knows *, ** and ? only`,
		5: `"a\\b": a repository glob knows *, ** and ? only`,
		6: `"!**": this excludes every repository, so that none is left`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
}

func TestUnmatched(t *testing.T) {
	p, problems := Compile(Spec{
		Protect: []Protect{{Repositories: []string{"base/**", "bsae/**"}}, {Tags: []string{"v*"}}, {Repositories: []string{"base/*", "!base/**"}}},
		Rules: []Rule{
			{Repositories: []string{"apps/**", "!apps/legcay"}},
			{Tags: []string{"in-use-*", "*", "/^(main|regsweep-kept)/", "in*"}},
			{Repositories: []string{"!base/*", "!apps/*"}, Keep: []Keep{{Newest: 1}}},
		},
	})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want := []string{
		`rules[1].tags[0]: regsweep itself writes tags that "in-use-*" matches, and its own tags count as none here`,
		`rules[1].tags[3]: regsweep itself writes tags that "in*" matches, and its own tags count as none here`,
		`protect[0].repositories[1]: "bsae/**" matches no repository`,
		`protect[2].repositories: no repository is left, since the exclusions take all of them`,
		`rules[0].repositories[1]: "!apps/legcay" matches no repository`,
		"rules[0] (rule 1) has no keep: whatever it governs goes, however young; a dash too many before keep: makes such a rule",
		"rules[1] (rule 2) has no keep: whatever it governs goes, however young; a dash too many before keep: makes such a rule",
		`rules[2].repositories: no repository is left, since the exclusions take all of them`,
	}
	if diff := cmp.Diff(want, p.Unmatched([]string{"apps/web", "apps/legacy", "base/go"})); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]RuleRef{{"rule 1", "rules[0]"}, {"rule 2", "rules[1]"}}, p.Keepless()); diff != "" {
		t.Errorf("rules without a keep (-want +got):\n%s", diff)
	}
}
