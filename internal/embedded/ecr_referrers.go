package embedded

import (
	"encoding/json"
	"slices"
	"strings"
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
	scope := repo.ARN() + "@" + subject + " " + in.Filter.ArtifactStatus + " " + strings.Join(in.Filter.ArtifactTypes, " ")
	at, err := in.start(c, scope, 50, 20) // both numbers: API reference
	if err != nil {
		return nil, err
	}
	repo.mu.Lock()
	defer repo.mu.Unlock()
	out := listReferrersOutput{Referrers: []referrerOutput{}}
	digests := slices.Sorted(slices.Values(repo.referrers[subject]))
	start, _ := slices.BinarySearch(digests, at.key)
	for _, digest := range digests[start:] {
		img, exists := repo.images.get(digest)
		if !exists || !img.matches(imageFilter{ImageStatus: in.Filter.ArtifactStatus}, c.Now) ||
			!accepts(in.Filter.ArtifactTypes, img.artifactType) {
			continue
		}
		if len(out.Referrers) == at.size {
			out.NextToken = at.next(digest)
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
