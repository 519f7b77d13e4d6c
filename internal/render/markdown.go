package render

import (
	"fmt"
	"io"
	"strings"

	"github.com/regsweep/regsweep/internal/plan"
)

// Markdown writes a plan for a pull request, an issue or a chat.
func Markdown(w io.Writer, doc *plan.Plan, opts Options) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## regsweep plan\n\n%s\n", Summary(doc, opts.Currency))
	if len(doc.Sources) > 0 {
		b.WriteString("\n| Source | Uses | Status | |\n|---|---:|---|---|\n")
		for _, s := range doc.Sources {
			status := s.Status
			if status != "ok" {
				status = "**gap**"
			}
			fmt.Fprintf(&b, "| %s | %d | %s | %s |\n", cell(s.Name), s.Uses, status, cell(s.Detail))
		}
	}
	for _, reg := range doc.Registries {
		fmt.Fprintf(&b, "\n### %s\n\n`%s`\n\n", cell(reg.Name), reg.Host)
		b.WriteString("| Repository | Images | Keep | Delete | Archive | Held | Frees |\n|---|---:|---:|---:|---:|---:|---:|\n")
		for _, r := range reg.Repositories {
			t := r.Totals
			frees := freed(t.BytesFreed, t.BytesFreedAtMost)
			if r.Gap != "" {
				frees = "not read: " + cell(r.Gap)
			}
			fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d | %s |\n", cell(r.Name), t.Images, t.Keep, t.Delete, t.Archive, t.Held, frees)
		}
		for k := range reg.Repositories {
			r := &reg.Repositories[k]
			images, err := r.Images()
			if err != nil {
				return fmt.Errorf("repository %s: %w", r.Name, err)
			}
			if len(images) == 0 {
				continue
			}
			fmt.Fprintf(&b, "\n<details><summary>%s: %s</summary>\n\n", cell(r.Name), Count(len(images), "image"))
			b.WriteString("| Verdict | Tags | Digest | Pushed | Size | Why |\n|---|---|---|---|---:|---|\n")
			for i := range images {
				img := &images[i]
				pushed := "unknown"
				if img.PushedAt.Known() {
					pushed = img.PushedAt.Time().Format("2006-01-02")
				}
				fmt.Fprintf(&b, "| %s | %s | `%s` | %s | %s | %s |\n", img.Verdict, cell(strings.Join(img.Tags, ", ")),
					img.Digest.String()[:19], pushed, Bytes(img.Size), cell(why(img)))
			}
			b.WriteString("\n</details>\n")
		}
	}
	if len(doc.Warnings) > 0 {
		b.WriteString("\n### Warnings\n\n")
		for _, warning := range doc.Warnings {
			fmt.Fprintf(&b, "- %s\n", cell(warning))
		}
	}
	for _, text := range keeplessLines(opts.Keepless) {
		fmt.Fprintf(&b, "\n**%s**\n", cell(text))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// cell makes text from outside safe for a table cell.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;", "`", "\\`").Replace(clean(s))
}
