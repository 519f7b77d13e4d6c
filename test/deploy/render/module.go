package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// block is one block of a module, with those inside it.
type block struct {
	File   string
	Line   int
	Type   string
	Labels []string
	// Values are the attributes whose value is known with the given variables;
	// the others are among Unknown, with why.
	Values  map[string]json.RawMessage
	Unknown map[string]string
	// References are what all expressions in the block refer to, such as
	// "var.name", but for those in blocks inside it.
	References []string
	Blocks     []block
}

// printModule prints the blocks of a module as JSON. The expressions in it are
// evaluated with the JSON object in the values, whose members are the names that
// expressions begin with: var, local, data, path and the types of resources.
func printModule(dir, values string) error {
	text, err := readFile(values)
	if err != nil {
		return err
	}
	context, err := evaluation(text)
	if err != nil {
		return err
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*.tf"))
	if err != nil {
		return err
	}
	all := []block{}
	parser := hclparse.NewParser()
	for _, path := range paths {
		file, diagnostics := parser.ParseHCLFile(path)
		if diagnostics.HasErrors() {
			return diagnostics
		}
		for _, b := range file.Body.(*hclsyntax.Body).Blocks {
			all = append(all, convert(b, context))
		}
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", " ")
	return encoder.Encode(all)
}

func evaluation(values []byte) (*hcl.EvalContext, error) {
	kind, err := ctyjson.ImpliedType(values)
	if err != nil {
		return nil, err
	}
	value, err := ctyjson.Unmarshal(values, kind)
	if err != nil {
		return nil, err
	}
	return &hcl.EvalContext{Variables: value.AsValueMap(), Functions: map[string]function.Function{
		"jsonencode": stdlib.JSONEncodeFunc, "concat": stdlib.ConcatFunc, "merge": stdlib.MergeFunc,
		"format": stdlib.FormatFunc, "replace": stdlib.ReplaceFunc, "split": stdlib.SplitFunc, "join": stdlib.JoinFunc,
	}}, nil
}

func convert(b *hclsyntax.Block, context *hcl.EvalContext) block {
	out := block{
		File: filepath.Base(b.TypeRange.Filename), Line: b.TypeRange.Start.Line, Type: b.Type, Labels: b.Labels,
		Values: map[string]json.RawMessage{}, Unknown: map[string]string{},
	}
	for name, a := range b.Body.Attributes {
		for _, t := range a.Expr.Variables() {
			out.References = append(out.References, reference(t))
		}
		value, diagnostics := a.Expr.Value(context)
		if diagnostics.HasErrors() {
			out.Unknown[name] = diagnostics.Error()
			continue
		}
		text, err := ctyjson.Marshal(value, cty.DynamicPseudoType)
		var plain struct{ Value json.RawMessage }
		if err == nil {
			err = json.Unmarshal(text, &plain)
		}
		if err != nil {
			out.Unknown[name] = err.Error()
			continue
		}
		out.Values[name] = plain.Value
	}
	for _, inner := range b.Body.Blocks {
		out.Blocks = append(out.Blocks, convert(inner, context))
	}
	return out
}

// reference returns a traversal as it is written, up to the first index.
func reference(t hcl.Traversal) string {
	var names []string
	for _, step := range t {
		switch s := step.(type) {
		case hcl.TraverseRoot:
			names = append(names, s.Name)
		case hcl.TraverseAttr:
			names = append(names, s.Name)
		default:
			return strings.Join(names, ".")
		}
	}
	return strings.Join(names, ".")
}
