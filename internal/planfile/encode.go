// Package planfile is the JSON form of a plan: it writes one as a stream, reads
// one as a stream, and keeps the images of a plan out of memory meanwhile.
package planfile

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/plan"
)

// Write writes a plan as JSON, one image a line. The same plan gives the same
// bytes. Its last field is its id.
func Write(w io.Writer, p *plan.Plan) error {
	_, err := write(w, p)
	return err
}

// ID returns the id of a plan, which names all of its content: that of a plan
// and that of what Read makes of it are the same.
func ID(p *plan.Plan) (string, error) { return write(io.Discard, p) }

// write writes a plan and returns its id.
func write(w io.Writer, p *plan.Plan) (id string, err error) {
	sum := sha256.New()
	b := bufio.NewWriterSize(io.MultiWriter(sum, w), 1<<16)
	e := encoder{b: b}
	e.text("{\n \"schema\": ").json(p.Schema).text(",\n \"tool\": ").json(p.Tool)
	e.text(",\n \"createdAt\": ").json(p.CreatedAt).text(",\n \"config\": ").json(p.Config)
	if shard := p.Shard.String(); shard != "" {
		e.text(",\n \"shard\": ").json(shard)
	}
	if !p.Scope.IsZero() {
		e.text(",\n \"scope\": ").json(p.Scope)
	}
	e.text(",\n \"sources\": [")
	for i, s := range p.Sources {
		e.comma(i, "\n  ").json(s)
	}
	e.text("],\n \"registries\": [")
	for i, reg := range p.Registries {
		e.comma(i, "\n  ").text("{\"name\": ").json(reg.Name).text(", \"host\": ").json(reg.Host).text(", \"repositories\": [")
		for k := range reg.Repositories {
			e.comma(k, "\n   ").repository(&reg.Repositories[k])
		}
		e.text("]}")
	}
	e.text("],\n \"totals\": ").json(p.Totals)
	if len(p.Warnings) > 0 {
		e.text(",\n \"warnings\": [")
		for i, warning := range p.Warnings {
			e.comma(i, "\n  ").json(warning)
		}
		e.text("]")
	}
	if e.err == nil {
		e.err = b.Flush()
	}
	if e.err != nil {
		return "", fmt.Errorf("write the plan: %w", e.err)
	}
	id = "sha256:" + hex.EncodeToString(sum.Sum(nil))
	e.text(",\n \"id\": ").json(id).text("\n}\n")
	if e.err == nil {
		e.err = b.Flush()
	}
	if e.err != nil {
		return "", fmt.Errorf("write the plan: %w", e.err)
	}
	return id, nil
}

// encoder writes parts and remembers the first error.
type encoder struct {
	b    *bufio.Writer
	line []byte
	err  error
}

func (e *encoder) text(s string) *encoder {
	if e.err == nil {
		_, e.err = e.b.WriteString(s)
	}
	return e
}

func (e *encoder) comma(i int, before string) *encoder {
	if i > 0 {
		e.text(",")
	}
	return e.text(before)
}

func (e *encoder) json(v any) *encoder {
	if e.err != nil {
		return e
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if e.err = enc.Encode(v); e.err == nil {
		_, e.err = e.b.Write(bytes.TrimSuffix(buf.Bytes(), []byte("\n")))
	}
	return e
}

func (e *encoder) repository(r *plan.Repository) {
	e.text("{\"name\": ").json(r.Name).text(", \"totals\": ").json(r.Totals)
	if r.Gap != "" {
		e.text(", \"gap\": ").json(r.Gap)
	}
	e.text(", \"images\": [")
	if e.err == nil {
		if e.err = e.images(r); e.err != nil {
			e.err = fmt.Errorf("repository %s: %w", r.Name, e.err)
		}
	}
	e.text("]}")
}

// images writes the images of a repository, and copies them where they are
// stored in the form that is written.
func (e *encoder) images(r *plan.Repository) error {
	if images, ok := r.Unchanged(); ok {
		if s, ok := images.(stored); ok {
			return s.copyTo(e.b)
		}
	}
	first := true
	return r.Each(func(img *plan.Image) error {
		e.line = appendElement(e.line[:0], img, first)
		first = false
		_, err := e.b.Write(e.line)
		return err
	})
}

// appendElement appends an image as an element of an array, in a line of its own.
func appendElement(b []byte, img *plan.Image, first bool) []byte {
	if !first {
		b = append(b, ',')
	}
	return AppendImage(append(b, "\n    "...), img)
}

// AppendImage appends an image as JSON in one line. It is encoding/json's form
// of plan.Image, written out by hand: a plan has up to a million of them.
func AppendImage(b []byte, img *plan.Image) []byte {
	b = append(b, `{"digest":"`...)
	b = appendDigest(b, img.Digest)
	b = append(b, `","tags":[`...)
	for i, t := range img.Tags {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, t)
	}
	b = append(b, `],"kind":`...)
	b = appendString(b, img.Kind)
	b = append(b, `,"root":"`...)
	b = appendDigest(b, img.Root)
	b = append(b, '"')
	b = appendTime(b, `,"pushedAt":"`, img.PushedAt)
	b = appendTime(b, `,"pulledAt":"`, img.PulledAt)
	b = append(b, `,"size":`...)
	b = strconv.AppendInt(b, img.Size, 10)
	b = append(b, `,"verdict":"`...)
	b = append(b, img.Verdict.String()...)
	b = append(b, '"')
	b = appendTime(b, `,"condemnedAt":"`, img.CondemnedAt)
	if img.Mark != "" {
		b = append(b, `,"mark":`...)
		b = appendString(b, string(img.Mark))
	}
	if img.Rule != "" {
		b = append(b, `,"rule":`...)
		b = appendString(b, img.Rule)
	}
	b = append(b, `,"reasons":[`...)
	for i, r := range img.Reasons {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"code":`...)
		b = appendString(b, string(r.Code))
		b = append(b, `,"detail":`...)
		b = appendString(b, r.Detail)
		if r.Path != "" {
			b = append(b, `,"path":`...)
			b = appendString(b, r.Path)
		}
		b = append(b, '}')
	}
	return append(b, `]}`...)
}

func appendDigest(b []byte, d image.Digest) []byte {
	const digits = "0123456789abcdef"
	b = append(b, "sha256:"...)
	for _, c := range d {
		b = append(b, digits[c>>4], digits[c&15])
	}
	return b
}

func appendTime(b []byte, field string, t image.Time) []byte {
	if !t.Known() {
		return b
	}
	b = append(b, field...)
	return append(t.Time().AppendFormat(b, "2006-01-02T15:04:05.999999999Z07:00"), '"')
}

// appendString appends a JSON string. What needs care is left to encoding/json.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			var buf bytes.Buffer
			enc := json.NewEncoder(&buf)
			enc.SetEscapeHTML(false)
			if err := enc.Encode(s); err != nil {
				panic(err) // a string always encodes
			}
			return append(b, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
