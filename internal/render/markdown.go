package render

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"strings"

	"github.com/regsweep/regsweep/internal/plan"
)

// Markdown writes a plan for a pull request, an issue or a chat.
func Markdown(w io.Writer, doc *plan.Plan, opts Options) error {
	b := bufio.NewWriter(w) // Flush returns the first error
	fmt.Fprintf(b, "## regsweep plan\n\n%s\n", Summary(doc, opts.Currency))
	if len(doc.Sources) > 0 {
		fmt.Fprint(b, "\n| Source | Uses | Status | |\n|---|---:|---|---|\n")
		for _, s := range doc.Sources {
			status := s.Status
			if status != "ok" {
				status = "**gap**"
			}
			fmt.Fprintf(b, "| %s | %d | %s | %s |\n", cell(s.Name), s.Uses, status, cell(s.Detail))
		}
	}
	for _, reg := range doc.Registries {
		fmt.Fprintf(b, "\n### %s\n\n`%s`\n\n", cell(reg.Name), clean(reg.Host))
		fmt.Fprint(b, "| Repository | Images | Keep | Delete | Archive | Held | Frees |\n|---|---:|---:|---:|---:|---:|---:|\n")
		for _, r := range reg.Repositories {
			t := r.Totals
			frees := freed(t.BytesFreed, t.BytesFreedAtMost)
			if r.Gap != "" {
				frees = "not read: " + cell(r.Gap)
			}
			fmt.Fprintf(b, "| %s | %d | %d | %d | %d | %d | %s |\n", cell(r.Name), t.Images, t.Keep, t.Delete, t.Archive, t.Held, frees)
		}
		for k := range reg.Repositories {
			r := &reg.Repositories[k]
			if err := markdownImages(b, r); err != nil {
				return fmt.Errorf("repository %s: %w", r.Name, err)
			}
		}
	}
	if len(doc.Warnings) > 0 {
		fmt.Fprint(b, "\n### Warnings\n\n")
		for _, warning := range doc.Warnings {
			fmt.Fprintf(b, "- %s\n", cell(warning))
		}
	}
	for _, text := range keeplessLines(opts.Keepless) {
		fmt.Fprintf(b, "\n**%s**\n", cell(text))
	}
	return b.Flush()
}

// markdownImages writes the images of a repository, one after the other.
func markdownImages(b io.Writer, r *plan.Repository) error {
	listed, err := r.Listed()
	if err != nil || listed == 0 {
		return err
	}
	fmt.Fprintf(b, "\n<details><summary>%s: %s</summary>\n\n", html.EscapeString(clean(r.Name)), Count(listed, "image"))
	fmt.Fprint(b, "| Verdict | Tags | Digest | Pushed | Size | Why |\n|---|---|---|---|---:|---|\n")
	err = r.Each(func(img *plan.Image) error {
		pushed := "unknown"
		if img.PushedAt.Known() {
			pushed = img.PushedAt.Time().Format("2006-01-02")
		}
		_, err := fmt.Fprintf(b, "| %s | %s | `%s` | %s | %s | %s |\n", img.Verdict, cell(strings.Join(img.Tags, ", ")),
			img.Digest.String()[:19], pushed, Bytes(img.Size), cell(why(img)))
		return err
	})
	fmt.Fprint(b, "\n</details>\n")
	return err
}

// cell makes text from outside safe for a table cell: it ends no cell, and is no
// markup and no link.
func cell(s string) string {
	return cellEscapes.Replace(clean(s))
}

var cellEscapes = strings.NewReplacer(`\`, `\\`, "|", `\|`, "<", "&lt;", ">", "&gt;", "`", "\\`", "*", `\*`, "](", `]\(`)
