package image

import (
	"encoding/json"
	"errors"
	"fmt"
)

// jsonDescriptor is the wire form of an OCI descriptor.
type jsonDescriptor struct {
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

// referenceManifest is what ParseManifest means, in the words of encoding/json.
func referenceManifest(content []byte, declared string) (*Manifest, error) {
	var raw struct {
		SchemaVersion int                     `json:"schemaVersion"`
		MediaType     string                  `json:"mediaType"`
		ArtifactType  string                  `json:"artifactType"`
		Config        *jsonDescriptor         `json:"config"`
		Layers        []jsonDescriptor        `json:"layers"`
		Manifests     once[*[]jsonDescriptor] `json:"manifests"`
		Subject       once[*jsonDescriptor]   `json:"subject"`
		// Blobs is the field of the withdrawn OCI artifact manifest.
		Blobs []jsonDescriptor `json:"blobs"`
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
		m.Subject = subject.Digest.value.OrNil()
		if m.Subject == nil {
			return nil, errors.New("parse manifest: the subject has no digest")
		}
	}
	list := raw.Manifests.value
	isIndex := list != nil || IsIndexType(m.MediaType) || IsIndexType(declared)
	if !isIndex {
		referenceBlobs(m, raw.Config, raw.Layers, raw.Blobs)
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

func referenceBlobs(m *Manifest, config *jsonDescriptor, lists ...[]jsonDescriptor) {
	seen := map[Digest]bool{}
	add := func(d jsonDescriptor) {
		digest := d.Digest.value
		if digest.IsZero() || seen[digest] {
			return
		}
		seen[digest] = true
		m.Blobs = append(m.Blobs, Blob{Digest: digest, Size: d.Size})
	}
	if config != nil {
		m.Config = config.Digest.value.OrNil()
		add(*config)
	}
	for _, list := range lists {
		for _, d := range list {
			add(d)
		}
	}
}
