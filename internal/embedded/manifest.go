package embedded

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// Media types of manifests that ECR accepts, and of what they list.
const (
	MediaTypeOCIManifest  = "application/vnd.oci.image.manifest.v1+json"
	MediaTypeOCIIndex     = "application/vnd.oci.image.index.v1+json"
	MediaTypeOCIConfig    = "application/vnd.oci.image.config.v1+json"
	MediaTypeOCILayer     = "application/vnd.oci.image.layer.v1.tar+gzip"
	MediaTypeOCIEmpty     = "application/vnd.oci.empty.v1+json"
	MediaTypeDocker       = "application/vnd.docker.distribution.manifest.v2+json"
	MediaTypeDockerList   = "application/vnd.docker.distribution.manifest.list.v2+json"
	MediaTypeDockerConfig = "application/vnd.docker.container.image.v1+json"
	MediaTypeDockerLayer  = "application/vnd.docker.image.rootfs.diff.tar.gzip"
)

// Descriptor points at a blob or a manifest, as in the OCI image
// specification.
type Descriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       string            `json:"digest"`
	Size         int64             `json:"size"`
	Platform     *Platform         `json:"platform,omitempty"`
	ArtifactType string            `json:"artifactType,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
}

// Platform is what an image runs on.
type Platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
	Variant      string `json:"variant,omitempty"`
}

// Manifest is an image manifest (it has a config) or an index (it has
// manifests), in the OCI or the Docker format.
type Manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType,omitempty"`
	ArtifactType  string            `json:"artifactType,omitempty"`
	Config        *Descriptor       `json:"config,omitempty"`
	Layers        []Descriptor      `json:"layers,omitempty"`
	Manifests     []Descriptor      `json:"manifests,omitempty"`
	Subject       *Descriptor       `json:"subject,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// NewImage returns an OCI image manifest.
func NewImage(config Descriptor, layers ...Descriptor) Manifest {
	return Manifest{SchemaVersion: 2, MediaType: MediaTypeOCIManifest, Config: &config, Layers: layers}
}

// NewIndex returns an OCI index over the images.
func NewIndex(images ...Descriptor) Manifest {
	return Manifest{SchemaVersion: 2, MediaType: MediaTypeOCIIndex, Manifests: images}
}

// NewArtifact returns an OCI manifest that refers to the subject: a signature,
// an SBOM and the like. Its config is the empty blob of the specification.
func NewArtifact(artifactType string, subject Descriptor, layers ...Descriptor) Manifest {
	empty := Descriptor{MediaType: MediaTypeOCIEmpty, Digest: Digest([]byte("{}")), Size: 2}
	m := NewImage(empty, layers...)
	m.ArtifactType, m.Subject = artifactType, &subject
	return m
}

// ConfigBlob describes an image config whose content is named by the seed.
// Equal seeds give equal digests.
func ConfigBlob(seed string, size int64) Descriptor {
	return Descriptor{MediaType: MediaTypeOCIConfig, Digest: Digest([]byte("config " + seed)), Size: size}
}

// LayerBlob describes a layer whose content is named by the seed. Equal seeds
// give equal digests, as of a base image that many images share.
func LayerBlob(seed string, size int64) Descriptor {
	return Descriptor{MediaType: MediaTypeOCILayer, Digest: Digest([]byte("layer " + seed)), Size: size}
}

// Bytes returns the manifest as it is pushed.
func (m Manifest) Bytes() []byte {
	b, err := json.Marshal(m)
	if err != nil {
		panic(err) // strings, numbers and maps of strings always encode
	}
	return b
}

// Descriptor points at the manifest, for an index or as a subject.
func (m Manifest) Descriptor() Descriptor {
	b := m.Bytes()
	return Descriptor{MediaType: m.MediaType, Digest: Digest(b), Size: int64(len(b))}
}

// On returns the descriptor with a platform, as it stands in an index.
func (d Descriptor) On(os, architecture string) Descriptor {
	d.Platform = &Platform{OS: os, Architecture: architecture}
	return d
}

// Digest returns "sha256:" and the hexadecimal digest of the bytes.
func Digest(b []byte) string {
	sum := sha256.Sum256(b)
	text := make([]byte, 0, len("sha256:")+2*len(sum))
	return string(hex.AppendEncode(append(text, "sha256:"...), sum[:]))
}

// isIndex reports whether manifests of the media type list other manifests.
func isIndex(mediaType string) bool {
	return mediaType == MediaTypeOCIIndex || mediaType == MediaTypeDockerList
}

// parseManifest reads a manifest as PutImage does. The media type is that of
// the request, or else the one that the manifest names.
func parseManifest(b []byte, mediaType string) (Manifest, error) {
	var m Manifest
	if len(b) == 0 || len(b) > maxManifest {
		return m, invalidAt("imageManifest", "must have length between 1 and 4194304")
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, invalidAt("imageManifest", "Invalid JSON syntax")
	}
	switch {
	case mediaType == "" && m.MediaType == "":
		return m, invalidAt("imageManifestMediaType", "must be given for a manifest without mediaType")
	case mediaType != "" && m.MediaType != "" && mediaType != m.MediaType:
		return m, invalidAt("imageManifestMediaType", "must equal the manifest's mediaType")
	case mediaType != "":
		m.MediaType = mediaType
	}
	switch m.MediaType = intern(m.MediaType); m.MediaType {
	case MediaTypeOCIIndex, MediaTypeDockerList:
	case MediaTypeOCIManifest, MediaTypeDocker:
		if m.Config == nil || m.Config.Digest == "" {
			return m, invalidAt("imageManifest", "must have a config")
		}
	default:
		return m, invalidAt("imageManifestMediaType", "must be a supported media type")
	}
	if m.Subject != nil && !digestFormat.MatchString(m.Subject.Digest) {
		return m, invalidAt("imageManifest", "must have a subject with a digest")
	}
	return m, nil
}

// artifactType returns what the manifest is: its artifactType, or else the
// media type of its config (OCI distribution specification, listing referrers).
func (m Manifest) artifactType() string {
	if m.ArtifactType != "" || m.Config == nil {
		return m.ArtifactType
	}
	return intern(m.Config.MediaType)
}

// intern returns the constant for a well-known media type, so that a million
// images do not hold a million copies of it.
func intern(mediaType string) string {
	switch mediaType {
	case MediaTypeOCIManifest:
		return MediaTypeOCIManifest
	case MediaTypeOCIIndex:
		return MediaTypeOCIIndex
	case MediaTypeOCIConfig:
		return MediaTypeOCIConfig
	case MediaTypeDocker:
		return MediaTypeDocker
	case MediaTypeDockerList:
		return MediaTypeDockerList
	case MediaTypeDockerConfig:
		return MediaTypeDockerConfig
	}
	return mediaType
}
