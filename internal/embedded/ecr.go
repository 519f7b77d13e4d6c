package embedded

import (
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
			"DeleteRepository":                  handle(deleteRepository),
			"PutImageTagMutability":             handle(putImageTagMutability),
			"PutLifecyclePolicy":                handle(putLifecyclePolicy),
			"GetLifecyclePolicy":                handle(getLifecyclePolicy),
			"DeleteLifecyclePolicy":             handle(deleteLifecyclePolicy),
			"StartLifecyclePolicyPreview":       handle(startLifecyclePolicyPreview),
			"GetLifecyclePolicyPreview":         handle(getLifecyclePolicyPreview),
			"DescribeImages":                    handle(describeImages),
			"ListImages":                        handle(listImages),
			"BatchGetImage":                     handle(batchGetImage),
			"BatchDeleteImage":                  handle(batchDeleteImage),
			"PutImage":                          handle(putImage),
			"ListImageReferrers":                handle(listImageReferrers),
			"UpdateImageStorageClass":           handle(updateImageStorageClass),
			"BatchCheckLayerAvailability":       handle(batchCheckLayerAvailability),
			"ListTagsForResource":               handle(listTagsForResource),
			"TagResource":                       handle(tagResource),
			"UntagResource":                     handle(untagResource),
			"DescribeRegistry":                  handle(describeRegistry),
			"GetAuthorizationToken":             handle(getAuthorizationToken),
			"ListPullTimeUpdateExclusions":      handle(listPullTimeUpdateExclusions),
			"RegisterPullTimeUpdateExclusion":   handle(registerPullTimeUpdateExclusion),
			"DeregisterPullTimeUpdateExclusion": handle(deregisterPullTimeUpdateExclusion),
		},
		// The API reference asks for this permission instead of one of its own.
		permissions: map[string]string{"ListImageReferrers": "BatchGetImage"},
		resource:    ecrResource,
	}
}

// Formats of the service model.
var (
	registryFormat = regexp.MustCompile(`^[0-9]{12}$`)
	digestFormat   = regexp.MustCompile(`^[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+$`)
	tagFormat      = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]*$`)
)

// imageID names an image by digest, tag or both.
type imageID struct {
	ImageDigest string `json:"imageDigest,omitempty"`
	ImageTag    string `json:"imageTag,omitempty"`
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

// checkTag returns the error for a tag that no image can have.
func checkTag(tag string) error {
	if len(tag) > maxTag {
		return invalidAt("imageTag", "must have length less than or equal to %d", maxTag)
	}
	if !tagFormat.MatchString(tag) {
		return mustMatch("imageTag", tagFormat)
	}
	return nil
}

// checkIDs returns the error for a list of image ids of a wrong length, or
// with a tag that is too long.
func checkIDs(ids []imageID) error {
	switch {
	case ids == nil:
		return invalidAt("imageIds", "must not be null")
	case len(ids) == 0 || len(ids) > 100:
		return invalidAt("imageIds", "must have length between 1 and 100")
	}
	for _, id := range ids {
		if len(id.ImageTag) > maxTag {
			return checkTag(id.ImageTag)
		}
	}
	return nil
}

// ecrRegistry returns the registry that a request is about, in the region of
// the call, or nil when there is no such account. The resource is what the
// error names when the caller has no access.
func (c *Call) ecrRegistry(registryID string, resource func(*Region) string) (*Region, error) {
	if registryID == "" || registryID == c.Account.ID {
		return c.Region, nil
	}
	if !registryFormat.MatchString(registryID) {
		return nil, mustMatch("registryId", registryFormat)
	}
	account, exists := c.Server.lookupAccount(registryID)
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
func (c *Call) ecrRepository(registryID, name string) (*Repository, error) {
	if err := checkRepositoryName(name); err != nil {
		return nil, err
	}
	region, err := c.ecrRegistry(registryID, func(r *Region) string { return r.repositoryARN(name) })
	if err != nil {
		return nil, err
	}
	if region != nil {
		if repo, exists := region.Repository(name); exists {
			return repo, nil
		}
	}
	if registryID == "" {
		registryID = c.Account.ID
	}
	return nil, repositoryNotFound(name, registryID)
}

// repositoryNotFound makes the error for a repository that does not exist.
func repositoryNotFound(name, registryID string) *Error {
	return errorf("RepositoryNotFoundException",
		"The repository with name '%s' does not exist in the registry with id '%s'", name, registryID)
}

// ecrResource names the resource of a call as AccessDeniedException does.
func ecrResource(c *Call) string {
	var in struct {
		RegistryID, RepositoryName, ResourceARN string
		RepositoryNames                         []string
	}
	if json.Unmarshal(c.Body, &in) != nil {
		return "*"
	}
	region := c.Region
	if account, exists := c.Server.lookupAccount(in.RegistryID); exists {
		region = account.Region(region.Name)
	}
	switch {
	case in.ResourceARN != "":
		return in.ResourceARN
	case in.RepositoryName != "":
		return region.repositoryARN(in.RepositoryName)
	case len(in.RepositoryNames) > 0:
		return region.repositoryARN(in.RepositoryNames[0])
	case c.Operation == "DescribeRepositories":
		return region.repositoryARN("*")
	}
	return "*"
}

// serverException makes ECR's own answer to a failure of the service.
func serverException(message string) *Error {
	return &Error{Code: "ServerException", Message: message, Status: http.StatusInternalServerError}
}
