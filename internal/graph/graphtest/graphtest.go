// Package graphtest builds repositories for tests, image by image.
package graphtest

import (
	"slices"
	"time"

	"github.com/regsweep/regsweep/internal/graph"
	"github.com/regsweep/regsweep/internal/image"
)

// Now is the time that ages are counted from.
var Now = image.At(time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC))

// Day is 24 hours.
const Day = 24 * time.Hour

// Repository is a repository that is being built.
type Repository struct{ image.Contents }

// New returns an empty repository of the registry "prod".
func New(name string) *Repository {
	r := &Repository{}
	r.Repository = image.Repository{Registry: "prod", Name: name, Tags: map[string]string{}}
	r.Unreadable, r.OwnPulls = map[int]string{}, map[int]image.Time{}
	return r
}

// Option changes an image.
type Option func(*image.Image, *image.Manifest)

// D returns the digest of the image of this name.
func D(name string) image.Digest { return image.DigestOf([]byte(name)) }

// Tags gives an image tags.
func Tags(tags ...string) Option {
	return func(i *image.Image, _ *image.Manifest) {
		i.Tags = append(i.Tags, tags...)
		slices.Sort(i.Tags)
	}
}

// Age makes an image as old as this.
func Age(d time.Duration) Option {
	return func(i *image.Image, _ *image.Manifest) { i.PushedAt = Now - image.Time(d.Milliseconds()) }
}

// Pulled says how long ago an image was pulled.
func Pulled(d time.Duration) Option {
	return func(i *image.Image, _ *image.Manifest) { i.PulledAt = Now - image.Time(d.Milliseconds()) }
}

// Subject attaches an image to the one of this name.
func Subject(name string) Option {
	return func(i *image.Image, m *image.Manifest) {
		m.Subject = D(name).OrNil()
		i.Type = image.NewType(i.MediaType(), "application/spdx+json", D(name))
	}
}

// Lists makes an image an index over the images of these names.
func Lists(names ...string) Option {
	return func(i *image.Image, m *image.Manifest) {
		i.Type = image.NewType(image.MediaTypeOCIIndex, i.ArtifactType(), i.Subject())
		for _, n := range names {
			m.Children = append(m.Children, image.Child{Digest: D(n), Platform: "linux/" + n})
		}
	}
}

// Artifacts makes an image an index over artifacts, as a referrers tag names.
func Artifacts(names ...string) Option {
	return func(i *image.Image, m *image.Manifest) {
		i.Type = image.NewType(image.MediaTypeOCIIndex, i.ArtifactType(), i.Subject())
		for _, n := range names {
			m.Children = append(m.Children, image.Child{Digest: D(n)})
		}
	}
}

// Size gives an image a size in bytes.
func Size(bytes int64) Option {
	return func(i *image.Image, _ *image.Manifest) { i.Size = bytes }
}

// With changes an image in any other way.
func With(change func(*image.Image)) Option {
	return func(i *image.Image, _ *image.Manifest) { change(i) }
}

// Add adds an image, a day old and untagged unless the options say otherwise.
func (r *Repository) Add(name string, options ...Option) *Repository {
	i := image.Image{Digest: D(name), Type: image.NewType(image.MediaTypeOCIManifest, "", image.Digest{}), Size: 1000}
	m := image.Manifest{}
	Age(Day)(&i, &m)
	for _, o := range options {
		o(&i, &m)
	}
	at, _ := slices.BinarySearchFunc(r.Images, i.Digest, func(i image.Image, d image.Digest) int { return i.Digest.Compare(d) })
	r.Images = slices.Insert(r.Images, at, i)
	manifest := (*image.Manifest)(nil)
	if i.IsIndex() {
		manifest = &m
	}
	r.Manifests = slices.Insert(r.Manifests, at, manifest)
	return r
}

// Unread makes the manifest of an index unreadable; call it after the last Add.
func (r *Repository) Unread(name string) *Repository {
	i, ok := r.Graph().Find(D(name))
	if !ok {
		panic("no image " + name)
	}
	r.Manifests[i] = nil
	r.Unreadable[int(i)] = "unexpected end of JSON input"
	return r
}

// Graph returns the graph of the repository.
func (r *Repository) Graph() *graph.Graph { return graph.Build(&r.Contents) }
