package render

import (
	"io"
	"strings"
	"testing"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/lifecycle"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/policy"
	"github.com/regsweep/regsweep/internal/usage"
)

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 1049: "1.0 kB", 99_400: "99.4 kB", 99_600: "100 kB", 999_499: "999 kB", 999_500: "1.0 MB",
		12_345_678_901: "12.3 GB", 1e15: "1.0 PB", 5e18: "5000 PB",
	} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestCount(t *testing.T) {
	for _, tt := range []struct {
		n    int
		noun string
		want string
	}{
		{0, "image", "0 images"}, {1, "image", "1 image"}, {1200, "image", "1,200 images"}, {2, "repository", "2 repositories"},
		{1, "repository", "1 repository"}, {3, "index", "3 indexes"}, {1_234_567, "call", "1,234,567 calls"}, {-1234, "image", "-1,234 images"},
	} {
		if got := Count(tt.n, tt.noun); got != tt.want {
			t.Errorf("Count(%d, %s) = %s, want %s", tt.n, tt.noun, got, tt.want)
		}
	}
}

// Names come from registries and clusters, where anybody may write them.
func TestTextFromOutsideIsHarmless(t *testing.T) {
	if got := clean("a\x1b[31mred\x07\nline\u009b2J"); got != "a [31mred  line 2J" {
		t.Errorf("clean = %q", got)
	}
	if got := cell("a|b<script>`c`\n"); got != "a\\|b&lt;script&gt;\\`c\\` " {
		t.Errorf("cell = %q", got)
	}
	if got, want := cell(`a\|b **c** ![d](https://example.com)`), `a\\\|b \*\*c\*\* ![d]\(https://example.com)`; got != want {
		t.Errorf("cell = %s, want %s", got, want)
	}
}

// Whatever is written in a saved plan, a snapshot or a cluster, a terminal gets no
// control characters of it.
func TestTerminalGetsNoControlCharacters(t *testing.T) {
	const bad = "a\x1b[2Jb\u009bc"
	d := image.DigestOf(nil)
	used := []lifecycle.ReportedImage{{Digest: d, Tags: []string{bad}, Kind: "image", Action: "expire", AtLeast: "keep", Use: image.Running, Holders: []string{bad}}}
	policies := &lifecycle.Report{
		Warnings:     []string{bad},
		Repositories: []lifecycle.RepositoryReport{{Name: "apps/web", Text: "{}", Rules: []string{bad}, Gaps: []string{bad}, Images: used}},
	}
	sources := []plan.Source{{Name: bad, Status: "gap", Detail: bad}}
	list := plan.List{{Digest: d, Root: d, Tags: []string{bad}, Verdict: policy.VerdictDelete, Rule: bad, Reasons: []plan.Reason{{Code: policy.CodeNotKept, Detail: bad}}}}
	doc := &plan.Plan{Sources: sources, Warnings: []string{bad}, Registries: []plan.Registry{{Name: bad, Host: bad, Repositories: []plan.Repository{
		plan.NewRepository(bad, plan.Totals{Images: 1, Delete: 1}, "", list), plan.Unread(bad, bad),
	}}}}
	uses := &usage.Snapshot{
		Sources: []usage.Status{{Name: bad, Status: "gap", Detail: bad}},
		Uses:    []image.Use{{Source: bad, State: image.Running, Reference: bad, ImageID: bad, Holder: bad}},
	}
	explained := []plan.Explanation{{Image: list[0], Gaps: []string{bad}}}
	for name, write := range map[string]func(w io.Writer) error{
		"plan":      func(w io.Writer) error { return Plan(w, doc, Options{}) },
		"markdown":  func(w io.Writer) error { return Markdown(w, doc, Options{}) },
		"usage":     func(w io.Writer) error { return Usage(w, uses, Options{}) },
		"explain":   func(w io.Writer) error { return Explain(w, explained, Options{}) },
		"lifecycle": func(w io.Writer) error { return Lifecycle(w, policies, Options{}) },
		"danger":    func(w io.Writer) error { _, err := io.WriteString(w, LifecycleDanger(policies)); return err },
	} {
		var b strings.Builder
		if err := write(&b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if strings.ContainsAny(b.String(), "\x1b\u009b") || !strings.Contains(b.String(), "a [2Jb c") {
			t.Errorf("%s: %q", name, b.String())
		}
	}
}

func TestFreed(t *testing.T) {
	for _, tt := range []struct {
		certainly, atMost int64
		want              string
	}{{0, 0, "0 B"}, {5e6, 5e6, "5.0 MB"}, {0, 5e6, "≤ 5.0 MB"}, {2e6, 5e6, "2.0 MB to 5.0 MB"}} {
		if got := freed(tt.certainly, tt.atMost); got != tt.want {
			t.Errorf("freed(%d, %d) = %s, want %s", tt.certainly, tt.atMost, got, tt.want)
		}
	}
}
