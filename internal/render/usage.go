package render

import (
	"io"

	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/usage"
)

// Usage writes what is in use for people.
func Usage(w io.Writer, s *usage.Snapshot, opts Options) error {
	p := &page{opts: opts}
	doc := &plan.Plan{}
	for _, source := range s.Sources {
		doc.Sources = append(doc.Sources, plan.Source{Name: source.Name, Uses: source.Uses, Status: source.Status, Detail: source.Detail})
	}
	p.sources(doc)
	if len(s.Uses) > 0 {
		p.line("")
		var rows [][]string
		for _, u := range s.Uses {
			reference := clean(u.Reference)
			if u.ImageID != "" {
				reference += " (image id " + clean(u.ImageID) + ")"
			}
			rows = append(rows, []string{reference, string(u.State), clean(u.Holder)})
		}
		p.table("", []string{"REFERENCE", "STATE", "HOLDER"}, rows)
	}
	_, err := io.WriteString(w, p.b.String())
	return err
}
