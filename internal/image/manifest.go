package image

import (
	"errors"
	"fmt"
	"slices"
)

// Manifest is the part of an OCI or Docker manifest that decides what must
// live with what, and what a deletion frees.
type Manifest struct {
	MediaType    string
	ArtifactType string
	// Subject is the image that this one is attached to, or nil.
	Subject *Digest
	// Config is the digest of the config blob, which is what docker calls the
	// image id; nil for an index.
	Config *Digest
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

// ParseManifest reads a manifest or an index. declared is the media type that
// the registry stores for it, which wins over an absent one in the content.
//
// A manifest that cannot be read completely is an error and never a partial
// result: an index of unknown children could hold any image.
func ParseManifest(content []byte, declared string) (*Manifest, error) {
	// Most manifests fit into these, and then nothing is allocated that does not
	// remain.
	var (
		children [8]Child
		layers   [16]descriptor
	)
	w, err := readManifest(content, children[:], layers[:])
	if err != nil {
		return nil, fmt.Errorf("parse manifest: %w", err)
	}
	m := &Manifest{MediaType: declared, ArtifactType: jsonString(w.artifactType, "")}
	if len(w.mediaType) != 0 {
		m.MediaType = jsonString(w.mediaType, declared)
	}
	if w.hasSubject {
		if m.Subject = w.subject.Digest.OrNil(); m.Subject == nil {
			return nil, errors.New("parse manifest: the subject has no digest")
		}
	}
	switch {
	case w.hasList:
		m.Children = append(m.Children, w.children...)
	case IsIndexType(m.MediaType) || IsIndexType(declared):
		return nil, errors.New("parse manifest: an index without a list of manifests")
	default:
		m.addBlobs(&w)
	}
	return m, nil
}

// addBlobs adds the blobs of an image, each once but those of Docker schema 1.
func (m *Manifest) addBlobs(w *wireManifest) {
	if n := 1 + len(w.layers.list()) + len(w.blobs.list()) + len(w.fsLayers.list()); n > 1 || w.config.digested {
		m.Blobs = make([]Blob, 0, n)
	}
	var seen blobSet
	add := func(b Blob) {
		if !b.Digest.IsZero() && seen.add(b.Digest, m.Blobs) {
			m.Blobs = append(m.Blobs, b)
		}
	}
	m.Config = w.config.Digest.OrNil()
	add(w.config.Blob)
	for _, list := range [...][]descriptor{w.layers.list(), w.blobs.list()} {
		for i := range list {
			add(list[i].Blob)
		}
	}
	for _, l := range w.fsLayers.list() {
		m.Blobs = append(m.Blobs, Blob{Digest: l.Digest})
	}
	if len(m.Blobs) == 0 {
		m.Blobs = nil
	}
}

// blobSet knows which digests a list of blobs has. It is a map for long lists
// only: to look through a short one takes less.
type blobSet map[Digest]struct{}

// add reports whether a digest is not in the list yet.
func (s *blobSet) add(d Digest, list []Blob) bool {
	if len(list) < 32 {
		return !slices.ContainsFunc(list, func(b Blob) bool { return b.Digest == d })
	}
	if *s == nil {
		*s = make(blobSet, 2*len(list))
		for _, b := range list {
			(*s)[b.Digest] = struct{}{}
		}
	}
	_, known := (*s)[d]
	(*s)[d] = struct{}{}
	return !known
}
