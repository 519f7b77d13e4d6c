package usage

import (
	"context"

	"github.com/regsweep/regsweep/internal/image"
)

// Watcher is a Source that tells at once what comes into use.
type Watcher interface {
	Source
	// Watch calls seen with what is in use when it begins, and then with whatever
	// comes into use, until the context ends; then nothing of it runs any more. An
	// observation can come many times. Where something cannot be read Watch tells
	// failed why, and goes on: what is in use when it can be read again is seen
	// then. Both are called by several goroutines at once.
	Watch(ctx context.Context, seen func([]Observation), failed func(error))
}

// Namespaced is a Source whose holders are in namespaces.
type Namespaced interface {
	Source
	// Namespace returns the namespace of an observation's holder, or "" for one
	// that is in none.
	Namespace(holder string) string
}

// Join turns what a source of this name observed into uses, sorted. What cannot
// be a reference is left out. The error is for a mistake of the source.
func Join(source string, observations []Observation) ([]image.Use, error) {
	t, err := tallyUp(source, Findings{Observations: observations})
	return t.uses, err
}
