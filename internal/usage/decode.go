package usage

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/regsweep/regsweep/internal/image"
)

// Decode reads a snapshot that Encode wrote, to the end of r. It is strict: a
// snapshot is taken as the proof that nothing else is in use, so whatever is
// missing, unknown, twice there or cut off is a *FormatError. References are not
// checked here.
func Decode(r io.Reader) (*Snapshot, error) {
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	var w wire
	if err := w.read(dec); err != nil {
		return nil, err
	}
	_, err := dec.Token()
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, io.EOF):
		return w.snapshot()
	case err != nil && !errors.As(err, &syntax): // such as a checksum that is not that of the content
		return nil, &FormatError{Err: err}
	}
	return nil, &FormatError{Err: errors.New("something follows the snapshot")}
}

// wire is the JSON form. Nil means that a field is missing.
type wire struct {
	schema, createdAt *string
	sources           []wireStatus
	uses              []image.Use
}

type wireStatus struct {
	Name   string `json:"name"`
	Uses   *int   `json:"uses"`
	Status string `json:"status"`
	Detail string `json:"detail"`
}

// read reads the outer object field by field. encoding/json alone would take
// the last of two lists of uses, and any case of their name.
func (w *wire) read(dec *json.Decoder) error {
	if t, err := dec.Token(); err != nil {
		return &FormatError{Err: cutOff(err)}
	} else if t != json.Delim('{') {
		return &FormatError{Err: fmt.Errorf("it starts with %v and not with an object", t)}
	}
	seen := map[string]bool{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return &FormatError{Err: cutOff(err)}
		}
		// The keys of an object are always strings.
		field, _ := key.(string)
		if seen[field] {
			return &FormatError{Field: field, Err: errors.New("it is there twice")}
		}
		seen[field] = true
		if err := w.readField(dec, field); err != nil {
			return &FormatError{Field: field, Err: cutOff(err)}
		}
	}
	if _, err := dec.Token(); err != nil {
		return &FormatError{Err: cutOff(err)}
	}
	return nil
}

func (w *wire) readField(dec *json.Decoder, field string) error {
	switch field {
	case "schema":
		if err := dec.Decode(&w.schema); err != nil {
			return err
		}
		return w.checkSchema()
	case "createdAt":
		return dec.Decode(&w.createdAt)
	case "sources":
		return dec.Decode(&w.sources)
	case "uses":
		return dec.Decode(&w.uses)
	}
	return errors.New("unknown field")
}

func (w *wire) checkSchema() error {
	switch {
	case w.schema == nil:
		return errMissing
	case *w.schema != Schema:
		return fmt.Errorf("it is %q, and this version reads %q", *w.schema, Schema)
	}
	return nil
}

// snapshot checks the fields.
func (w *wire) snapshot() (*Snapshot, error) {
	if err := w.checkSchema(); err != nil {
		return nil, &FormatError{Field: "schema", Err: err}
	}
	if w.createdAt == nil {
		return nil, &FormatError{Field: "createdAt", Err: errMissing}
	}
	created, err := time.Parse(time.RFC3339, *w.createdAt)
	if err != nil || created.UTC().Year() > 9999 {
		return nil, &FormatError{Field: "createdAt", Err: fmt.Errorf("%q is not a time like 2026-01-31T08:00:00Z", *w.createdAt)}
	}
	if w.sources == nil {
		return nil, &FormatError{Field: "sources", Err: errMissing}
	}
	if w.uses == nil {
		return nil, &FormatError{Field: "uses", Err: errMissing}
	}
	s := &Snapshot{CreatedAt: created.UTC(), Sources: make([]Status, len(w.sources)), Uses: w.uses}
	for i, source := range w.sources {
		if field, err := source.check(); err != nil {
			return nil, &FormatError{Field: fmt.Sprintf("sources[%d].%s", i, field), Err: err}
		}
		s.Sources[i] = Status{source.Name, *source.Uses, source.Status, source.Detail}
	}
	for i := range w.uses {
		if field, err := checkUse(&w.uses[i]); err != nil {
			return nil, &FormatError{Field: fmt.Sprintf("uses[%d].%s", i, field), Err: err}
		}
	}
	return s, nil
}

// check returns the first field that is wrong, and why.
func (s wireStatus) check() (field string, err error) {
	switch {
	case s.Name == "":
		return "name", errMissing
	case s.Uses == nil:
		return "uses", errMissing
	case *s.Uses < 0:
		return "uses", fmt.Errorf("%d is less than zero", *s.Uses)
	case s.Status == "":
		return "status", errMissing
	case s.Status != StatusOK && s.Status != StatusGap:
		return "status", fmt.Errorf("%q is neither %q nor %q", s.Status, StatusOK, StatusGap)
	}
	return "", nil
}

// checkUse returns the first field that is wrong, and why.
func checkUse(u *image.Use) (field string, err error) {
	switch {
	case u.Source == "":
		return "source", errMissing
	case u.State == "":
		return "state", errMissing
	case !knownState(u.State):
		return "state", fmt.Errorf("%q is none of running, declared and rollback", u.State)
	case u.Reference == "":
		return "reference", errMissing
	case u.Holder == "":
		return "holder", errMissing
	}
	if u.ImageID != "" {
		if _, err := image.ParseDigest(u.ImageID); err != nil {
			return "imageId", err
		}
	}
	return "", nil
}

func knownState(s image.State) bool {
	return s == image.Running || s == image.Declared || s == image.Rollback
}

// cutOff calls the end of the input what it is in the middle of an object.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
