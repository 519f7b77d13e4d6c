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
	MediaType string `json:"mediaType"`
	Digest    Digest `json:"digest"`
	Size      int64  `json:"size"`
	Platform  *struct {
		OS           string `json:"os"`
		Architecture string `json:"architecture"`
		Variant      string `json:"variant"`
	} `json:"platform"`
}

// ParseManifest reads a manifest or an index. declared is the media type that
// the registry stores for it, which wins over an absent one in the content.
//
// A manifest that cannot be read completely is an error and never a partial
// result: an index of unknown children could hold any image.
func ParseManifest(content []byte, declared string) (*Manifest, error) {
	var raw struct {
		SchemaVersion int           `json:"schemaVersion"`
		MediaType     string        `json:"mediaType"`
		ArtifactType  string        `json:"artifactType"`
		Config        *descriptor   `json:"config"`
		Layers        []descriptor  `json:"layers"`
		Manifests     *[]descriptor `json:"manifests"`
		Subject       *descriptor   `json:"subject"`
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
	if raw.Subject != nil {
		m.Subject = raw.Subject.Digest
		if m.Subject.IsZero() {
			return nil, errors.New("parse manifest: the subject has no digest")
		}
	}
	isIndex := raw.Manifests != nil || IsIndexType(m.MediaType) || IsIndexType(declared)
	if !isIndex {
		m.addBlobs(raw.Config, raw.Layers, raw.Blobs)
		for _, l := range raw.FSLayers {
			m.Blobs = append(m.Blobs, Blob{Digest: l.BlobSum})
		}
		return m, nil
	}
	if raw.Manifests == nil {
		return nil, errors.New("parse manifest: an index without a list of manifests")
	}
	for i, c := range *raw.Manifests {
		if c.Digest.IsZero() {
			return nil, fmt.Errorf("parse manifest: entry %d of the index has no digest", i)
		}
		child := Child{Digest: c.Digest, Size: c.Size}
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
		if d.Digest.IsZero() || seen[d.Digest] {
			return
		}
		seen[d.Digest] = true
		m.Blobs = append(m.Blobs, Blob{Digest: d.Digest, Size: d.Size})
	}
	if config != nil {
		m.Config = config.Digest
		add(*config)
	}
	for _, list := range lists {
		for _, d := range list {
			add(d)
		}
	}
}
