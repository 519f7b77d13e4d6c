package image

import (
	"fmt"
	"strings"
	"time"
)

// Time is a moment in milliseconds since the Unix epoch; zero means unknown.
// An unknown time never allows a deletion.
type Time int64

// At converts a time.Time; its zero value becomes the unknown Time.
func At(t time.Time) Time {
	if t.IsZero() {
		return 0
	}
	return Time(t.UnixMilli())
}

// Known reports whether the moment is known.
func (t Time) Known() bool { return t != 0 }

// Time converts back, in UTC; the unknown Time becomes the zero time.Time.
func (t Time) Time() time.Time {
	if !t.Known() {
		return time.Time{}
	}
	return time.UnixMilli(int64(t)).UTC()
}

// Status is the storage state of an image in ECR (imageStatus).
type Status uint8

// The states of an image. Only an active one can be pulled.
const (
	Active Status = iota
	Archived
	Activating
)

// String returns the word for people, such as "archived".
func (s Status) String() string {
	switch s {
	case Active:
		return "active"
	case Archived:
		return "archived"
	case Activating:
		return "activating"
	}
	return "unknown"
}

// Media types of the manifests that list other manifests.
const (
	MediaTypeOCIIndex           = "application/vnd.oci.image.index.v1+json"
	MediaTypeDockerManifestList = "application/vnd.docker.distribution.manifest.list.v2+json"
	MediaTypeOCIManifest        = "application/vnd.oci.image.manifest.v1+json"
	MediaTypeDockerManifest     = "application/vnd.docker.distribution.manifest.v2+json"
)

// IsIndexType reports whether a manifest of this media type lists other
// manifests. Parameters after ";" and case do not matter.
func IsIndexType(mediaType string) bool {
	switch mediaType {
	case MediaTypeOCIManifest, MediaTypeDockerManifest: // nearly all, and quickly
		return false
	case MediaTypeOCIIndex, MediaTypeDockerManifestList:
		return true
	}
	mt, _, _ := strings.Cut(mediaType, ";")
	mt = strings.TrimSpace(mt)
	return strings.EqualFold(mt, MediaTypeOCIIndex) || strings.EqualFold(mt, MediaTypeDockerManifestList)
}

// Image is what a registry says of one manifest in one repository, before its
// manifest is read. Registries hold millions of them: the struct is flat, and
// what many of them have in common is shared.
type Image struct {
	Digest Digest
	// Tags are sorted. Two images of a repository never share a tag.
	Tags []string
	// PushedAt and PulledAt are zero where the registry does not say.
	PushedAt, PulledAt Time
	// Size is compressed bytes as the registry counts them: in ECR the sum of
	// an image's blobs, and for an index the largest of its images.
	Size int64
	// Type is nil where the registry says nothing of it.
	Type   *Type
	Status Status
}

// Type is what a registry says that an image is. Images of the same type share
// one, which is not changed once it is made.
type Type struct {
	MediaType    string
	ArtifactType string
	// Subject is the image that this one is attached to (OCI subject), or zero.
	Subject Digest
}

// NewType returns a type; nil where there is nothing to say.
func NewType(mediaType, artifactType string, subject Digest) *Type {
	if mediaType == "" && artifactType == "" && subject.IsZero() {
		return nil
	}
	return &Type{mediaType, artifactType, subject}
}

// IsIndex reports whether the image lists other images.
func (i *Image) IsIndex() bool { return IsIndexType(i.MediaType()) }

// MediaType returns the media type of the manifest, or "".
func (i *Image) MediaType() string {
	if i.Type == nil {
		return ""
	}
	return i.Type.MediaType
}

// ArtifactType returns the artifact type, or "".
func (i *Image) ArtifactType() string {
	if i.Type == nil {
		return ""
	}
	return i.Type.ArtifactType
}

// Subject returns the image that this one is attached to (OCI subject), or zero.
func (i *Image) Subject() Digest {
	if i.Type == nil {
		return Digest{}
	}
	return i.Type.Subject
}

// Repository is one repository of one registry.
type Repository struct {
	// Registry is the registry's name in the configuration.
	Registry string
	// Name is the path without the host, for example "apps/web".
	Name string
	// Tags are the repository's resource tags, and nil where TagsError says why
	// they are not known.
	Tags      map[string]string
	TagsError error
	// CreatedAt is zero where the registry does not say.
	CreatedAt Time
	// Mutability says which tags can be moved.
	Mutability Mutability
}

// Contents is everything that a registry says of one repository: the input of
// the graph.
type Contents struct {
	Repository Repository
	// Images are sorted by digest; each digest occurs once.
	Images []Image
	// Manifests has one entry for each image, nil where the manifest was not
	// read. The manifest of every index is read; that of an image only when it
	// is needed.
	Manifests []*Manifest
	// Unreadable says, by position in Images, why the manifest of an index
	// could not be read or parsed. Such an index may hold any image of the
	// repository.
	Unreadable map[int]string
	// GuardsListed says that the registry refuses to delete an image that an
	// index lists, as ECR does (ImageReferencedByManifestList).
	GuardsListed bool
	// OwnPulls says, by position in Images, which pull times may be this
	// tool's own reading of the manifest, which ECR counts as a pull
	// (aws/containers-roadmap#2390), and what the pull time was before it.
	OwnPulls map[int]Time
}

// MarshalText implements encoding.TextMarshaler: RFC 3339 in UTC.
func (t Time) MarshalText() ([]byte, error) {
	if !t.Known() {
		return nil, nil
	}
	return []byte(t.Time().Format(time.RFC3339Nano)), nil
}

// UnmarshalText implements encoding.TextUnmarshaler; the empty text is unknown.
func (t *Time) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*t = 0
		return nil
	}
	v, err := time.Parse(time.RFC3339Nano, string(text))
	if err != nil {
		return fmt.Errorf("%q is not a time: %w", text, err)
	}
	*t = At(v)
	return nil
}
