package strict

import (
	"reflect"
	"strings"
)

// Field is a field of a struct that a document can set.
type Field struct {
	Name  string
	Index []int
	Type  reflect.Type
}

// Fields returns the fields of a struct that have a yaml tag, in the order of
// the source. Fields of inlined structs count as its own; where both have a
// name, the outer one wins.
func Fields(t reflect.Type) []Field {
	var fields []Field
	outer := map[string]bool{}
	for sf := range t.Fields() {
		if name, inline := tag(sf); name != "" && !inline {
			outer[name] = true
		}
	}
	for sf := range t.Fields() {
		name, inline := tag(sf)
		switch {
		case inline:
			for _, f := range Fields(sf.Type) {
				if !outer[f.Name] {
					f.Index = append([]int{sf.Index[0]}, f.Index...)
					fields = append(fields, f)
				}
			}
		case name != "":
			fields = append(fields, Field{name, sf.Index, sf.Type})
		}
	}
	return fields
}

func tag(sf reflect.StructField) (name string, inline bool) {
	text := sf.Tag.Get("yaml")
	if !sf.IsExported() || text == "-" {
		return "", false
	}
	name, options, _ := strings.Cut(text, ",")
	return name, options == "inline"
}
