package render

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"charm.land/lipgloss/v2"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/lifecycle"
)

// lifecycleWords are the actions of lifecycle policies, as people say them.
var lifecycleWords = map[string]string{"expire": "expire", "transition": "archive", "keep": "keep"}

var lifecycleStyles = map[string]lipgloss.Style{"expire": red, "transition": amber, "keep": green}

// Lifecycle writes what lifecycle policies would do, for people.
func Lifecycle(w io.Writer, r *lifecycle.Report, opts Options) error {
	p := &page{opts: opts}
	for i := range r.Repositories {
		p.lifecycleRepository(&r.Repositories[i])
	}
	for _, text := range r.Warnings {
		p.line("%s %s", p.style("warning:", amber), clean(text))
	}
	p.line("%s", p.style(lifecycleSummary(r), bold))
	return p.flush(w)
}

func (p *page) lifecycleRepository(r *lifecycle.RepositoryReport) {
	p.line("%s  %s", p.style(r.Name, bold), p.style(r.Host, faint))
	if r.Error != "" {
		p.line("  %s", p.style("not evaluated: "+clean(r.Error), red))
	}
	switch {
	case r.Error != "":
	case r.Text == "" && r.Replaces:
		p.line("  %s", p.style("the rules make no policy; that which it has now stays", amber))
	case r.Text == "":
		p.line("  %s", p.style("there is no lifecycle policy", faint))
	case r.Replaces:
		p.line("  %s", p.style("it has another policy now", amber))
	}
	for _, rule := range r.Rules {
		p.line("  %s", p.style("rule "+clean(rule), faint))
	}
	for _, gap := range r.Gaps {
		p.line("  %s %s", p.style("gap:", amber), clean(gap))
	}
	if len(r.Images) > 0 {
		p.lifecycleImages(r)
	}
	p.line("")
}

func (p *page) lifecycleImages(r *lifecycle.RepositoryReport) {
	native := slices.ContainsFunc(r.Images, func(i lifecycle.ReportedImage) bool { return i.Native != "" })
	header := []string{"IMAGE", "DIGEST", "PUSHED", "DO", "RULE"}
	if native {
		header = append(header, "ECR SAYS")
	}
	header = append(header, "IN USE BY")
	var rows [][]string
	for i := range r.Images {
		img := &r.Images[i]
		do := p.style(lifecycleWords[img.Action], lifecycleStyles[img.Action])
		if img.Action != img.AtLeast {
			do += p.style(" or "+lifecycleWords[img.AtLeast], amber)
		}
		rule := ""
		if img.Rule > 0 {
			rule = fmt.Sprint(img.Rule)
		}
		if img.Subject != nil {
			rule += " with " + img.Subject.String()[:19]
		}
		row := []string{LifecycleName(img), img.Digest.String()[:19], p.age(img.PushedAt), do, rule}
		if native {
			said := lifecycleWords[img.Native]
			if img.Differs {
				said = p.style(said+" (differs)", amber)
			}
			row = append(row, said)
		}
		rows = append(rows, append(row, lifecycleUse(img)))
	}
	p.table("  ", header, rows)
}

// LifecycleName names an image by its tags.
func LifecycleName(img *lifecycle.ReportedImage) string {
	switch len(img.Tags) {
	case 0:
		return "(" + img.Kind + ")"
	case 1, 2, 3:
		return clean(strings.Join(img.Tags, ", "))
	}
	return clean(strings.Join(img.Tags[:2], ", ")) + fmt.Sprintf(" and %d more", len(img.Tags)-2)
}

func lifecycleUse(img *lifecycle.ReportedImage) string {
	if img.Use == "" {
		return ""
	}
	text := string(img.Use) + ": " + clean(img.Holders[0])
	if more := len(img.Holders) - 1; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// lifecycleSummary counts the images of the repositories of which a policy was
// evaluated, and the other repositories.
func lifecycleSummary(r *lifecycle.Report) string {
	t := &r.Totals
	none, failed := 0, 0
	for i := range r.Repositories {
		switch {
		case r.Repositories[i].Error != "":
			failed++
		case r.Repositories[i].Text == "":
			none++
		}
	}
	text := fmt.Sprintf("%s in %s: %s would expire", Count(t.Images, "image"), Count(len(r.Repositories)-none-failed, "repository"), Number(t.Expire))
	if t.Archive > 0 {
		text += fmt.Sprintf(", %s would be archived", Number(t.Archive))
	}
	text += fmt.Sprintf(", %s stay", Number(t.Keep))
	if t.Uncertain > 0 {
		text += fmt.Sprintf("; of %s that is not certain, since ECR does not document what it counts", Number(t.Uncertain))
	}
	if t.Differ > 0 {
		text += fmt.Sprintf("; of %s the preview of ECR says something else", Number(t.Differ))
	}
	if none > 0 {
		text += fmt.Sprintf("; no policy for %s", Count(none, "repository"))
	}
	if failed > 0 {
		text += fmt.Sprintf("; %s not evaluated", Count(failed, "repository"))
	}
	return text
}

// namedInDanger is how many images a refusal names.
const namedInDanger = 5

// LifecycleDanger says which images in use would go, or "".
func LifecycleDanger(r *lifecycle.Report) string {
	var parts []string
	for _, d := range []struct {
		one, many string
		is        func(image.State) bool
	}{
		{"that is running now", "that are running now", func(s image.State) bool { return s == image.Running }},
		{"that something declares or can roll back to", "that something declares or can roll back to", func(s image.State) bool { return s == image.Declared || s == image.Rollback }},
	} {
		var names []string
		for k := range r.Repositories {
			repo := &r.Repositories[k]
			for i := range repo.Images {
				if img := &repo.Images[i]; img.Goes() && d.is(img.Use) {
					names = append(names, fmt.Sprintf("%s%s (%s)", repo.Name, reference(img), clean(img.Holders[0])))
				}
			}
		}
		if len(names) == 0 {
			continue
		}
		what := d.many
		if len(names) == 1 {
			what = d.one
		}
		text := fmt.Sprintf("would %s %s %s: ", dangerVerb(r, d.is), Count(len(names), "image"), what)
		if more := len(names) - namedInDanger; more > 0 {
			names = append(names[:namedInDanger], fmt.Sprintf("and %d more", more))
		}
		parts = append(parts, text+strings.Join(names, ", "))
	}
	return strings.Join(parts, "; ")
}

// dangerVerb says what would be done with the images of some states of use.
func dangerVerb(r *lifecycle.Report, is func(image.State) bool) string {
	expire, archive := false, false
	for k := range r.Repositories {
		for i := range r.Repositories[k].Images {
			if img := &r.Repositories[k].Images[i]; img.Goes() && is(img.Use) {
				expire = expire || img.Action == "expire" || img.Native == "expire"
				archive = archive || img.Action == "transition" || img.Native == "transition"
			}
		}
	}
	switch {
	case expire && archive:
		return "expire or archive"
	case archive:
		return "archive"
	}
	return "expire"
}

// reference returns what follows the repository's name: a tag, or the digest.
func reference(img *lifecycle.ReportedImage) string {
	if len(img.Tags) == 0 {
		return "@" + img.Digest.String()[:19]
	}
	return ":" + clean(img.Tags[0])
}
