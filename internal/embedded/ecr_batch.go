package embedded

import (
	"slices"
	"strings"
)

// imageFailure is ImageFailure in the service model.
type imageFailure struct {
	ImageID       imageID `json:"imageId"`
	FailureCode   string  `json:"failureCode"`
	FailureReason string  `json:"failureReason"`
}

// find returns the image that an id names, or why there is none. The lock is
// held.
func (r *Repository) find(id imageID) (*image, *imageFailure) {
	fail := func(code, reason string) (*image, *imageFailure) {
		return nil, &imageFailure{id, code, reason}
	}
	switch {
	case id.ImageDigest == "" && id.ImageTag == "":
		return fail("MissingDigestAndTag", "Invalid request parameters: both tag and digest cannot be null")
	case id.ImageDigest != "" && !digestFormat.MatchString(id.ImageDigest):
		return fail("InvalidImageDigest", "Invalid request parameters: image digest should satisfy the regex '"+strings.Trim(digestFormat.String(), "^$")+"'")
	case id.ImageTag != "" && !tagFormat.MatchString(id.ImageTag):
		return fail("InvalidImageTag", "Invalid request parameters: image tag should satisfy the regex '"+strings.Trim(tagFormat.String(), "^$")+"'")
	}
	img := r.byTag[id.ImageTag]
	if id.ImageDigest != "" {
		img, _ = r.images.get(id.ImageDigest)
	}
	switch {
	case img == nil:
		return fail("ImageNotFound", "Requested image not found")
	case id.ImageTag == "" || r.byTag[id.ImageTag] == img:
		return img, nil
	case r.byTag[id.ImageTag] == nil:
		return fail("ImageNotFound", "Requested image not found")
	}
	return fail("ImageTagDoesNotMatchDigest", "Requested image tag '"+id.ImageTag+"' does not match the image digest '"+id.ImageDigest+"'")
}

// findInBatch is find with the failures that Repository.Fail set.
func (r *Repository) findInBatch(id imageID) (*image, *imageFailure) {
	if code := r.failure(id); code != "" {
		return nil, &imageFailure{id, code, "Requested image failed with " + code}
	}
	return r.find(id)
}

type batchGetImageInput struct {
	repositoryInput
	ImageIDs           []imageID `json:"imageIds"`
	AcceptedMediaTypes []string  `json:"acceptedMediaTypes"`
}

// imageOutput is Image in the service model.
type imageOutput struct {
	RegistryID             string  `json:"registryId"`
	RepositoryName         string  `json:"repositoryName"`
	ImageID                imageID `json:"imageId"`
	ImageManifest          string  `json:"imageManifest"`
	ImageManifestMediaType string  `json:"imageManifestMediaType"`
}

type batchGetImageOutput struct {
	Images   []imageOutput  `json:"images"`
	Failures []imageFailure `json:"failures"`
}

// batchGetImage returns manifests. It counts as a pull of each of the images
// (aws/containers-roadmap#2390), unless the caller is excluded from that.
// Images that are archived, or not of an accepted media type, are not found.
func batchGetImage(c *Call, repo *Repository, in *batchGetImageInput) (any, error) {
	if err := checkLength("imageIds", in.ImageIDs); err != nil {
		return nil, err
	}
	if in.AcceptedMediaTypes != nil {
		if err := checkLength("acceptedMediaTypes", in.AcceptedMediaTypes); err != nil {
			return nil, err
		}
	}
	counts := !repo.region.excluded(c.Principal)
	repo.mu.Lock()
	defer repo.mu.Unlock()
	out := batchGetImageOutput{Images: []imageOutput{}, Failures: []imageFailure{}}
	for _, id := range in.ImageIDs {
		img, failed := repo.findInBatch(id)
		if failed == nil && (img.status(c.Now) != statusActive || !accepts(in.AcceptedMediaTypes, img.mediaType)) {
			failed = &imageFailure{id, "ImageNotFound", "Requested image not found"}
		}
		if failed != nil {
			out.Failures = append(out.Failures, *failed)
			continue
		}
		if counts {
			img.pulled = c.Now
		}
		out.Images = append(out.Images, repo.imageOutput(img, id.ImageTag))
	}
	return out, nil
}

// accepts reports whether a list of media types is empty or has the type.
func accepts(accepted []string, mediaType string) bool {
	return len(accepted) == 0 || slices.Contains(accepted, mediaType)
}

// imageOutput returns the image with its manifest, under the tag asked for.
func (r *Repository) imageOutput(img *image, tag string) imageOutput {
	return imageOutput{r.region.Account.ID, r.name, imageID{img.digest, tag}, string(img.manifest), img.mediaType}
}

type batchDeleteImageInput struct {
	repositoryInput
	ImageIDs []imageID `json:"imageIds"`
}

type batchDeleteImageOutput struct {
	ImageIDs []imageID      `json:"imageIds"`
	Failures []imageFailure `json:"failures"`
}

// batchDeleteImage deletes images by digest, and tags by tag; the last tag
// takes its image along. An image that an index listed when the call came in
// stays, even if the same call deletes that index.
func batchDeleteImage(c *Call, repo *Repository, in *batchDeleteImageInput) (any, error) {
	if err := checkLength("imageIds", in.ImageIDs); err != nil {
		return nil, err
	}
	repo.mu.Lock()
	defer repo.mu.Unlock()
	parents := map[string][]string{} // at the start of the call
	for _, id := range in.ImageIDs {
		if img, failed := repo.find(id); failed == nil {
			parents[img.digest] = slices.Clone(repo.parents[img.digest])
		}
	}
	out := batchDeleteImageOutput{ImageIDs: []imageID{}, Failures: []imageFailure{}}
	for _, id := range in.ImageIDs {
		img, failed := repo.findInBatch(id)
		if failed != nil {
			out.Failures = append(out.Failures, *failed)
			continue
		}
		if id.ImageTag != "" && len(img.tags) > 1 {
			delete(repo.byTag, id.ImageTag)
			img.removeTag(id.ImageTag)
			out.ImageIDs = append(out.ImageIDs, imageID{img.digest, id.ImageTag})
			continue
		}
		if indexes := parents[img.digest]; len(indexes) > 0 {
			slices.Sort(indexes)
			out.Failures = append(out.Failures, imageFailure{
				imageID{img.digest, id.ImageTag}, "ImageReferencedByManifestList",
				"Requested image referenced by manifest list: [" + strings.Join(indexes, ", ") + "]",
			})
			continue
		}
		repo.remove(img)
		if len(img.tags) == 0 {
			out.ImageIDs = append(out.ImageIDs, imageID{ImageDigest: img.digest})
		}
		for _, tag := range img.tags {
			out.ImageIDs = append(out.ImageIDs, imageID{img.digest, tag})
		}
	}
	return out, nil
}
