package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/invopop/jsonschema"

	"github.com/regsweep/regsweep/internal/config/strict"
	"github.com/regsweep/regsweep/internal/policy"
)

// SchemaID is where editors find the JSON Schema.
const SchemaID = "https://github.com/regsweep/regsweep/schema/regsweep.schema.json"

// envPattern finds ${env:NAME} in a text. Whatever has one can turn out right.
const envPattern = `\$\{env:`

// Schema returns the JSON Schema (draft 2020-12) of configurations. It accepts
// every configuration that Parse does. What goes across fields and what only
// the environment, a regular expression or an expression decides is Parse's to
// find. The error says which field has no description.
func Schema(kinds Kinds) ([]byte, error) {
	b := builder{kinds: kinds}
	b.reflector = jsonschema.Reflector{
		Anonymous: true, DoNotReference: true, ExpandedStruct: true,
		FieldNameTag: "yaml", RequiredFromJSONSchemaTags: true,
		Mapper: b.special,
	}
	root := b.reflector.Reflect(&Config{})
	root.ID = SchemaID
	root.Title = "regsweep.yaml"
	root.Description = "The configuration of regsweep, which deletes container images that nobody needs."
	root.Required = []string{"version", "registries"}
	root.Definitions = jsonschema.Definitions{
		"env":      {Type: "string", Pattern: envPattern, Description: "A value from the environment: ${env:NAME} or ${env:NAME:-default}."},
		"duration": {Type: "string", Pattern: `^[0-9]+[wdhms]([0-9]+[dhms])*$|` + envPattern, Description: "A duration of whole numbers with the units w, d, h, m and s, such as 14d or 1d12h."},
		"text":     {MinLength: one(), Extras: map[string]any{"type": scalars}},
	}
	b.describe(root, "")
	if len(b.missing) > 0 {
		return nil, fmt.Errorf("describe the configuration: no description of %s", strings.Join(b.missing, ", "))
	}
	data, err := json.Marshal(root)
	if err != nil {
		return nil, fmt.Errorf("write the schema: %w", err)
	}
	// The library escapes for HTML, which nobody reads this as.
	text := strings.NewReplacer("\\u003c", "<", "\\u003e", ">", "\\u0026", "&").Replace(string(data))
	var out bytes.Buffer
	if err := json.Indent(&out, []byte(text), "", "  "); err != nil {
		return nil, fmt.Errorf("write the schema: %w", err)
	}
	return append(out.Bytes(), '\n'), nil
}

// scalars are the types that YAML gives a text that is not in quotes.
var scalars = []string{"string", "number", "boolean"}

// builder makes the schema.
type builder struct {
	kinds     Kinds
	reflector jsonschema.Reflector
	missing   []string
}

// special returns the schemas of the types that are written in their own way,
// and of texts and numbers, which the environment can give.
func (b *builder) special(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return ref("duration")
	case reflect.TypeFor[policy.Age]():
		return b.age()
	case reflect.TypeFor[Registry]():
		return b.entry(b.kinds.registries())
	case reflect.TypeFor[Usage]():
		return b.usage()
	case reflect.TypeFor[Mode]():
		return mode()
	}
	switch t.Kind() {
	case reflect.String:
		return ref("text")
	case reflect.Bool:
		return orEnv(&jsonschema.Schema{Type: "boolean"})
	case reflect.Int:
		return orEnv(&jsonschema.Schema{Type: "integer", Minimum: "0"})
	case reflect.Float64:
		return orEnv(&jsonschema.Schema{Type: "number", Minimum: "0"})
	case reflect.Map:
		return &jsonschema.Schema{Type: "object", AdditionalProperties: &jsonschema.Schema{Extras: map[string]any{"type": scalars}}}
	}
	return nil
}

func (b *builder) age() *jsonschema.Schema {
	p := jsonschema.NewProperties()
	p.Set("repositoryTag", ref("text"))
	p.Set("unit", oneOf("s", "m", "h", "d", "w"))
	p.Set("default", ref("duration"))
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
		ref("duration"),
		{Type: "object", Properties: p, Required: []string{"repositoryTag"}, AdditionalProperties: jsonschema.FalseSchema},
	}}
}

func (b *builder) usage() *jsonschema.Schema {
	source := b.entry(b.kinds.sources())
	source.Properties.Set("covers", &jsonschema.Schema{Type: "array", Items: ref("text"), MinItems: one()})
	source.Properties.Set("atLeast", orEnv(&jsonschema.Schema{Type: "integer", Minimum: "0"}))
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Enum: []any{"none"}}, ref("env"), {Type: "array", Items: source}}}
}

func mode() *jsonschema.Schema {
	p := jsonschema.NewProperties()
	p.Set("dryRun", orEnv(&jsonschema.Schema{Type: "boolean"}))
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
		{Enum: []any{"plan", "apply"}}, ref("env"),
		{Type: "object", Properties: p, Required: []string{"dryRun"}, AdditionalProperties: jsonschema.FalseSchema},
	}}
}

// entry returns the schema of a mapping with a name and exactly one of the
// kinds.
func (b *builder) entry(kinds []kind) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "object", Properties: jsonschema.NewProperties(), AdditionalProperties: jsonschema.FalseSchema}
	s.Properties.Set("name", matching(ref("text"), namePattern.String()))
	for _, k := range kinds {
		s.Properties.Set(k.name, b.kind(k))
		s.OneOf = append(s.OneOf, &jsonschema.Schema{Required: []string{k.name}})
	}
	return s
}

// kind returns the schema of what stands under a kind.
func (b *builder) kind(k kind) *jsonschema.Schema {
	s := b.reflector.ReflectFromType(typeOf(k.create()))
	s.Version, s.Description = "", k.doc
	for pair := s.Properties.Oldest(); pair != nil; pair = pair.Next() {
		setting := k.settings[pair.Key]
		p := pair.Value
		p.Description = setting.Doc
		if setting.Required {
			s.Required = append(s.Required, pair.Key)
		}
		text := p
		if p.Type == "array" {
			p.MinItems, p.UniqueItems = one(), setting.Unique
			text = p.Items
		}
		if setting.Pattern != "" {
			matching(text, setting.Pattern)
		}
		for _, number := range p.AnyOf {
			if number.Type == "integer" {
				number.Minimum = "1"
			}
		}
	}
	return s
}

// describe sets what the table of fields says, from a schema down.
func (b *builder) describe(s *jsonschema.Schema, path string) {
	for _, alternative := range s.AnyOf {
		b.describe(alternative, path)
	}
	if s.Items != nil {
		b.describe(s.Items, path+"[]")
	}
	if s.Properties == nil {
		return
	}
	for pair := s.Properties.Oldest(); pair != nil; pair = pair.Next() {
		at, p := strict.Join(path, pair.Key), pair.Value
		f := fields[at]
		if f.doc != "" {
			p.Description = f.doc
		}
		if p.Description == "" {
			b.missing = append(b.missing, at)
		}
		p.Default = f.standard
		if f.change != nil {
			f.change(p)
		}
		b.describe(p, at)
	}
}

func ref(name string) *jsonschema.Schema { return &jsonschema.Schema{Ref: "#/$defs/" + name} }

// orEnv allows a value from the environment too.
func orEnv(s *jsonschema.Schema) *jsonschema.Schema {
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{s, ref("env")}}
}

// oneOf is a text that is one of the values.
func oneOf(values ...any) *jsonschema.Schema { return orEnv(&jsonschema.Schema{Enum: values}) }

// matching lets a text be only what matches, or come from the environment.
func matching(s *jsonschema.Schema, pattern string) *jsonschema.Schema {
	s.Pattern = pattern + "|" + envPattern
	return s
}

func one() *uint64 {
	n := uint64(1)
	return &n
}
