package embedded

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// resourceTag is Tag in the service models.
type resourceTag struct {
	Key   string `json:"Key"`
	Value string `json:"Value"`
}

// tagMap returns the tags of a request by key.
func tagMap(tags []resourceTag) (map[string]string, error) {
	out := map[string]string{}
	for _, t := range tags {
		if _, twice := out[t.Key]; twice {
			return nil, errorf("InvalidTagParameterException", "Duplicate tag key '%s'", t.Key)
		}
		out[t.Key] = t.Value
	}
	return out, checkTags(out)
}

// checkTags returns the error for tags that no resource can have.
func checkTags(tags map[string]string) error {
	if len(tags) > 50 {
		return errorf("TooManyTagsException", "A repository can have at most 50 tags")
	}
	for key, value := range tags {
		switch {
		case key == "" || len(key) > 128:
			return errorf("InvalidTagParameterException", "Tag keys must have 1 to 128 characters")
		case len(value) > 256:
			return errorf("InvalidTagParameterException", "Tag values must have at most 256 characters")
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return errorf("InvalidTagParameterException", "Tag keys must not start with aws:")
		}
	}
	return nil
}

// tagList returns the tags as the API shows them, sorted by key.
func tagList(tags map[string]string) []resourceTag {
	out := make([]resourceTag, 0, len(tags))
	for key, value := range tags {
		out = append(out, resourceTag{key, value})
	}
	slices.SortFunc(out, func(a, b resourceTag) int { return cmp.Compare(a.Key, b.Key) })
	return out
}

// SetTags sets resource tags of the repository besides those that it has.
func (r *Repository) SetTags(tags map[string]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.setTags(tags)
}

// setTags is SetTags with the lock held.
func (r *Repository) setTags(tags map[string]string) {
	if r.tags == nil {
		r.tags = map[string]string{}
	}
	maps.Copy(r.tags, tags)
	r.everTagged = r.everTagged || len(tags) > 0
}

// repositoryARNFormat matches the ARN of a repository; its groups are region,
// account and name.
var repositoryARNFormat = regexp.MustCompile(`^arn:aws(?:-[a-z]+)*:ecr:([a-z0-9-]+):(\d{12}):repository/(.+)$`)

type tagsInput struct {
	ResourceARN string        `json:"resourceArn"`
	Tags        []resourceTag `json:"tags"`    // TagResource
	TagKeys     []string      `json:"tagKeys"` // UntagResource
}

// repository returns the repository that the request names by its ARN, in the
// region of the call.
func (in *tagsInput) repository(c *Call) (*Repository, error) {
	m := repositoryARNFormat.FindStringSubmatch(in.ResourceARN)
	if m == nil || m[1] != c.Region.Name {
		return nil, invalidAt("resourceArn", "Invalid ARN")
	}
	return c.ecrRepository(registryID(m[2]), m[3])
}

type tagsOutput struct {
	Tags []resourceTag `json:"tags"`
}

func listTagsForResource(_ *Call, repo *Repository, _ *tagsInput) (any, error) {
	repo.mu.Lock()
	defer repo.mu.Unlock()
	return tagsOutput{tagList(repo.tags)}, nil
}

func tagResource(_ *Call, repo *Repository, in *tagsInput) (any, error) {
	tags, err := tagMap(in.Tags)
	if err != nil {
		return nil, err
	}
	repo.mu.Lock()
	defer repo.mu.Unlock()
	all := maps.Clone(tags)
	maps.Copy(all, repo.tags)
	if err := checkTags(all); err != nil {
		return nil, err
	}
	repo.setTags(tags)
	return nil, nil
}

func untagResource(_ *Call, repo *Repository, in *tagsInput) (any, error) {
	repo.mu.Lock()
	defer repo.mu.Unlock()
	for _, key := range in.TagKeys {
		delete(repo.tags, key)
	}
	return nil, nil
}
