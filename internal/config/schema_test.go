package config_test

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/kinds"
)

const schemaFile = "../../schema/regsweep.schema.json"

// The file that editors load is the schema of this version.
func TestSchemaFile(t *testing.T) {
	data, err := config.Schema(kinds.All())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, schemaFile, data)
}

func TestSchemaAcceptsGoodFiles(t *testing.T) {
	schema := compileSchema(t)
	for _, file := range append(glob(t, "testdata/good/*.yaml"), "../../examples/regsweep.yaml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			doc, ok := document(read(t, file))
			if err := schema.Validate(doc); !ok || err != nil {
				t.Error(ok, err)
			}
		})
	}
}

// beyondSchema are the bad files whose mistakes a schema cannot see: what
// follows from the environment, from other fields, or from expressions, and
// what a YAML parser reads in another way.
var beyondSchema = map[string]bool{
	"cel": true, "controller-interval": true, "controller-never": true, "controller-schedule": true, "env-duplicate-secret": true, "env-malformed": true, "env-unset": true,
	"grace-mark": true, "orphans": true, "patterns": true, "rule-names": true, "same-registry": true, "semver": true,
	"syntax-second-document": true, "tag-latest": true, "tag-of-artifact": true, "two-documents": true, "unreachable-rules": true, "yaml-tags": true,
}

func TestSchemaRefusesBadFiles(t *testing.T) {
	schema := compileSchema(t)
	for _, file := range glob(t, "testdata/bad/*.yaml") {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			doc, ok := document(read(t, file))
			if !ok {
				return // no editor gets as far as the schema
			}
			err := schema.Validate(doc)
			if beyondSchema[name] != (err == nil) {
				t.Errorf("schema says %v, and beyondSchema says %v", err, beyondSchema[name])
			}
		})
	}
}

// A field that the decoder refuses cannot be in the schema, and the other way
// round: they are made from the same structs.
func TestSchemaIsStrict(t *testing.T) {
	var loose []string
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if _, ok := v["properties"]; ok && v["additionalProperties"] != false {
				loose = append(loose, path)
			}
			for k, child := range v {
				walk(path+"/"+k, child)
			}
		case []any:
			for _, child := range v {
				walk(path, child)
			}
		}
	}
	var schema any
	if err := json.Unmarshal(read(t, schemaFile), &schema); err != nil {
		t.Fatal(err)
	}
	walk("", schema)
	if len(loose) > 0 {
		t.Errorf("these accept unknown fields: %s", loose)
	}
}

func compileSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(read(t, schemaFile)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(config.SchemaID, doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(config.SchemaID)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// document reads YAML as an editor does, into the values of JSON, if it can.
func document(data []byte) (doc any, ok bool) {
	var v any
	if yaml.Unmarshal(data, &v) != nil {
		return nil, false
	}
	encoded, err := json.Marshal(v)
	if err != nil {
		return nil, false
	}
	doc, err = jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
	return doc, err == nil
}
