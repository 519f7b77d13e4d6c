// Package usage turns what the usage sources see into the set of uses that the
// law protects. A source only reports what it saw; parsing, joining, sorting
// and the decision what is a gap are done once, here.
package usage

import (
	"context"
	"time"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/image"
)

// Observation is one thing that a source saw: a holder that names an image.
type Observation struct {
	// Holder is who names it, without the source's name in front: the collector
	// puts that there. For a pod it is "namespace/Kind/name" of the topmost owner.
	Holder string
	State  image.State
	// Asked is the reference as the holder wrote it.
	Asked string
	// Got is what the platform reports to have pulled, as it reports it
	// ("repo@sha256:…", "docker-pullable://…", a bare image id), or "".
	Got string
}

// Findings is what a source returns.
type Findings struct {
	Observations []Observation
	// Notes are things to tell that are no gap, for example "3 functions are
	// not container images".
	Notes []string
}

// Source is one place where images can be in use.
type Source interface {
	// Name identifies the source in plans and for --ignore-gap, for example
	// "kubernetes/prod". It is unique in a configuration.
	Name() string
	// Collect reads the source completely. With an error it still returns what
	// it found, since that protects; the error makes the source a gap. A denied
	// call, a missing page or an unreadable value is an error and never
	// "nothing is used".
	Collect(ctx context.Context) (Findings, error)
}

// Config is what the configuration of one kind of source decodes into.
type Config interface {
	// Open makes the sources of this entry of the configuration: usually one,
	// and one for each context or region where the entry names several. name is
	// the entry's name, which is the kind unless the user chose another; several
	// sources are called name/part. It makes no call that can be denied: what
	// goes wrong there is the source's gap and comes from Collect.
	Open(name string, env Env) ([]Source, error)
}

// Env is what a source may use of the world around it.
type Env struct {
	// AWS gives SDK configurations; see awsapi.
	AWS *awsapi.Session
	// Regions are the AWS regions that a source reads where the configuration
	// names none: those of the registries and of the environment. With the
	// environment's alone, another setting there would hide what runs.
	Regions []string
	// Getenv reads the environment.
	Getenv func(string) string
	// Now is the clock.
	Now func() time.Time
	// Dir is the folder that relative paths of the configuration start from.
	Dir string
	// CacheDir is the folder for what never changes, or "" for no cache.
	CacheDir string
}
