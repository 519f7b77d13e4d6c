package planfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/regsweep/regsweep/internal/plan"
)

// FormatError says that something is no plan of this format.
type FormatError struct{ Err error }

func (e *FormatError) Error() string { return "it is no plan, or was cut off: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *FormatError) Unwrap() error { return e.Err }

// errOther ends the reading of a plan of another schema.
var errOther = errors.New("a plan of another schema")

// Read reads a plan as a stream; the images go into the store. Unknown fields
// are passed over, since fields are only ever added to the format; what is not
// a plan at all, or was cut off, is a *FormatError. A plan of another schema is
// returned as far as its schema, for the caller to refuse.
func Read(r io.Reader, store *Store) (*plan.Plan, error) {
	d := decoder{json.NewDecoder(r)}
	p := &plan.Plan{}
	seen := map[string]bool{}
	err := d.object(func(field string) error {
		seen[field] = true
		switch field {
		case "schema":
			err := d.Decode(&p.Schema)
			if err == nil && p.Schema != plan.Schema {
				err = errOther
			}
			return err
		case "tool":
			return d.Decode(&p.Tool)
		case "createdAt":
			var t time.Time
			err := d.Decode(&t)
			p.CreatedAt = t
			return err
		case "config":
			return d.Decode(&p.Config)
		case "shard":
			var shard string
			err := d.Decode(&shard)
			if err == nil {
				p.Shard, err = plan.ParseShard(shard)
			}
			return err
		case "scope":
			return d.Decode(&p.Scope)
		case "sources":
			return d.Decode(&p.Sources)
		case "totals":
			return d.Decode(&p.Totals)
		case "warnings":
			return d.Decode(&p.Warnings)
		case "registries":
			return d.array(func() error {
				reg, err := d.registry(store)
				p.Registries = append(p.Registries, reg)
				return err
			})
		}
		return d.skip()
	})
	if errors.Is(err, errOther) {
		return &plan.Plan{Schema: p.Schema}, nil
	}
	if err == nil {
		for _, field := range []string{"schema", "tool", "createdAt", "config", "sources", "registries", "totals"} {
			if !seen[field] {
				err = fmt.Errorf("it has no %s", field)
				break
			}
		}
	}
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is more after its end")
		}
	}
	if err != nil {
		var stored *storeError
		if errors.As(err, &stored) {
			return nil, err
		}
		return nil, &FormatError{err}
	}
	return p, nil
}

type decoder struct{ *json.Decoder }

// object calls field with the name of each field of the next value.
func (d decoder) object(field func(name string) error) error {
	if err := d.delim('{'); err != nil {
		return err
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		name, ok := t.(string)
		if !ok {
			return fmt.Errorf("%v is no name of a field", t)
		}
		if err := field(name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return d.delim('}')
}

// array calls element before each element of the next value.
func (d decoder) array(element func() error) error {
	if err := d.delim('['); err != nil {
		return err
	}
	for d.More() {
		if err := element(); err != nil {
			return err
		}
	}
	return d.delim(']')
}

func (d decoder) delim(want json.Delim) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	if t == nil {
		return fmt.Errorf("null stands where %v belongs", want)
	}
	if t != want {
		return fmt.Errorf("%v stands where %v belongs", t, want)
	}
	return nil
}

func (d decoder) skip() error {
	var ignored json.RawMessage
	return d.Decode(&ignored)
}

func (d decoder) registry(store *Store) (reg plan.Registry, err error) {
	err = d.object(func(field string) error {
		switch field {
		case "name":
			return d.Decode(&reg.Name)
		case "host":
			return d.Decode(&reg.Host)
		case "repositories":
			return d.array(func() error {
				r, err := d.repository(store)
				reg.Repositories = append(reg.Repositories, r)
				return err
			})
		}
		return d.skip()
	})
	return reg, err
}

// repository reads a repository. Its images go to the store one by one, and are
// counted on the way.
func (d decoder) repository(store *Store) (plan.Repository, error) {
	var (
		name, gap string
		totals    plan.Totals
		images    plan.Images = plan.List(nil)
		tally     plan.Tally
		listed    bool
	)
	err := d.object(func(field string) (err error) {
		switch field {
		case "name":
			return d.Decode(&name)
		case "totals":
			return d.Decode(&totals)
		case "gap":
			return d.Decode(&gap)
		case "images":
			if listed {
				return errors.New("there are two of it")
			}
			listed = true
			images, err = store.Put(d.images(&tally))
			return err
		}
		return d.skip()
	})
	if err == nil {
		err = tally.Check(totals, images)
	}
	if err != nil {
		return plan.Repository{}, fmt.Errorf("repository %s: %w", name, err)
	}
	return plan.NewRepository(name, totals, gap, images), nil
}

// images are the elements of the next value.
func (d decoder) images(tally *plan.Tally) plan.Visitable {
	return func(visit func(*plan.Image) error) error {
		var img plan.Image // one for all of them, but for what it points to
		return d.array(func() error {
			img = plan.Image{}
			if err := d.Decode(&img); err != nil {
				return err
			}
			tally.Add(&img)
			return visit(&img)
		})
	}
}
