package embedded

import (
	"cmp"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
)

// ecrService is Elastic Container Registry, version 2015-09-21.
func ecrService() *service {
	return &service{
		name:     "ecr",
		protocol: json11,
		target:   "AmazonEC2ContainerRegistry_V20150921",
		operations: map[string]operation{
			"DescribeRepositories":              handle(describeRepositories),
			"CreateRepository":                  handle(createRepository),
			"DeleteRepository":                  inRepository(deleteRepository),
			"PutImageTagMutability":             inRepository(putImageTagMutability),
			"PutLifecyclePolicy":                inRepository(putLifecyclePolicy),
			"GetLifecyclePolicy":                inRepository(getLifecyclePolicy),
			"DeleteLifecyclePolicy":             inRepository(deleteLifecyclePolicy),
			"StartLifecyclePolicyPreview":       inRepository(startLifecyclePolicyPreview),
			"GetLifecyclePolicyPreview":         inRepository(getLifecyclePolicyPreview),
			"DescribeImages":                    inRepository(describeImages),
			"ListImages":                        inRepository(listImages),
			"BatchGetImage":                     inRepository(batchGetImage),
			"BatchDeleteImage":                  inRepository(batchDeleteImage),
			"PutImage":                          inRepository(putImage),
			"ListImageReferrers":                inRepository(listImageReferrers),
			"UpdateImageStorageClass":           inRepository(updateImageStorageClass),
			"BatchCheckLayerAvailability":       inRepository(batchCheckLayerAvailability),
			"ListTagsForResource":               inRepository(listTagsForResource),
			"TagResource":                       inRepository(tagResource),
			"UntagResource":                     inRepository(untagResource),
			"DescribeRegistry":                  handle(describeRegistry),
			"GetAuthorizationToken":             handle(getAuthorizationToken),
			"ListPullTimeUpdateExclusions":      handle(listPullTimeUpdateExclusions),
			"RegisterPullTimeUpdateExclusion":   handle(registerPullTimeUpdateExclusion),
			"DeregisterPullTimeUpdateExclusion": handle(deregisterPullTimeUpdateExclusion),
		},
		// The API reference asks for this permission instead of one of its own.
		permissions: map[string]string{"ListImageReferrers": "BatchGetImage"},
		resources:   ecrResources,
	}
}

// Formats of the service model.
var (
	registryFormat = regexp.MustCompile(`^[0-9]{12}$`)
	digestFormat   = regexp.MustCompile(`^[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+$`)
	tagFormat      = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]*$`)
)

// registryID is the account of a registry, which a request may leave out, but not
// give as "".
type registryID string

// UnmarshalJSON implements json.Unmarshaler. The error is what the API answers.
func (r *registryID) UnmarshalJSON(data []byte) error {
	var id *string
	if err := json.Unmarshal(data, &id); err != nil || id == nil {
		return err
	}
	if !registryFormat.MatchString(*id) {
		return mustMatch("registryId", registryFormat)
	}
	*r = registryID(*id)
	return nil
}

// imageID names an image by digest, tag or both.
type imageID struct {
	ImageDigest string `json:"imageDigest,omitempty"`
	ImageTag    string `json:"imageTag,omitempty"`
}

// UnmarshalJSON implements json.Unmarshaler. The error is what the API answers:
// an id of a digest and an empty tag must not be taken for one of a digest.
func (id *imageID) UnmarshalJSON(data []byte) error {
	var in struct {
		ImageDigest string
		ImageTag    *string
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*id = imageID{ImageDigest: in.ImageDigest}
	if in.ImageTag == nil {
		return nil
	}
	id.ImageTag = *in.ImageTag
	return checkTagLength(id.ImageTag)
}

// invalidAt makes the InvalidParameterException that names a parameter.
func invalidAt(parameter, constraint string, args ...any) *Error {
	return invalid("Invalid parameter at '"+parameter+"' failed to satisfy constraint: '"+constraint+"'", args...)
}

// mustMatch makes the error for a parameter that does not match its pattern.
func mustMatch(parameter string, format *regexp.Regexp) *Error {
	return invalidAt(parameter, "must satisfy regular expression '%s'", strings.Trim(format.String(), "^$"))
}

// checkRepositoryName returns the error for a name that no repository can have.
func checkRepositoryName(name string) error {
	switch {
	case name == "":
		return invalidAt("repositoryName", "must not be null")
	case len(name) < 2 || len(name) > 256:
		return invalidAt("repositoryName", "must have length between 2 and 256")
	case !repositoryName.MatchString(name):
		return mustMatch("repositoryName", repositoryName)
	}
	return nil
}

// checkTagLength returns the error for a tag that is given and empty, or too long.
func checkTagLength(tag string) error {
	if tag == "" || len(tag) > maxTag {
		return invalidAt("imageTag", "must have length between 1 and %d", maxTag)
	}
	return nil
}

// checkTag returns the error for a tag that no image can have.
func checkTag(tag string) error {
	if err := checkTagLength(tag); err != nil {
		return err
	}
	if !tagFormat.MatchString(tag) {
		return mustMatch("imageTag", tagFormat)
	}
	return nil
}

// maxBatch is how many things one request can name.
const maxBatch = 100

// checkLength returns the error for a list that has too few or too many entries.
// One that a request may leave out is checked only where it is not nil.
func checkLength[T any](parameter string, list []T) error {
	if len(list) == 0 || len(list) > maxBatch {
		return invalidAt(parameter, "must have length between 1 and %d", maxBatch)
	}
	return nil
}

// ecrRegistry returns the registry that a request is about, in the region of
// the call, or nil when there is no such account. The resource is what the
// error names when the caller has no access.
func (c *Call) ecrRegistry(id registryID, resource func(*Region) string) (*Region, error) {
	if id == "" || string(id) == c.Account.ID {
		return c.Region, nil
	}
	account, exists := c.Server.lookupAccount(string(id))
	if !exists {
		return nil, nil
	}
	region := account.Region(c.Region.Name)
	if !account.trusts(c.Account.ID) {
		return nil, c.denied(resource(region), " because no resource-based policy allows the "+c.permission()+" action")
	}
	return region, nil
}

// ecrRepository returns the repository that a request is about.
func (c *Call) ecrRepository(id registryID, name string) (*Repository, error) {
	if err := checkRepositoryName(name); err != nil {
		return nil, err
	}
	region, err := c.ecrRegistry(id, func(r *Region) string { return r.repositoryARN(name) })
	if err != nil {
		return nil, err
	}
	if region != nil {
		if repo, exists := region.Repository(name); exists {
			return repo, nil
		}
	}
	return nil, errorf("RepositoryNotFoundException",
		"The repository with name '%s' does not exist in the registry with id '%s'", name, cmp.Or(string(id), c.Account.ID))
}

// inRepository makes an operation of a function that takes the repository that a
// request names, and the decoded request.
func inRepository[In any, P interface {
	*In
	repository(*Call) (*Repository, error)
}](answer func(*Call, *Repository, *In) (any, error)) operation {
	return handle(func(c *Call, in *In) (any, error) {
		repo, err := P(in).repository(c)
		if err != nil {
			return nil, err
		}
		return answer(c, repo, in)
	})
}

// ecrResources names what a call is about as AccessDeniedException does. One that
// names several repositories needs the permission on each.
func ecrResources(c *Call) (all []string) {
	var in struct {
		RegistryID, RepositoryName, ResourceARN string
		RepositoryNames                         []string
	}
	if json.Unmarshal(c.Body, &in) != nil {
		return nil
	}
	region := c.Region
	if account, exists := c.Server.lookupAccount(in.RegistryID); exists {
		region = account.Region(region.Name)
	}
	switch {
	case in.ResourceARN != "":
		all = append(all, in.ResourceARN)
	case in.RepositoryName != "":
		all = append(all, region.repositoryARN(in.RepositoryName))
	case c.Operation == "DescribeRepositories" && len(in.RepositoryNames) == 0:
		all = append(all, region.repositoryARN("*"))
	}
	for _, name := range in.RepositoryNames {
		all = append(all, region.repositoryARN(name))
	}
	return all
}

// serverException makes ECR's own answer to a failure of the service.
func serverException(message string) *Error {
	return &Error{Code: "ServerException", Message: message, Status: http.StatusInternalServerError}
}
