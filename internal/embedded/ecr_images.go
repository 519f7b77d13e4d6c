package embedded

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// imageFilter is DescribeImagesFilter and ListImagesFilter in the service
// model.
type imageFilter struct {
	TagStatus   string `json:"tagStatus"`
	ImageStatus string `json:"imageStatus"`
}

// check returns the error for a status that does not exist.
func (f imageFilter) check() error {
	switch f.TagStatus {
	case "", "ANY", "TAGGED", "UNTAGGED":
	default:
		return invalidAt("tagStatus", "must satisfy enum value set: [TAGGED, UNTAGGED, ANY]")
	}
	return checkStatusFilter("imageStatus", f.ImageStatus)
}

// checkStatusFilter returns the error for an image status that does not exist.
func checkStatusFilter(parameter, status string) error {
	switch status {
	case "", "ANY", statusActive, statusArchived, statusActivating:
		return nil
	}
	return invalidAt(parameter, "must satisfy enum value set: [ACTIVE, ARCHIVED, ACTIVATING, ANY]")
}

type imagesInput struct {
	repositoryInput
	page
	ImageIDs []imageID   `json:"imageIds"` // DescribeImages only
	Filter   imageFilter `json:"filter"`
}

// scope names the list that the request pages through.
func (in *imagesInput) scope(r *Repository) string {
	return r.ARN() + " " + in.Filter.TagStatus + " " + in.Filter.ImageStatus
}

func describeImages(c *Call, repo *Repository, in *imagesInput) (any, error) {
	if err := in.Filter.check(); err != nil {
		return nil, err
	}
	if in.ImageIDs != nil {
		return describeByID(c, in, repo)
	}
	at, err := in.start(c, in.scope(repo), 1000, 100)
	if err != nil {
		return nil, err
	}
	repo.mu.Lock()
	defer repo.mu.Unlock()
	b := make([]byte, 0, 512*min(at.size, repo.images.len())+64)
	b = append(b, `{"imageDetails":[`...)
	count, token := 0, ""
	for digest, img := range repo.images.from(at.key) {
		if !img.matches(in.Filter, c.Now) {
			continue
		}
		if count == at.size {
			token = at.next(digest)
			break
		}
		if count > 0 {
			b = append(b, ',')
		}
		b = repo.appendDetail(b, img, c.Now)
		count++
	}
	b = append(b, ']')
	if token != "" {
		b = appendField(b, "nextToken", token)
	}
	return encoded(append(b, '}')), nil
}

// describeByID answers DescribeImages for the images that the request names.
// The filter holds for them too: an archived image is not found by default.
func describeByID(c *Call, in *imagesInput, repo *Repository) (any, error) {
	if in.page.given() {
		return nil, invalid("nextToken and maxResults cannot be given together with imageIds")
	}
	if err := checkLength("imageIds", in.ImageIDs); err != nil {
		return nil, err
	}
	repo.mu.Lock()
	defer repo.mu.Unlock()
	b := []byte(`{"imageDetails":[`)
	seen := map[string]bool{}
	for _, id := range in.ImageIDs {
		switch {
		case id.ImageDigest == "" && id.ImageTag == "":
			return nil, invalidAt("imageIds", "must name a digest or a tag")
		case id.ImageDigest != "" && !digestFormat.MatchString(id.ImageDigest):
			return nil, mustMatch("imageDigest", digestFormat)
		case id.ImageTag != "" && !tagFormat.MatchString(id.ImageTag):
			return nil, mustMatch("imageTag", tagFormat)
		}
		img, failed := repo.find(id)
		if failed != nil || !img.matches(in.Filter, c.Now) {
			return nil, repo.imageNotFound(id)
		}
		if seen[img.digest] {
			continue
		}
		if len(seen) > 0 {
			b = append(b, ',')
		}
		seen[img.digest] = true
		b = repo.appendDetail(b, img, c.Now)
	}
	return encoded(append(b, "]}"...)), nil
}

// imageNotFound makes the error for an image that does not exist.
func (r *Repository) imageNotFound(id imageID) *Error {
	quoted := func(s string) string {
		if s == "" {
			return "null"
		}
		return s
	}
	return errorf("ImageNotFoundException",
		"The image with imageId {imageDigest:'%s', imageTag:'%s'} does not exist within the repository with name '%s' in the registry with id '%s'",
		quoted(id.ImageDigest), quoted(id.ImageTag), r.name, r.region.Account.ID)
}

// appendDetail appends the image as ImageDetail in the service model.
func (r *Repository) appendDetail(b []byte, img *image, now time.Time) []byte {
	b = append(b, `{"registryId":`...)
	b = appendString(b, r.region.Account.ID)
	b = appendField(b, "repositoryName", r.name)
	b = appendField(b, "imageDigest", img.digest)
	if len(img.tags) > 0 {
		b = append(b, `,"imageTags":[`...)
		for i, tag := range img.tags {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, tag)
		}
		b = append(b, ']')
	}
	b = append(b, `,"imageSizeInBytes":`...)
	b = strconv.AppendInt(b, img.size, 10)
	b = appendTime(b, "imagePushedAt", img.pushed)
	b = appendField(b, "imageManifestMediaType", img.mediaType)
	b = appendField(b, "artifactMediaType", img.artifactType)
	b = appendTime(b, "lastRecordedPullTime", img.pulled)
	b = appendField(b, "subjectManifestDigest", img.subject)
	b = appendField(b, "imageStatus", img.status(now))
	b = appendTime(b, "lastArchivedAt", img.archivedAt())
	b = appendTime(b, "lastActivatedAt", img.activatedAt(now))
	return append(b, '}')
}

// appendField appends a string field after others, unless it is empty.
func appendField(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(b, `,"`...)
	b = append(b, name...)
	b = append(b, `":`...)
	return appendString(b, value)
}

// appendTime appends a time field after others, unless it is zero.
func appendTime(b []byte, name string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = append(b, `,"`...)
	b = append(b, name...)
	b = append(b, `":`...)
	return appendEpoch(b, t)
}

// appendString appends a JSON string. Nearly all are plain ASCII.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\' {
			quoted, _ := json.Marshal(s) // strings always encode
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

type listImagesOutput struct {
	ImageIDs  []imageID `json:"imageIds"`
	NextToken string    `json:"nextToken,omitempty"`
}

// listImages lists every tag of every image, and the digests of those without
// one.
func listImages(c *Call, repo *Repository, in *imagesInput) (any, error) {
	if err := in.Filter.check(); err != nil {
		return nil, err
	}
	at, err := in.start(c, in.scope(repo), 1000, 100)
	if err != nil {
		return nil, err
	}
	// A page may start in the middle of an image's tags: "digest tag".
	digest, firstTag, _ := strings.Cut(at.key, " ")
	repo.mu.Lock()
	defer repo.mu.Unlock()
	out := listImagesOutput{ImageIDs: []imageID{}}
	for d, img := range repo.images.from(digest) {
		if !img.matches(in.Filter, c.Now) {
			continue
		}
		tags := img.tags
		if len(tags) == 0 {
			tags = []string{""}
		}
		for _, tag := range tags {
			if d == digest && tag < firstTag {
				continue
			}
			if len(out.ImageIDs) == at.size {
				out.NextToken = at.next(d + " " + tag)
				return out, nil
			}
			out.ImageIDs = append(out.ImageIDs, imageID{d, tag})
		}
	}
	return out, nil
}
