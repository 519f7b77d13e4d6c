package config

import (
	"context"
	"time"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/config/strict"
	"github.com/regsweep/regsweep/internal/manifests"
	"github.com/regsweep/regsweep/internal/registry"
	"github.com/regsweep/regsweep/internal/usage"
)

// SourceConfig is what the configuration of one kind of usage source decodes
// into.
type SourceConfig = usage.Config

// RegistryEnv is what a registry may use of the world around it.
type RegistryEnv struct {
	// AWS gives SDK configurations.
	AWS *awsapi.Session
	// Now is the clock.
	Now func() time.Time
	// Manifests remembers what manifests say; nil remembers nothing.
	Manifests *manifests.Store
}

// RegistryConfig is what the configuration of one kind of registry decodes
// into. Planning opens a Reader, what marks images a Tagger; only apply and
// restore open a Writer.
type RegistryConfig interface {
	// OpenReader opens the registry for reading. name is its name in the
	// configuration.
	OpenReader(ctx context.Context, name string, env RegistryEnv) (registry.Reader, error)
	// OpenWriter opens it for changes.
	OpenWriter(ctx context.Context, name string, env RegistryEnv) (registry.Writer, error)
	// OpenTagger opens it for giving and taking tags.
	OpenTagger(ctx context.Context, name string, env RegistryEnv) (registry.Tagger, error)
}

// LifecycleConfig is implemented by the configurations of registries that have
// lifecycle policies.
type LifecycleConfig interface {
	// OpenLifecycle opens the policies for reading. wait waits between questions,
	// or returns the context's error.
	OpenLifecycle(ctx context.Context, name string, env RegistryEnv, wait func(context.Context, time.Duration) error) (registry.LifecycleReader, error)
	// OpenLifecycleWriter opens them for changes.
	OpenLifecycleWriter(ctx context.Context, name string, env RegistryEnv) (registry.LifecycleWriter, error)
}

// SourceKind is one kind of usage source.
type SourceKind struct {
	// Name is its field in the configuration.
	Name string
	// Doc describes it for users, in a sentence.
	Doc string
	// New returns a pointer to its Config with the defaults in it.
	New func() SourceConfig
	// Settings say more of the fields of its Config, by name.
	Settings map[string]Setting
}

// RegistryKind is one kind of registry.
type RegistryKind struct {
	// Name is its field in the configuration.
	Name string
	// Doc describes it for users, in a sentence.
	Doc string
	// New returns a pointer to its Config with the defaults in it.
	New func() RegistryConfig
	// Settings say more of the fields of its Config, by name.
	Settings map[string]Setting
}

// Setting says of a field what its Go type does not.
type Setting struct {
	// Doc describes the field for users, in a sentence.
	Doc string
	// Pattern is a regular expression for the text, or for each text of a list,
	// that JSON Schema (ECMA 262) reads alike; "" is any text.
	Pattern string
	// Want says what the text is, "a region such as eu-west-1".
	Want string
	// Required says that the field must be set.
	Required bool
	// Unique says that no text may be in the list twice.
	Unique bool
}

// Kinds are the kinds that a configuration may name.
type Kinds struct {
	Sources    []SourceKind
	Registries []RegistryKind
	// LaterSources and LaterRegistries are kinds that the format has and this
	// version cannot do. They are refused by name, since ignoring them would
	// leave images unprotected.
	LaterSources, LaterRegistries []string
}

// kind is a kind of either sort.
type kind struct {
	name, doc string
	create    func() any
	settings  map[string]Setting
}

func (k Kinds) sources() []kind {
	var all []kind
	for _, s := range k.Sources {
		all = append(all, kind{s.Name, s.Doc, func() any { return s.New() }, s.Settings})
	}
	return all
}

func (k Kinds) registries() []kind {
	var all []kind
	for _, r := range k.Registries {
		all = append(all, kind{r.Name, r.Doc, func() any { return r.New() }, r.Settings})
	}
	return all
}

// entry is what an entry says under its kind.
type entry struct {
	kind   string
	config any
}

// decodeEntry decodes a mapping with the members and exactly one of the kinds.
func decodeEntry(v strict.Value, what string, members []strict.Member, kinds []kind, later []string) entry {
	var e entry
	doc := v.Document()
	for _, k := range kinds {
		config := k.create()
		members = append(members, strict.Member{
			Name: k.name, Type: typeOf(config),
			Decode: func(kv strict.Value) {
				if e.kind != "" {
					doc.WrongField(kv.Path(), "this entry is of the kind %s already: write one entry for each", e.kind)
				} else {
					e = entry{k.name, config}
				}
				kv.Decode(config)
				checkSettings(doc, kv.Path(), config, k.settings)
			},
		})
	}
	for _, name := range later {
		members = append(members, strict.Member{
			Name: name, Empty: true,
			Decode: func(kv strict.Value) {
				doc.WrongField(kv.Path(), "%s %s are not supported by this version of regsweep", name, what)
			},
		})
	}
	var examples []string
	for _, k := range kinds {
		examples = append(examples, k.name+": {…}")
	}
	if v.Mapping("{"+kinds[0].name+": {…}}", members) && e.kind == "" && !doc.Bad(v.Path()) {
		v.Wrong("has no kind: write %s", list(examples))
	}
	return e
}
