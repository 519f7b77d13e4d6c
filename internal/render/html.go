package render

import (
	"bufio"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/regsweep/regsweep/internal/plan"
)

// Fact is a line at the head of a page.
type Fact struct {
	Name, Value string
	// Bad marks what somebody should look at.
	Bad bool
}

// HTMLOptions are how a plan is shown as a page.
type HTMLOptions struct {
	Options
	// Title is the heading.
	Title string
	// Facts stand above the plan.
	Facts []Fact
	// MaxImages is how many images the page lists at most; 0 is all that the plan
	// lists.
	MaxImages int
}

//go:embed plan.html.tmpl
var htmlSource string

// htmlPage is the one template. It needs nothing from elsewhere and no script.
var htmlPage = template.Must(template.New("plan").Funcs(template.FuncMap{
	"bytes": Bytes, "number": Number, "freed": freed, "join": strings.Join,
	"day": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") },
}).Parse(htmlSource))

// HTML writes a plan as one page: HTML with its style in it, without scripts and
// without anything that is loaded from elsewhere. doc may be nil where there is
// no plan yet.
func HTML(w io.Writer, doc *plan.Plan, opts HTMLOptions) error {
	if opts.Title == "" {
		opts.Title = "regsweep plan"
	}
	view := htmlView{HTMLOptions: opts, Plan: doc, left: opts.MaxImages}
	if doc != nil {
		view.Summary, view.Notes = Summary(doc, opts.Currency), keeplessLines(opts.Keepless)
	}
	out := bufio.NewWriter(w)
	if err := htmlPage.Execute(out, &view); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return out.Flush()
}

// htmlView is what the template sees.
type htmlView struct {
	HTMLOptions
	Plan    *plan.Plan
	Summary string
	Notes   []string

	// left is how many images may still be listed, where that is limited.
	left int
}

// htmlImage is a row of the list of images.
type htmlImage struct {
	Verdict, Tags, Digest, Short, Kind, Pushed, Size, Rule, Why string
}

// htmlImages are those of a repository that are shown, and how many are not.
type htmlImages struct {
	Shown []htmlImage
	More  int
}

// Images returns the rows of a repository. The images of one repository only are
// in memory at a time.
func (v *htmlView) Images(r *plan.Repository) (list htmlImages, err error) {
	err = r.Each(func(img *plan.Image) error {
		if v.MaxImages > 0 && v.left == 0 {
			list.More++
			return nil
		}
		v.left--
		row := htmlImage{
			Verdict: img.Verdict.String(), Tags: clean(strings.Join(img.Tags, ", ")), Digest: img.Digest.String(), Short: img.Digest.String()[:19],
			Kind: img.Kind, Pushed: "unknown", Size: Bytes(img.Size), Rule: clean(img.Rule), Why: why(img),
		}
		if img.PushedAt.Known() {
			row.Pushed = img.PushedAt.Time().UTC().Format("2006-01-02")
		}
		list.Shown = append(list.Shown, row)
		return nil
	})
	if err != nil {
		return list, fmt.Errorf("repository %s: %w", r.Name, err)
	}
	return list, nil
}

// Clean makes text from outside one line.
func (v *htmlView) Clean(text string) string { return clean(text) }

// Each returns the repositories of a registry so that each is one that is the
// plan's, not a copy.
func (v *htmlView) Each(reg plan.Registry) (list []*plan.Repository) {
	for i := range reg.Repositories {
		list = append(list, &reg.Repositories[i])
	}
	return list
}
