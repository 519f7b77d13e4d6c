package embedded

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Limits of ECR.
const (
	maxManifest     = 4 << 20 // bytes of a manifest
	maxTags         = 1000    // tags of an image
	maxTag          = 300     // characters of a tag
	maxImages       = 100_000 // images of a repository
	maxRepositories = 100_000 // repositories of a registry
)

// Push is an image to push through the Go API.
type Push struct {
	// Manifest is pushed as it is.
	Manifest []byte
	// MediaType may be empty when the manifest names its own.
	MediaType string
	// Tags may be empty.
	Tags []string
	// At is the push time; the default is the time on the server's clock.
	At time.Time
}

// Push pushes an image with its layers, and returns its digest. It moves tags
// as PutImage does. Pushing again adds tags and keeps the push time. The error
// is an *Error, as the API gives it.
func (r *Repository) Push(p Push) (string, error) {
	if p.At.IsZero() {
		p.At = r.now()
	}
	tags := p.Tags
	if len(tags) == 0 {
		tags = []string{""}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	digest := Digest(p.Manifest)
	for _, tag := range tags {
		_, err := r.put(putRequest{manifest: p.Manifest, mediaType: p.MediaType, tag: tag, at: p.At, anyLayers: true})
		if apiErr := (*Error)(nil); errors.As(err, &apiErr) && apiErr.Code == "ImageAlreadyExistsException" {
			continue
		}
		if err != nil {
			return "", err
		}
	}
	return digest, nil
}

// MustPush is Push for images that are known to be right; it panics on an
// error.
func (r *Repository) MustPush(p Push) string {
	digest, err := r.Push(p)
	if err != nil {
		panic(fmt.Errorf("push to %s: %w", r.name, err))
	}
	return digest
}

// putRequest is what PutImage is asked.
type putRequest struct {
	manifest               []byte
	mediaType, tag, digest string
	at                     time.Time
	anyLayers              bool // accept layers that were never uploaded
}

// put stores the manifest and the tag. The lock is held.
func (r *Repository) put(p putRequest) (*image, error) {
	m, err := parseManifest(p.manifest, p.mediaType)
	if err != nil {
		return nil, err
	}
	if p.tag != "" {
		if err := checkTag(p.tag); err != nil {
			return nil, err
		}
	}
	digest := Digest(p.manifest)
	if p.digest != "" && p.digest != digest {
		return nil, errorf("ImageDigestDoesNotMatchException",
			"The provided digest '%s' does not match the digest '%s' that was calculated for the image", p.digest, digest)
	}
	img, exists := r.images.get(digest)
	tagged := r.byTag[p.tag]
	if exists && (p.tag == "" || tagged == img) && img.status(p.at) == statusActive {
		shown := p.tag
		if shown == "" {
			shown = "null"
		}
		return nil, errorf("ImageAlreadyExistsException",
			"Image with digest '%s' and tag '%s' already exists in the repository with name '%s' in registry with id '%s'",
			digest, shown, r.name, r.region.Account.ID)
	}
	if tagged != nil && tagged != img && r.immutable(p.tag) {
		return nil, errorf("ImageTagAlreadyExistsException",
			"The image tag '%s' already exists in the '%s' repository and cannot be overwritten because the tag is immutable.",
			p.tag, r.name)
	}
	if !exists && r.images.len() >= maxImages {
		return nil, errorf("LimitExceededException",
			"The repository with name '%s' in registry with id '%s' already has %d images", r.name, r.region.Account.ID, maxImages)
	}
	if !exists {
		if img, err = r.newImage(m, digest, p); err != nil {
			return nil, err
		}
	} else if len(img.tags) >= maxTags && p.tag != "" && tagged != img {
		return nil, errorf("LimitExceededException", "The image with digest '%s' already has %d tags", digest, maxTags)
	}
	img.restore(p.at, r.region.Account.server.restore) // pushing again restores (user guide, archiving an image)
	if p.tag != "" && tagged != img {
		if tagged != nil {
			tagged.removeTag(p.tag)
		}
		img.addTag(p.tag)
		r.byTag[p.tag] = img
	}
	return img, nil
}

type putImageInput struct {
	repositoryInput
	ImageManifest          string  `json:"imageManifest"`
	ImageManifestMediaType string  `json:"imageManifestMediaType"`
	ImageTag               *string `json:"imageTag"`
	ImageDigest            string  `json:"imageDigest"`
}

type putImageOutput struct {
	Image imageOutput `json:"image"`
}

func putImage(c *Call, repo *Repository, in *putImageInput) (any, error) {
	tag := ""
	if in.ImageTag != nil {
		tag = *in.ImageTag
		if err := checkTag(tag); err != nil {
			return nil, err
		}
	}
	repo.mu.Lock()
	defer repo.mu.Unlock()
	img, err := repo.put(putRequest{
		manifest: []byte(in.ImageManifest), mediaType: in.ImageManifestMediaType,
		tag: tag, digest: in.ImageDigest, at: c.Now,
	})
	if err != nil {
		return nil, err
	}
	return putImageOutput{repo.imageOutput(img, tag)}, nil
}

// newImage adds an image that the repository does not have yet.
func (r *Repository) newImage(m Manifest, digest string, p putRequest) (*image, error) {
	img := &image{
		digest: digest, mediaType: m.MediaType, artifactType: m.artifactType(),
		manifest: slices.Clone(p.manifest), pushed: p.at,
	}
	if isIndex(m.MediaType) {
		if err := r.addChildren(img, m); err != nil {
			return nil, err
		}
	} else {
		if !p.anyLayers {
			if err := r.checkLayers(m); err != nil {
				return nil, err
			}
		}
		img.size = m.Config.Size
		for _, layer := range m.Layers {
			img.size += layer.Size
		}
	}
	for _, child := range img.children {
		r.parents[child] = append(r.parents[child], digest)
	}
	if m.Subject != nil {
		img.subject = m.Subject.Digest
		r.referrers[img.subject] = append(r.referrers[img.subject], digest)
	}
	r.images.put(digest, img)
	return img, nil
}

// addChildren notes the images that an index lists, and takes the largest as
// its size, as ECR does.
func (r *Repository) addChildren(index *image, m Manifest) error {
	var missing []string
	for _, d := range m.Manifests {
		child, exists := r.images.get(d.Digest)
		switch {
		case !exists:
			missing = append(missing, d.Digest)
		case !slices.Contains(index.children, d.Digest):
			index.children = append(index.children, child.digest)
			index.size = max(index.size, child.size)
		}
	}
	if len(missing) > 0 {
		return errorf("ReferencedImagesNotFoundException",
			"Images with digests '[%s]' required for pushing image into repository with name '%s' in the registry with id '%s' do not exist",
			strings.Join(missing, ", "), r.name, r.region.Account.ID)
	}
	return nil
}

// immutable reports whether the tag must not move to another image.
func (r *Repository) immutable(tag string) bool {
	excluded := slices.ContainsFunc(r.exclusions, func(filter string) bool { return wildcard(filter, tag) })
	switch r.mutability {
	case Immutable:
		return true
	case ImmutableWithExclusion:
		return !excluded
	case MutableWithExclusion:
		return excluded
	default:
		return false
	}
}

// remove takes the image out of the repository. The lock is held.
func (r *Repository) remove(img *image) {
	for _, tag := range img.tags {
		delete(r.byTag, tag)
	}
	for _, child := range img.children {
		forget(r.parents, child, img.digest)
	}
	if img.subject != "" {
		forget(r.referrers, img.subject, img.digest)
	}
	r.images.remove(img.digest)
	r.leave(img)
}

// forget removes a value from the list under the key.
func forget(lists map[string][]string, key, value string) {
	rest := slices.DeleteFunc(lists[key], func(v string) bool { return v == value })
	if len(rest) == 0 {
		delete(lists, key)
		return
	}
	lists[key] = rest
}
