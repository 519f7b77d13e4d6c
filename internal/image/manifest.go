package image

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Manifest is the part of an OCI or Docker manifest that decides what must
// live with what, and what a deletion frees.
type Manifest struct {
	MediaType    string
	ArtifactType string
	Subject      Digest
	// Config is the digest of the config blob, which is what docker calls the
	// image id; zero for an index.
	Config Digest
	// Children are the manifests that an index lists, in its order.
	Children []Child
	// Blobs are the config and the layers of an image, with their sizes in
	// bytes; a blob that occurs twice is listed once.
	Blobs []Blob
}

// Child is one entry of an index.
type Child struct {
	Digest Digest
	// Platform is "os/arch[/variant]", and empty where the entry names none, as
	// in the index of a referrers tag.
	Platform string
	Size     int64
}

// Blob is one stored blob.
type Blob struct {
	Digest Digest
	Size   int64
}

// descriptor is the wire form of an OCI descriptor.
type descriptor struct {
	MediaType string       `json:"mediaType"`
	Digest    once[Digest] `json:"digest"`
	Size      int64        `json:"size"`
	Platform  *struct {
		OS           string `json:"os"`
		Architecture string `json:"architecture"`
		Variant      string `json:"variant"`
	} `json:"platform"`
}

// once is a field that must not occur twice. Of equal names encoding/json takes
// the last, and names that differ in case only are equal to it: of two lists of
// an index it would lose one without an error.
type once[T any] struct {
	value T
	seen  bool
}

// UnmarshalJSON implements json.Unmarshaler.
func (o *once[T]) UnmarshalJSON(content []byte) error {
	if o.seen {
		return errors.New("a field that decides what is listed or attached occurs twice")
	}
	o.seen = true
	return json.Unmarshal(content, &o.value)
}

// ParseManifest reads a manifest or an index. declared is the media type that
// the registry stores for it, which wins over an absent one in the content.
//
// A manifest that cannot be read completely is an error and never a partial
// result: an index of unknown children could hold any image.
func ParseManifest(content []byte, declared string) (*Manifest, error) {
	var raw struct {
		SchemaVersion int                 `json:"schemaVersion"`
		MediaType     string              `json:"mediaType"`
		ArtifactType  string              `json:"artifactType"`
		Config        *descriptor         `json:"config"`
		Layers        []descriptor        `json:"layers"`
		Manifests     once[*[]descriptor] `json:"manifests"`
		Subject       once[*descriptor]   `json:"subject"`
		// Blobs is the field of the withdrawn OCI artifact manifest.
		Blobs []descriptor `json:"blobs"`
		// FSLayers marks Docker schema 1, which references no manifest.
		FSLayers []struct {
			BlobSum Digest `json:"blobSum"`
		} `json:"fsLayers"`
	}
	if err := json.Unmarshal(content, &raw); err != nil {
		return nil, fmt.Errorf("parse manifest: %w", err)
	}
	m := &Manifest{MediaType: raw.MediaType, ArtifactType: raw.ArtifactType}
	if m.MediaType == "" {
		m.MediaType = declared
	}
	if subject := raw.Subject.value; subject != nil {
		m.Subject = subject.Digest.value
		if m.Subject.IsZero() {
			return nil, errors.New("parse manifest: the subject has no digest")
		}
	}
	list := raw.Manifests.value
	isIndex := list != nil || IsIndexType(m.MediaType) || IsIndexType(declared)
	if !isIndex {
		m.addBlobs(raw.Config, raw.Layers, raw.Blobs)
		for _, l := range raw.FSLayers {
			m.Blobs = append(m.Blobs, Blob{Digest: l.BlobSum})
		}
		return m, nil
	}
	if list == nil {
		return nil, errors.New("parse manifest: an index without a list of manifests")
	}
	for i, c := range *list {
		if c.Digest.value.IsZero() {
			return nil, fmt.Errorf("parse manifest: entry %d of the index has no digest", i)
		}
		child := Child{Digest: c.Digest.value, Size: c.Size}
		if p := c.Platform; p != nil {
			child.Platform = p.OS + "/" + p.Architecture
			if p.Variant != "" {
				child.Platform += "/" + p.Variant
			}
		}
		m.Children = append(m.Children, child)
	}
	return m, nil
}

func (m *Manifest) addBlobs(config *descriptor, lists ...[]descriptor) {
	seen := map[Digest]bool{}
	add := func(d descriptor) {
		digest := d.Digest.value
		if digest.IsZero() || seen[digest] {
			return
		}
		seen[digest] = true
		m.Blobs = append(m.Blobs, Blob{Digest: digest, Size: d.Size})
	}
	if config != nil {
		m.Config = config.Digest.value
		add(*config)
	}
	for _, list := range lists {
		for _, d := range list {
			add(d)
		}
	}
}
