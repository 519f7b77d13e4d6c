package render

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/regsweep/regsweep/internal/plan"
)

// JSON writes a document as indented JSON.
func JSON(w io.Writer, document any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(document); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

// ReportJSON writes a report as JSON, one repository after the other: what was
// deleted can be a million images.
func ReportJSON(w io.Writer, r *plan.Report) error {
	b := bufio.NewWriter(w)
	head := *r
	head.Repositories = nil
	frame, err := json.MarshalIndent(head, "", " ")
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	before, after, _ := bytes.Cut(frame, []byte("\"repositories\": null"))
	write := func(parts ...[]byte) {
		for _, part := range parts {
			_, _ = b.Write(part) // Flush returns the first error
		}
	}
	write(before, []byte("\"repositories\": ["))
	for i := range r.Repositories {
		repository, err := json.Marshal(&r.Repositories[i])
		if err != nil {
			return fmt.Errorf("write the report: repository %s: %w", r.Repositories[i].Name, err)
		}
		if i > 0 {
			write([]byte(","))
		}
		write([]byte("\n  "), repository)
	}
	write([]byte("]"), after, []byte("\n"))
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
