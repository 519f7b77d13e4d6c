package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/regsweep/regsweep/internal/config/strict"
	"github.com/regsweep/regsweep/internal/policy"
)

// options returns how the parts of a configuration are written that do not
// follow from the structs.
func options(lookupEnv func(string) (string, bool), kinds Kinds) strict.Options {
	types := strict.Types{}
	strict.Add(types, decodeAge)
	strict.Add(types, decodeMode)
	strict.Add(types, func(v strict.Value, out *Registry) { decodeRegistry(v, out, kinds) })
	strict.Add(types, func(v strict.Value, out *Usage) { decodeUsage(v, out, kinds) })
	return strict.Options{
		LookupEnv: lookupEnv,
		Types:     types,
		Paths:     map[string]func(strict.Value, reflect.Value){"limits.maxShare": decodeShare},
		AllowZero: []string{"grace"},
		Hint:      func(parent, field string) string { return hint(parent, field, kinds) },
	}
}

func decodeRegistry(v strict.Value, out *Registry, kinds Kinds) {
	e := decodeEntry(v, "registries", []strict.Member{
		{Name: "name", Decode: func(v strict.Value) { v.Decode(&out.Name) }},
	}, kinds.registries(), kinds.LaterRegistries)
	if out.Kind = e.kind; e.config != nil {
		out.Config = e.config.(RegistryConfig)
	}
}

func decodeUsage(v strict.Value, out *Usage, kinds Kinds) {
	if v.IsScalar() {
		v.Parse("the word none", func(text string) error {
			if out.None = text == "none"; !out.None {
				return fmt.Errorf("must be a list of sources, or none, and this is %q", text)
			}
			return nil
		})
		return
	}
	v.List("{kubernetes: {…}}", func(_ int, v strict.Value) {
		var s Source
		decodeSource(v, &s, kinds)
		out.Sources = append(out.Sources, s)
	})
}

func decodeSource(v strict.Value, out *Source, kinds Kinds) {
	e := decodeEntry(v, "usage sources", []strict.Member{
		{Name: "name", Decode: func(v strict.Value) { v.Decode(&out.Name) }},
		{Name: "covers", Type: typeOf(&out.Covers), Decode: func(v strict.Value) { v.Decode(&out.Covers) }},
		{Name: "atLeast", Decode: func(v strict.Value) { v.Decode(&out.AtLeast) }},
	}, kinds.sources(), kinds.LaterSources)
	if out.Kind = e.kind; e.config != nil {
		out.Config = e.config.(SourceConfig)
	}
}

// decodeAge decodes a duration, or a mapping that says which resource tag of
// the repository holds it.
func decodeAge(v strict.Value, out *policy.Age) {
	if !v.IsMapping() {
		if v.IsScalar() {
			v.Decode(&out.Fixed)
		} else {
			v.Wrong("must be a duration such as 14d, or a mapping such as {repositoryTag: KeepDays, unit: d, default: 30d}")
		}
		return
	}
	out.Unit, _ = strict.Unit("d")
	unit := strict.Member{Name: "unit", Decode: func(v strict.Value) {
		v.Parse("one of s, m, h, d and w", func(text string) error {
			u, ok := strict.Unit(text)
			if !ok {
				return fmt.Errorf("must be one of s, m, h, d and w, and this is %q", text)
			}
			out.Unit = u
			return nil
		})
	}}
	fallback := strict.Member{Name: "default", Decode: func(v strict.Value) {
		v.Decode(&out.Default)
		out.HasDefault = true
	}}
	tag := strict.Member{Name: "repositoryTag", Decode: func(v strict.Value) { v.Decode(&out.RepositoryTag) }}
	if v.Mapping("{repositoryTag: KeepDays, unit: d, default: 30d}", []strict.Member{tag, unit, fallback}) &&
		out.RepositoryTag == "" && !v.Document().Bad(v.Path()) {
		v.Wrong("has no repositoryTag: name the resource tag to read, or write a duration such as 14d")
	}
}

// decodeMode decodes a mode, or a mapping that says it by a switch, which is what
// environments have: {dryRun: false} is apply.
func decodeMode(v strict.Value, out *Mode) {
	if !v.IsMapping() {
		var text string
		v.Decode(&text)
		*out = Mode(text)
		return
	}
	set, dry := false, true
	member := strict.Member{Name: "dryRun", Decode: func(v strict.Value) {
		set = true
		v.Decode(&dry)
	}}
	if v.Mapping("{dryRun: true}", []strict.Member{member}) && !set && !v.Document().Bad(v.Path()) {
		v.Wrong("has no dryRun: write {dryRun: true}, or plan")
	}
	*out = ModePlan
	if !dry && !v.Document().Bad(v.Path()) {
		*out = ModeApply
	}
}

// decodeShare decodes a share of 1: 50% or 0.5.
func decodeShare(v strict.Value, out reflect.Value) {
	v.Parse("a share such as 50%", func(text string) error {
		share, err := parseShare(text)
		out.SetFloat(share)
		return err
	})
}

func parseShare(text string) (float64, error) {
	digits, percent := strings.CutSuffix(text, "%")
	n, err := strict.ParseFloat(strings.TrimSpace(digits))
	switch {
	case err != nil:
		return 0, fmt.Errorf("must be a share such as 50%% or 0.5, and this is %q", text)
	case n < 0:
		return 0, errors.New("a share cannot be negative")
	case percent && n <= 100:
		return n / 100, nil
	case percent:
		return 0, fmt.Errorf("%s is more than everything: 100%% is the most", text)
	case n < 1:
		return n, nil
	}
	// 1 could mean 1% as well as everything.
	return 0, fmt.Errorf("%s is no share: write a percentage such as %s%%, or a number below 1 such as 0.5", text, text)
}

// typeOf returns the type that a pointer points to.
func typeOf(pointer any) reflect.Type { return reflect.TypeOf(pointer).Elem() }

// list writes names as "a, b or c".
func list(names []string) string {
	last := len(names) - 1
	if last < 1 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
