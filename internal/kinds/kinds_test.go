package kinds_test

import (
	"context"
	"reflect"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/config/strict"
	"github.com/regsweep/regsweep/internal/kinds"
)

// The names are part of the configuration's format.
func TestNames(t *testing.T) {
	all := kinds.All()
	var names []string
	for _, k := range all.Sources {
		names = append(names, k.Name)
	}
	for _, k := range all.Registries {
		names = append(names, k.Name)
	}
	names = slices.Concat(names, all.LaterSources, all.LaterRegistries)
	want := []string{
		"kubernetes", "ecs", "lambda", "appRunner", "snapshot", "command", "ecr",
		"batch", "sageMaker", "codeBuild", "oci",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
}

// What is said of a field is said of one that exists, and of a type that it
// applies to.
func TestSettings(t *testing.T) {
	all := kinds.All()
	check := func(kind string, cfg any, settings map[string]config.Setting) {
		types := map[string]reflect.Type{}
		for _, f := range strict.Fields(reflect.TypeOf(cfg).Elem()) {
			types[f.Name] = f.Type
		}
		for name, s := range settings {
			fieldType, ok := types[name]
			if !ok {
				t.Errorf("%s has no field %s", kind, name)
				continue
			}
			list := fieldType == reflect.TypeFor[[]string]()
			if s.Pattern != "" && !list && fieldType.Kind() != reflect.String || s.Unique && !list {
				t.Errorf("%s.%s is a %s, which has no such settings", kind, name, fieldType)
			}
			if _, err := regexp.Compile(s.Pattern); err != nil || (s.Pattern != "" || s.Required) && s.Want == "" {
				t.Errorf("%s.%s: pattern %q, want %q: %v", kind, name, s.Pattern, s.Want, err)
			}
		}
	}
	for _, k := range all.Sources {
		check(k.Name, k.New(), k.Settings)
		if k.New() == k.New() {
			t.Errorf("%s: two configurations are one", k.Name)
		}
	}
	for _, k := range all.Registries {
		check(k.Name, k.New(), k.Settings)
		if k.New() == k.New() {
			t.Errorf("%s: two configurations are one", k.Name)
		}
	}
}

// A registry that cannot be opened is an error and nil, not a nil pointer in an
// interface.
func TestOpenFails(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	env := config.RegistryEnv{
		AWS: awsapi.NewSession(awsapi.Options{Now: time.Now}),
		Now: time.Now,
	}
	for _, k := range kinds.All().Registries {
		reader, err := k.New().OpenReader(ctx, "prod", env)
		if err == nil || reader != nil {
			t.Errorf("%s: reader %v, error %v", k.Name, reader, err)
		}
		writer, err := k.New().OpenWriter(ctx, "prod", env)
		if err == nil || writer != nil {
			t.Errorf("%s: writer %v, error %v", k.Name, writer, err)
		}
		tagger, err := k.New().OpenTagger(ctx, "prod", env)
		if err == nil || tagger != nil {
			t.Errorf("%s: tagger %v, error %v", k.Name, tagger, err)
		}
	}
}
