package embedded

import (
	"cmp"
	"strings"
	"time"
)

type layersInput struct {
	repositoryInput
	LayerDigests []string `json:"layerDigests"`
}

type layerOutput struct {
	LayerDigest       string `json:"layerDigest"`
	LayerAvailability string `json:"layerAvailability"`
	LayerSize         int64  `json:"layerSize,omitempty"`
	MediaType         string `json:"mediaType,omitempty"`
}

type layerFailure struct {
	LayerDigest   string `json:"layerDigest"`
	FailureCode   string `json:"failureCode"`
	FailureReason string `json:"failureReason"`
}

type layersOutput struct {
	Layers   []layerOutput  `json:"layers"`
	Failures []layerFailure `json:"failures"`
}

func batchCheckLayerAvailability(c *Call, repo *Repository, in *layersInput) (any, error) {
	if err := checkLength("layerDigests", in.LayerDigests); err != nil {
		return nil, err
	}
	repo.mu.Lock()
	known := repo.blobs()
	repo.mu.Unlock()
	out := layersOutput{Layers: []layerOutput{}, Failures: []layerFailure{}}
	for _, digest := range in.LayerDigests {
		blob, exists := known[digest]
		switch {
		case digest == "":
			out.Failures = append(out.Failures, layerFailure{digest, "MissingLayerDigest", "Invalid request parameters: layer digest cannot be null"})
		case !digestFormat.MatchString(digest):
			out.Failures = append(out.Failures, layerFailure{digest, "InvalidLayerDigest", "Invalid request parameters: layer digest is not valid"})
		case exists:
			out.Layers = append(out.Layers, layerOutput{digest, "AVAILABLE", blob.Size, cmp.Or(blob.MediaType, MediaTypeOCILayer)})
		default:
			out.Layers = append(out.Layers, layerOutput{LayerDigest: digest, LayerAvailability: "UNAVAILABLE"})
		}
	}
	return out, nil
}

// checkLayers returns the error of AWS when blobs of the manifest were never
// uploaded.
func (r *Repository) checkLayers(m Manifest) error {
	known := r.blobs()
	var missing []string
	for _, d := range append([]Descriptor{*m.Config}, m.Layers...) {
		if _, ok := known[d.Digest]; !ok {
			missing = append(missing, d.Digest)
		}
	}
	if len(missing) > 0 {
		return errorf("LayersNotFoundException",
			"Layers with digests '[%s]' required for pushing image into repository with name '%s' in the registry with id '%s' do not exist",
			strings.Join(missing, ", "), r.name, r.region.Account.ID)
	}
	return nil
}

// blobs returns the configs and layers in the repository. It reads every
// manifest: keeping the answer up to date would cost memory for each of a
// million images, and few calls ask.
func (r *Repository) blobs() map[string]Descriptor {
	known := map[string]Descriptor{}
	now := r.now()
	for digest, left := range r.leftovers {
		if now.Before(left.until) {
			known[digest] = left.blob
		} else {
			delete(r.leftovers, digest)
		}
	}
	for digest := range r.layers {
		known[digest] = Descriptor{MediaType: MediaTypeOCILayer, Digest: digest}
	}
	for _, img := range r.images.from("") {
		if isIndex(img.mediaType) {
			continue
		}
		for _, d := range img.blobs() {
			known[d.Digest] = d
		}
	}
	return known
}

// leftover is a config or a layer of an image that was deleted.
type leftover struct {
	blob  Descriptor
	until time.Time // when ECR collects it
}

// blobs returns the config and the layers of an image that is no index.
func (i *image) blobs() []Descriptor {
	m, err := parseManifest(i.manifest, i.mediaType)
	if err != nil {
		return nil // was valid when it was pushed, so this does not happen
	}
	return append(m.Layers, *m.Config)
}

// leave keeps the blobs of an image that is deleted for the server's layer time.
func (r *Repository) leave(img *image) {
	stay := r.region.Account.server.layers
	if stay == 0 || isIndex(img.mediaType) {
		return
	}
	until := r.now().Add(stay)
	for _, d := range img.blobs() {
		r.leftovers[d.Digest] = leftover{d, until}
	}
}
