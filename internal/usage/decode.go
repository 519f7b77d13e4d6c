package usage

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/regsweep/regsweep/internal/image"
)

// Decode reads a snapshot that Encode wrote, to the end of r. It is strict: a
// snapshot is taken as the proof that nothing else is in use, so whatever is
// missing, unknown, twice there or cut off is a *FormatError. So is a reference
// that cannot be one: Encode writes none, and it was that of an image in use.
func Decode(r io.Reader) (*Snapshot, error) {
	dec := json.NewDecoder(r)
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
	Name   string
	Uses   *int
	Status string
	Detail string
}

// read reads the snapshot field by field. encoding/json alone would take the last
// of two lists of uses, or of two references of a use, and any case of their names.
func (w *wire) read(dec *json.Decoder) error {
	return object(dec, func(field string) error {
		switch field {
		case "schema":
			if err := dec.Decode(&w.schema); err != nil {
				return err
			}
			return w.checkSchema()
		case "createdAt":
			return dec.Decode(&w.createdAt)
		case "sources":
			return list(dec, &w.sources, readStatus)
		case "uses":
			return list(dec, &w.uses, readUse)
		}
		return errUnknownField
	})
}

func readStatus(dec *json.Decoder, s *wireStatus) error {
	return object(dec, func(field string) error {
		switch field {
		case "name":
			return dec.Decode(&s.Name)
		case "uses":
			return dec.Decode(&s.Uses)
		case "status":
			return dec.Decode(&s.Status)
		case "detail":
			return dec.Decode(&s.Detail)
		}
		return errUnknownField
	})
}

func readUse(dec *json.Decoder, u *image.Use) error {
	return object(dec, func(field string) error {
		switch field {
		case "source":
			return dec.Decode(&u.Source)
		case "state":
			return dec.Decode(&u.State)
		case "reference":
			return dec.Decode(&u.Reference)
		case "imageId":
			return dec.Decode(&u.ImageID)
		case "holder":
			return dec.Decode(&u.Holder)
		}
		return errUnknownField
	})
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
	if _, err := image.ParseReference(u.Reference); err != nil {
		return "reference", err
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

var errUnknownField = errors.New("unknown field")

// object reads an object, and each of its fields by each. None may be there twice.
func object(dec *json.Decoder, each func(field string) error) error {
	if err := open(dec, '{', "an object"); err != nil {
		return err
	}
	seen := make([]string, 0, 8)
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return &FormatError{Err: cutOff(err)}
		}
		// The keys of an object are always strings.
		field, _ := key.(string)
		if slices.Contains(seen, field) {
			return &FormatError{Field: field, Err: errors.New("it is there twice")}
		}
		seen = append(seen, field)
		if err := each(field); err != nil {
			return within(field, err)
		}
	}
	return end(dec)
}

// list reads a list, and each of its items by each. Null is no list.
func list[T any](dec *json.Decoder, items *[]T, each func(*json.Decoder, *T) error) error {
	if err := open(dec, '[', "a list"); err != nil {
		return err
	}
	*items = []T{}
	for dec.More() {
		var item T
		if err := each(dec, &item); err != nil {
			return within(fmt.Sprintf("[%d]", len(*items)), err)
		}
		*items = append(*items, item)
	}
	return end(dec)
}

// open reads the bracket that a value begins with.
func open(dec *json.Decoder, bracket json.Delim, want string) error {
	switch token, err := dec.Token(); {
	case err != nil:
		return &FormatError{Err: cutOff(err)}
	case token == nil:
		return &FormatError{Err: fmt.Errorf("it is null and not %s", want)}
	case token != bracket:
		return &FormatError{Err: fmt.Errorf("it starts with %v and not with %s", token, want)}
	}
	return nil
}

// end reads the bracket that a value ends with.
func end(dec *json.Decoder) error {
	if _, err := dec.Token(); err != nil {
		return &FormatError{Err: cutOff(err)}
	}
	return nil
}

// within returns an error in what is read, as one of what that is a part of.
func within(part string, err error) error {
	inner, ok := errors.AsType[*FormatError](err)
	switch {
	case !ok:
		return &FormatError{Field: part, Err: cutOff(err)}
	case inner.Field != "" && inner.Field[0] != '[':
		part += "."
	}
	return &FormatError{Field: part + inner.Field, Err: inner.Err}
}

// cutOff calls the end of the input what it is in the middle of an object.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
