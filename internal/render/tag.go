package render

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"charm.land/lipgloss/v2"

	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/tagging"
)

var actionStyles = map[tagging.Action]lipgloss.Style{tagging.Write: green, tagging.Move: green, tagging.Leave: faint, tagging.Pass: faint}

// TagJSON writes what was marked for programs.
func TagJSON(w io.Writer, r *tagging.Report) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// Tag writes what was marked, or would be, for people.
func Tag(w io.Writer, r *tagging.Report, opts Options) error {
	p := &page{opts: opts}
	p.sources(&plan.Plan{Sources: r.Sources})
	for _, reg := range r.Registries {
		p.line("")
		p.line("%s  %s", p.style(reg.Name, bold), p.style(reg.Host, faint))
		for i := range reg.Repositories {
			p.tagged(&reg.Repositories[i])
		}
	}
	p.line("")
	for _, text := range r.Warnings {
		p.line("%s %s", p.style("warning:", amber), clean(text))
	}
	p.line("%s", p.style(TagSummary(r), bold))
	_, err := io.WriteString(w, p.b.String())
	return err
}

// tagged lists the images in use of one repository.
func (p *page) tagged(repo *tagging.Repository) {
	p.line("")
	p.line("  %s", p.style(repo.Name, bold))
	if repo.Error != "" {
		p.line("    %s", p.style("not read: "+clean(repo.Error), red))
	}
	for _, text := range repo.Unresolved {
		p.line("    %s", p.style("not known which image it is: "+clean(text), red))
	}
	if len(repo.Images) == 0 {
		return
	}
	var rows [][]string
	shown := map[string]bool{}
	for i := range repo.Images {
		img := &repo.Images[i]
		action := p.style(string(img.Action), actionStyles[img.Action])
		detail := clean(img.Detail)
		if img.Error != "" {
			action = p.style("failed", red)
			detail = clean(img.Error)
			if shown[img.Error] { // a missing right fails for every image
				detail = "as above"
			}
			shown[img.Error] = true
			detail = p.style(detail, red)
		}
		rows = append(rows, []string{img.Name(), img.Digest.String()[:19], action, img.Tag, holders(img), detail})
		for _, tag := range img.Remove {
			rows = append(rows, []string{"", "", p.style("remove", amber), tag, "", ""})
		}
	}
	p.table("    ", []string{"IMAGE", "DIGEST", "DO", "TAG", "IN USE BY", "WHY"}, rows)
}

// holders names who uses an image.
func holders(img *tagging.Image) string {
	if len(img.Holders) == 0 {
		return string(img.State)
	}
	text := fmt.Sprintf("%s: %s", img.State, clean(img.Holders[0]))
	if more := img.Uses - 1; more > 0 {
		text += fmt.Sprintf(" and %s more", Number(more))
	}
	return text
}

// TagSummary returns the report in one sentence.
func TagSummary(r *tagging.Report) string {
	t := r.Totals
	var parts []string
	add := func(n int, done, todo string) {
		if r.DryRun {
			done = todo
		}
		if n > 0 {
			parts = append(parts, Number(n)+" "+done)
		}
	}
	add(t.Tagged, "tagged", "to tag")
	add(t.Moved, "given the tag of another", "to be given the tag of another")
	add(t.Kept, "tagged already", "tagged already")
	add(t.Passed, "passed over", "passed over")
	if t.Removed > 0 {
		what := Count(t.Removed, "older tag")
		if r.DryRun {
			parts = append(parts, what+" to remove")
		} else {
			parts = append(parts, what+" removed")
		}
	}
	add(t.Failed, "failed", "cannot be tagged")
	text := Count(t.Images, "image") + " in use"
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	text += "."
	if r.DryRun {
		text += " Nothing was changed: --yes does it."
	}
	return text
}
