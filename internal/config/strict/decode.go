package strict

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"time"
)

var (
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	durationType    = reflect.TypeFor[time.Duration]()
)

// decode sets out from the value, or records what is wrong with it.
func (v Value) decode(out reflect.Value) {
	t := out.Type()
	if f := v.doc.options.Paths[Generic(v.path)]; f != nil {
		f(v, out)
		return
	}
	if f := v.doc.options.Types[t]; f != nil {
		f(v, out)
		return
	}
	if reflect.PointerTo(t).Implements(textUnmarshaler) {
		u := out.Addr().Interface().(encoding.TextUnmarshaler)
		v.Parse("a valid value", func(text string) error { return u.UnmarshalText([]byte(text)) })
		return
	}
	if t == durationType {
		v.duration(out)
		return
	}
	switch t.Kind() {
	case reflect.Pointer:
		if out.IsNil() {
			out.Set(reflect.New(t.Elem()))
		}
		v.decode(out.Elem())
	case reflect.Struct:
		v.Mapping(example(t), StructMembers(out))
	case reflect.Slice:
		v.slice(out)
	case reflect.Map:
		v.mapTo(out)
	default:
		v.scalar(out)
	}
}

// StructMembers returns the members of a mapping that fills a struct.
func StructMembers(out reflect.Value) []Member {
	var members []Member
	for _, f := range Fields(out.Type()) {
		field := out.FieldByIndex(f.Index)
		members = append(members, Member{
			Name: f.Name, Type: f.Type,
			Decode: func(v Value) { v.decode(field) },
		})
	}
	return members
}

// slice replaces what out holds, so that a list in the document is never added
// to a default.
func (v Value) slice(out reflect.Value) {
	elem := out.Type().Elem()
	list := reflect.MakeSlice(out.Type(), 0, len(v.node.Content))
	if v.List(example(elem), func(_ int, e Value) {
		item := reflect.New(elem).Elem()
		e.decode(item)
		list = reflect.Append(list, item)
	}) {
		out.Set(list)
	}
}

// mapTo decodes a mapping with free keys. Only there may a text be empty.
func (v Value) mapTo(out reflect.Value) {
	t := out.Type()
	m := reflect.MakeMap(t)
	if v.Each("{key: value}", func(key string, e Value) {
		item := reflect.New(t.Elem()).Elem()
		if t.Elem().Kind() == reflect.String {
			text, ok := e.Text()
			if !ok {
				return
			}
			item.SetString(text.Value)
		} else {
			e.decode(item)
		}
		m.SetMapIndex(reflect.ValueOf(key).Convert(t.Key()), item)
	}) {
		out.Set(m)
	}
}

func (v Value) duration(out reflect.Value) {
	v.Parse("a duration such as 14d", func(text string) error {
		d, err := ParseDuration(text)
		if err != nil {
			return err
		}
		if d == 0 && !slices.Contains(v.doc.options.AllowZero, Generic(v.path)) {
			return fmt.Errorf("%q is no time at all: write a longer one, or remove the field", text)
		}
		out.SetInt(int64(d))
		return nil
	})
}

// scalar decodes a text, a truth value or a number.
func (v Value) scalar(out reflect.Value) {
	switch out.Kind() {
	case reflect.String:
		v.Parse("a text", func(text string) error {
			if text == "" {
				return errors.New("is empty: write a value, or remove the field")
			}
			out.SetString(text)
			return nil
		})
	case reflect.Bool:
		v.unquoted("true or false", func(text string) error {
			if text != "true" && text != "false" {
				return fmt.Errorf("must be true or false, and this is %q", text)
			}
			out.SetBool(text == "true")
			return nil
		})
	case reflect.Int, reflect.Int64, reflect.Int32:
		v.unquoted("a whole number", func(text string) error {
			n, err := parseInt(text, out.Type().Bits())
			out.SetInt(n)
			return err
		})
	case reflect.Float64:
		v.unquoted("a number", func(text string) error {
			n, err := ParseFloat(text)
			out.SetFloat(n)
			return err
		})
	default:
		// A struct of the program, not the user's document, is wrong here.
		panic(fmt.Sprintf("strict: %s: type %s cannot be decoded", v.path, out.Type()))
	}
}

// unquoted is Parse for what YAML writes without quotes.
func (v Value) unquoted(want string, parse func(string) error) {
	v.Parse(want, func(text string) error {
		t, _ := v.Text()
		err := parse(text)
		if err == nil && t.Quoted && !t.FromEnv {
			return fmt.Errorf("is %s in quotes: write %s", want, text)
		}
		return err
	})
}

var (
	wholeNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)
	number      = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`)
)

func parseInt(text string, bits int) (int64, error) {
	if !wholeNumber.MatchString(text) {
		return 0, fmt.Errorf("must be a whole number such as 10, and this is %q", text)
	}
	n, err := strconv.ParseInt(text, 10, bits)
	if err != nil {
		return 0, fmt.Errorf("the number %s is too large", text)
	}
	return n, nil
}

// ParseFloat reads a decimal number, without exponents, infinities and the
// other notations that YAML knows.
func ParseFloat(text string) (float64, error) {
	if !number.MatchString(text) {
		return 0, fmt.Errorf("must be a number such as 0.5, and this is %q", text)
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("the number %s is too large", text)
	}
	return n, nil
}

// example returns a type as one writes it, for messages.
func example(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return example(t.Elem())
	case reflect.Struct:
		if fields := Fields(t); len(fields) > 0 {
			return "{" + fields[0].Name + ": …}"
		}
		return "{}"
	case reflect.Map:
		return "{key: value}"
	default:
		return "value"
	}
}

func itoa(n int) string { return strconv.Itoa(n) }
