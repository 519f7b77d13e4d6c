package embedded

import (
	"maps"
	"slices"
	"strings"
)

// taggingService is the Resource Groups Tagging API, version 2017-01-26. It
// knows the repositories of ECR.
func taggingService() *service {
	return &service{
		name:       "tag",
		protocol:   json11,
		target:     "ResourceGroupsTaggingAPI_20170126",
		operations: map[string]operation{"GetResources": handle(getResources)},
		tokenIn:    "PaginationToken",
		throttled:  &Error{Code: "ThrottledException", Message: "Rate exceeded"},
	}
}

type tagFilter struct {
	Key    string
	Values []string
}

type getResourcesInput struct {
	PaginationToken     string
	TagFilters          []tagFilter
	ResourcesPerPage    *int
	ResourceTypeFilters []string
	ResourceARNList     []string
}

// scope names the list that the request pages through.
func (in *getResourcesInput) scope(r *Region) string {
	var b strings.Builder
	b.WriteString(r.Account.ID + " " + r.Name + " " + strings.Join(in.ResourceTypeFilters, " "))
	for _, f := range in.TagFilters {
		b.WriteString(" " + f.Key + "=" + strings.Join(f.Values, ","))
	}
	return b.String()
}

type resourceMapping struct {
	ResourceARN string
	Tags        []resourceTag
}

type getResourcesOutput struct {
	PaginationToken        string
	ResourceTagMappingList []resourceMapping
}

// getResources lists the repositories that have or had a resource tag. One
// that was never tagged is not there, as in AWS.
func getResources(c *Call, in *getResourcesInput) (any, error) {
	at := place{call: c, scope: in.scope(c.Region), size: 50} // the default of the API reference
	if in.ResourcesPerPage != nil {
		if at.size = *in.ResourcesPerPage; at.size < 1 || at.size > 100 {
			return nil, invalid("ResourcesPerPage must be between 1 and 100")
		}
	}
	if len(in.TagFilters) > 50 || len(in.ResourceARNList) > 100 {
		return nil, invalid("at most 50 TagFilters and 100 ARNs can be given")
	}
	if in.ResourceARNList != nil && (in.PaginationToken != "" || in.ResourcesPerPage != nil ||
		in.TagFilters != nil || in.ResourceTypeFilters != nil) {
		return nil, invalid("ResourceARNList cannot be given together with other filters")
	}
	if in.ResourceARNList != nil {
		at.size = len(in.ResourceARNList) // on one page
	}
	var ok bool
	if at.key, ok = c.readToken(at.scope, in.PaginationToken); !ok {
		return nil, errorf("PaginationTokenExpiredException", "The pagination token is not valid")
	}
	state := &c.Region.ecr
	state.mu.Lock()
	defer state.mu.Unlock()
	mappings, next := entries(at, state.repositories.from, func(_ string, repo *Repository) (resourceMapping, bool) {
		tags, listed := repo.tagged()
		return resourceMapping{repo.ARN(), tagList(tags)}, listed && in.selects(repo.ARN(), tags)
	})
	return getResourcesOutput{next, mappings}, nil
}

// tagged returns the resource tags, and whether the tagging API lists the
// repository.
func (r *Repository) tagged() (map[string]string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.tags), r.everTagged
}

// selects reports whether the request asks for a repository.
func (in *getResourcesInput) selects(arn string, tags map[string]string) bool {
	if in.ResourceARNList != nil {
		return slices.Contains(in.ResourceARNList, arn)
	}
	if len(in.ResourceTypeFilters) > 0 && !slices.Contains(in.ResourceTypeFilters, "ecr") &&
		!slices.Contains(in.ResourceTypeFilters, "ecr:repository") {
		return false
	}
	for _, f := range in.TagFilters {
		value, exists := tags[f.Key]
		if !exists || len(f.Values) > 0 && !slices.Contains(f.Values, value) {
			return false
		}
	}
	return true
}
