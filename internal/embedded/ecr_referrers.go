package embedded

import (
	"encoding/json"
	"slices"
)

type listReferrersInput struct {
	repositoryInput
	page
	SubjectID *imageID `json:"subjectId"`
	Filter    struct {
		ArtifactTypes  []string `json:"artifactTypes"`
		ArtifactStatus string   `json:"artifactStatus"`
	} `json:"filter"`
}

// referrerOutput is ImageReferrer in the service model.
type referrerOutput struct {
	Digest         string            `json:"digest"`
	MediaType      string            `json:"mediaType"`
	ArtifactType   string            `json:"artifactType,omitempty"`
	Size           int               `json:"size"`
	Annotations    map[string]string `json:"annotations,omitempty"`
	ArtifactStatus string            `json:"artifactStatus"`
}

type listReferrersOutput struct {
	Referrers []referrerOutput `json:"referrers"`
	NextToken string           `json:"nextToken,omitempty"`
}

// listImageReferrers lists the images whose subject is the digest, whether or
// not that image exists.
func listImageReferrers(c *Call, repo *Repository, in *listReferrersInput) (any, error) {
	switch {
	case in.SubjectID == nil || in.SubjectID.ImageDigest == "":
		return nil, invalidAt("subjectId", "must name a digest")
	case !digestFormat.MatchString(in.SubjectID.ImageDigest):
		return nil, mustMatch("imageDigest", digestFormat)
	case len(in.Filter.ArtifactTypes) > 5:
		return nil, invalidAt("artifactTypes", "must have length less than or equal to 5")
	}
	if err := checkStatusFilter("artifactStatus", in.Filter.ArtifactStatus); err != nil {
		return nil, err
	}
	subject := in.SubjectID.ImageDigest
	scope := repo.ARN() + "@" + subject + " " + in.Filter.ArtifactStatus
	key, size, err := in.start(c, scope, 50, 20) // both numbers: API reference
	if err != nil {
		return nil, err
	}
	repo.mu.Lock()
	defer repo.mu.Unlock()
	out := listReferrersOutput{Referrers: []referrerOutput{}}
	digests := slices.Sorted(slices.Values(repo.referrers[subject]))
	start, _ := slices.BinarySearch(digests, key)
	for _, digest := range digests[start:] {
		img, exists := repo.images.get(digest)
		if !exists || !img.matches(imageFilter{ImageStatus: in.Filter.ArtifactStatus}, c.Now) ||
			!accepts(in.Filter.ArtifactTypes, img.artifactType) {
			continue
		}
		if len(out.Referrers) == size {
			out.NextToken = c.pageToken(scope, digest)
			break
		}
		var m Manifest
		if err := json.Unmarshal(img.manifest, &m); err != nil {
			return nil, serverException("the manifest of " + digest + " cannot be read")
		}
		out.Referrers = append(out.Referrers, referrerOutput{
			digest, img.mediaType, img.artifactType, len(img.manifest), m.Annotations, img.status(c.Now),
		})
	}
	return out, nil
}

type storageClassInput struct {
	repositoryInput
	ImageID            *imageID `json:"imageId"`
	TargetStorageClass string   `json:"targetStorageClass"`
}

type storageClassOutput struct {
	RegistryID     string  `json:"registryId"`
	RepositoryName string  `json:"repositoryName"`
	ImageID        imageID `json:"imageId"`
	ImageStatus    string  `json:"imageStatus"`
}

// updateImageStorageClass archives an image, or starts to restore it. Asking
// for what is already so changes nothing. An image on its way back cannot be
// archived.
func updateImageStorageClass(c *Call, repo *Repository, in *storageClassInput) (any, error) {
	if in.ImageID == nil {
		return nil, invalidAt("imageId", "must not be null")
	}
	repo.mu.Lock()
	defer repo.mu.Unlock()
	img, failed := repo.find(*in.ImageID)
	if failed != nil {
		switch failed.FailureCode {
		case "MissingDigestAndTag", "InvalidImageDigest", "InvalidImageTag":
			return nil, invalid("%s", failed.FailureReason)
		}
		return nil, repo.imageNotFound(*in.ImageID)
	}
	status := img.status(c.Now)
	switch in.TargetStorageClass {
	case "ARCHIVE":
		switch status {
		case statusActive:
			img.toArchive(c.Now)
		case statusActivating:
			return nil, errorf("ImageStorageClassUpdateNotSupportedException",
				"The image with digest '%s' is being restored", img.digest)
		}
	case "STANDARD":
		img.restore(c.Now, c.Server.restore)
	default:
		return nil, invalidAt("targetStorageClass", "must satisfy enum value set: [STANDARD, ARCHIVE]")
	}
	return storageClassOutput{
		repo.region.Account.ID, repo.name, imageID{img.digest, in.ImageID.ImageTag}, img.status(c.Now),
	}, nil
}
