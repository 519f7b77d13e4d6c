package asltest

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// scope is what paths look into: the data of a state with $, and the context
// object with $$.
type scope struct {
	data    any
	context map[string]any
}

// field is the form of paths that are known: names, one after the other.
var field = regexp.MustCompile(`^\$\$?(\.[A-Za-z0-9_]+)*$`)

// look returns what a path points to, and whether it is there.
func (s scope) look(path string) (value any, ok bool, err error) {
	if !field.MatchString(path) {
		return nil, false, fmt.Errorf("the path %q is not known", path)
	}
	value, rest := s.data, strings.TrimPrefix(path, "$")
	if strings.HasPrefix(path, "$$") {
		value, rest = s.context, strings.TrimPrefix(path, "$$")
	}
	for _, name := range strings.Split(rest, ".")[1:] {
		object, is := value.(map[string]any)
		if !is {
			return nil, false, nil
		}
		if value, ok = object[name]; !ok {
			return nil, false, nil
		}
	}
	return value, true, nil
}

// must returns what a path points to. That it is not there is an error, as in
// Step Functions (States.Runtime).
func (s scope) must(path string) (any, error) {
	value, ok, err := s.look(path)
	if err == nil && !ok {
		err = &Error{"States.Runtime", fmt.Sprintf("the path %s is not there", path)}
	}
	return value, err
}

// fill makes the value of a payload template: fields whose names end in ".$" are
// paths or intrinsic functions.
func (s scope) fill(template json.RawMessage) (any, error) {
	var value any
	if err := json.Unmarshal(template, &value); err != nil {
		return nil, err
	}
	return s.fillValue(value)
}

func (s scope) fillValue(value any) (any, error) {
	switch value := value.(type) {
	case map[string]any:
		filled := map[string]any{}
		for _, name := range slices.Sorted(maps.Keys(value)) {
			v := value[name]
			var err error
			if plain, dynamic := strings.CutSuffix(name, ".$"); dynamic {
				name = plain
				text, is := v.(string)
				if !is {
					return nil, fmt.Errorf("%s.$ is no text", name)
				}
				v, err = s.evaluate(text)
			} else {
				v, err = s.fillValue(v)
			}
			if err != nil {
				return nil, err
			}
			filled[name] = v
		}
		return filled, nil
	case []any:
		for i := range value {
			v, err := s.fillValue(value[i])
			if err != nil {
				return nil, err
			}
			value[i] = v
		}
	}
	return value, nil
}

// formatCall is the one intrinsic function that is known.
var formatCall = regexp.MustCompile(`^States\.Format\('([^'\\]*)'((?:, *\$[^,)]*)*)\)$`)

func (s scope) evaluate(text string) (any, error) {
	if strings.HasPrefix(text, "$") {
		return s.must(text)
	}
	call := formatCall.FindStringSubmatch(text)
	if call == nil {
		return nil, fmt.Errorf("%q is neither a path nor a function that is known", text)
	}
	var paths []string
	for _, p := range strings.Split(call[2], ",")[1:] {
		paths = append(paths, strings.TrimSpace(p))
	}
	parts := strings.Split(call[1], "{}")
	if len(parts) != len(paths)+1 {
		return nil, fmt.Errorf("%q has %d places for %d values", text, len(parts)-1, len(paths))
	}
	var b strings.Builder
	for i, part := range parts {
		b.WriteString(part)
		if i == len(paths) {
			break
		}
		v, err := s.must(paths[i])
		if err != nil {
			return nil, err
		}
		switch v := v.(type) {
		case string:
			b.WriteString(v)
		default:
			encoded, err := json.Marshal(v)
			if err != nil {
				return nil, err
			}
			b.Write(encoded)
		}
	}
	return b.String(), nil
}

// place puts a result where ResultPath says: nil is the whole, and a path a field
// of the input, whose other fields stay.
func place(input any, path *string, result any) (any, error) {
	if path == nil || *path == "$" {
		return result, nil
	}
	name, ok := strings.CutPrefix(*path, "$.")
	object, is := input.(map[string]any)
	if !ok || strings.Contains(name, ".") || !is {
		return nil, fmt.Errorf("the ResultPath %q is not known for this input", *path)
	}
	object = maps.Clone(object)
	object[name] = result
	return object, nil
}
