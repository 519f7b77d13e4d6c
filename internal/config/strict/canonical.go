package strict

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"time"
)

// Canonical turns a struct with yaml tags into maps, lists and scalars under
// the names of the document. What is not set (the zero value) is left out, so
// that a field added to the structs changes nothing for documents without it.
// special turns the types that are written in their own way; it may be nil.
func Canonical(v any, special func(v any) (out any, ok bool)) any {
	return canonical(reflect.ValueOf(v), special)
}

func canonical(v reflect.Value, special func(any) (any, bool)) any {
	if !v.IsValid() {
		return nil
	}
	if special != nil && v.CanInterface() {
		if out, ok := special(v.Interface()); ok {
			return out
		}
	}
	switch x := v.Interface().(type) {
	case time.Duration:
		return FormatDuration(x)
	case encoding.TextMarshaler:
		text, err := x.MarshalText()
		if err != nil {
			return fmt.Sprint(x)
		}
		return string(text)
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return canonical(v.Elem(), special)
	case reflect.Struct:
		fields := Fields(v.Type())
		if len(fields) == 0 && v.NumField() > 0 {
			return opaque(v)
		}
		m := map[string]any{}
		for _, f := range fields {
			if field := v.FieldByIndex(f.Index); !isUnset(field) {
				m[f.Name] = canonical(field, special)
			}
		}
		return m
	case reflect.Slice:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = canonical(v.Index(i), special)
		}
		return list
	case reflect.Map:
		m := map[string]any{}
		for _, k := range v.MapKeys() {
			m[k.String()] = canonical(v.MapIndex(k), special)
		}
		return m
	}
	return v.Interface()
}

func isUnset(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	}
	return v.IsZero()
}

// opaque writes a struct that is decoded from a text and has no way back: all
// that it exports, by its Go names.
func opaque(v reflect.Value) any {
	data, err := json.Marshal(v.Interface())
	if err != nil {
		return fmt.Sprintf("%+v", v.Interface())
	}
	return json.RawMessage(data)
}
