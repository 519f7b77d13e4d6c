// Package registrytest is the suite of tests that every implementation of
// registry.Reader, registry.Tagger and registry.Writer passes.
package registrytest

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/registry"
)

// Fixture is a registry with no repositories in it, and how to fill it.
type Fixture struct {
	Reader registry.Reader
	Writer registry.Writer
	// Tagger is over the same registry.
	Tagger registry.Tagger
	// Create makes an empty repository with resource tags. It is nil where
	// repositories begin to exist when an image is pushed.
	Create func(t *testing.T, repository string, tags map[string]string)
	// Push stores a manifest with its blobs under the tags, and moves a tag that
	// another image has. The repository has been created where that can be.
	Push func(t *testing.T, repository string, m Manifest, tags ...string)
	// Restored lets the time pass that it takes until an image that was asked
	// back from the archive is active. It is nil where there is no archive.
	Restored func(t *testing.T)
	// Collected lets the time pass until layers are gone that no image lists.
	Collected func(t *testing.T)
	// FixTags makes the tags of a repository immutable, all but those with the
	// prefix; "" is none. It is nil where tags can always be moved.
	FixTags func(t *testing.T, repository, except string)
	// MaxTags is how many tags an image can have; 0 is any number.
	MaxTags int
	// PageSize is how many images the reader gets in one call, for a test that
	// needs several.
	PageSize int
	// GuardsListed says that the registry refuses to delete an image that an
	// index lists.
	GuardsListed bool
}

// Manifest is a manifest to push.
type Manifest struct {
	Content   []byte
	MediaType string
	// Blobs are what the manifest names besides other manifests.
	Blobs [][]byte
}

// Digest returns the digest of the manifest.
func (m Manifest) Digest() image.Digest { return image.DigestOf(m.Content) }

// wire is the JSON form of manifests.
type wire struct {
	SchemaVersion int     `json:"schemaVersion"`
	MediaType     string  `json:"mediaType"`
	Config        *entry  `json:"config,omitempty"`
	Layers        []entry `json:"layers,omitempty"`
	Manifests     []entry `json:"manifests,omitempty"`
	Subject       *entry  `json:"subject,omitempty"`
}

type entry struct {
	MediaType string    `json:"mediaType"`
	Digest    string    `json:"digest"`
	Size      int       `json:"size"`
	Platform  *platform `json:"platform,omitempty"`
}

type platform struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
}

// blob describes a blob.
func blob(mediaType string, content []byte) entry {
	return entry{MediaType: mediaType, Digest: image.DigestOf(content).String(), Size: len(content)}
}

// encode makes a manifest of its JSON form.
func encode(w wire, blobs ...[]byte) Manifest {
	w.SchemaVersion = 2
	content, err := json.Marshal(w)
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	return Manifest{Content: content, MediaType: w.MediaType, Blobs: blobs}
}

// single returns the manifest of an image whose content is named by seed. All
// of them share a layer.
func single(seed string) Manifest { return attached(seed, nil) }

// attached returns the manifest of an artifact whose subject is another one.
func attached(seed string, subject *Manifest) Manifest {
	config := fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"author":%q}`, seed)
	base, layer := []byte("a layer that all share"), []byte("the layer of "+seed)
	const layerType = "application/vnd.oci.image.layer.v1.tar+gzip"
	c := blob("application/vnd.oci.image.config.v1+json", config)
	w := wire{MediaType: image.MediaTypeOCIManifest, Config: &c, Layers: []entry{blob(layerType, base), blob(layerType, layer)}}
	if subject != nil {
		s := blob(subject.MediaType, subject.Content)
		w.Subject = &s
	}
	return encode(w, config, base, layer)
}

// index returns an index of the manifests, in one of the two media types.
func index(mediaType string, children ...Manifest) Manifest {
	w := wire{MediaType: mediaType}
	for i, c := range children {
		e := blob(c.MediaType, c.Content)
		e.Platform = &platform{OS: "linux", Architecture: [...]string{"amd64", "arm64", "s390x"}[i%3]}
		w.Manifests = append(w.Manifests, e)
	}
	return encode(w)
}
