package render

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/policy"
)

// hostile is text from outside that would be markup.
const hostile = `</td><script>alert("x")</script><img src=x>&amp;`

// htmlPlan has a repository that was read and one that was not.
func htmlPlan() *plan.Plan {
	var list plan.List
	for i := range 5 {
		d := image.DigestOf(fmt.Append(nil, i))
		list = append(list, plan.Image{
			Digest: d, Root: d, Kind: "image", Tags: []string{fmt.Sprint("t", i), hostile}, Verdict: policy.VerdictDelete,
			Reasons: []plan.Reason{{Code: policy.CodeNotKept, Detail: hostile}},
		})
	}
	return &plan.Plan{
		Tool: "1.2.3", CreatedAt: time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC), Warnings: []string{hostile},
		Sources: []plan.Source{{Name: "kubernetes/prod", Uses: 1412, Status: "gap", Detail: hostile}},
		Totals:  plan.Totals{Images: 6, Keep: 1, Delete: 5},
		Registries: []plan.Registry{{Name: "prod", Host: "registry.example.com", Repositories: []plan.Repository{
			plan.NewRepository("apps/web", plan.Totals{Images: 6, Keep: 1, Delete: 5}, "", list),
			plan.Unread("apps/api", hostile),
		}}},
	}
}

// parseHTML checks that elements are closed as they must be, and returns how
// often each occurs and all text.
func parseHTML(t *testing.T, page string) (elements map[string]int, text string) {
	t.Helper()
	elements = map[string]int{}
	var open []string
	var b strings.Builder
	void := map[string]bool{"meta": true}
	for z := html.NewTokenizer(strings.NewReader(page)); ; {
		switch z.Next() {
		case html.ErrorToken:
			if len(open) > 0 {
				t.Errorf("not closed: %v", open)
			}
			return elements, b.String()
		case html.StartTagToken:
			token := z.Token()
			elements[token.Data]++
			for _, a := range token.Attr {
				if a.Key == "src" || a.Key == "href" || strings.HasPrefix(a.Key, "on") {
					t.Errorf("<%s> has %s=%q", token.Data, a.Key, a.Val)
				}
			}
			if !void[token.Data] {
				open = append(open, token.Data)
			}
		case html.EndTagToken:
			token := z.Token()
			if len(open) == 0 || open[len(open)-1] != token.Data {
				t.Fatalf("</%s> closes %v", token.Data, open)
			}
			open = open[:len(open)-1]
		case html.SelfClosingTagToken, html.CommentToken, html.DoctypeToken:
		case html.TextToken:
			b.WriteString(z.Token().Data + "\n")
		}
	}
}

func TestHTML(t *testing.T) {
	for _, test := range []struct {
		name string
		doc  *plan.Plan
		opts HTMLOptions
		rows int // of all tables
		want []string
	}{
		{name: "a plan", doc: htmlPlan(), rows: 2 + 3 + 6, want: []string{
			"regsweep plan", "1,412", "not read: " + hostile, "not-kept: " + hostile, "5 of 6 images in 2 repositories would be deleted", "Planned 2026-06-15 12:00 UTC by regsweep 1.2.3.",
		}},
		{name: "few images", doc: htmlPlan(), opts: HTMLOptions{MaxImages: 3}, rows: 2 + 3 + 4, want: []string{"and 2 more, which regsweep plan lists"}},
		{name: "facts", doc: htmlPlan(), opts: HTMLOptions{Title: hostile, Facts: []Fact{{"Mode", hostile, true}}}, rows: 1 + 2 + 3 + 6, want: []string{"Mode"}},
		{name: "no plan", opts: HTMLOptions{Facts: []Fact{{Name: "Mode", Value: "plan"}}}, rows: 1, want: []string{"There is no plan yet."}},
		{name: "nothing in use", doc: &plan.Plan{}, want: []string{"usage: none"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.opts.Currency = "USD"
			var b strings.Builder
			if err := HTML(&b, test.doc, test.opts); err != nil {
				t.Fatal(err)
			}
			elements, text := parseHTML(t, b.String())
			if elements["script"]+elements["img"]+elements["link"] > 0 {
				t.Errorf("elements: %v", elements)
			}
			if elements["tr"] != test.rows {
				t.Errorf("%d rows, want %d", elements["tr"], test.rows)
			}
			for _, want := range test.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not in:\n%s", want, text)
				}
			}
		})
	}
}
