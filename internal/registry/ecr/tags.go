package ecr

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	tagging "github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi/types"
	"golang.org/x/sync/errgroup"

	"github.com/regsweep/regsweep/internal/awsapi"
)

// resourcesPerPage is the most that GetResources returns in one page.
const resourcesPerPage = 100

// tag reads the resource tags of the repositories, out of total in the
// registry. What cannot be read is noted in the repository's TagsError; the
// error is for what ends the run.
func (r *Reader) tag(ctx context.Context, found []repositoryARN, total int) error {
	// For few repositories out of many, a call for each is less than all pages.
	pages := (total + resourcesPerPage - 1) / resourcesPerPage
	if len(found) > pages && r.own(ctx) {
		if err := r.bulkTags(ctx, found); final(ctx, err) {
			return err
		}
		// Any other failure leaves the rest to the calls for each repository,
		// which have the last word.
	}
	var calls errgroup.Group
	calls.SetLimit(maxTagCalls)
	for i := range found {
		repository := &found[i]
		if repository.Tags != nil {
			continue
		}
		calls.Go(func() error {
			tags, err := r.repositoryTags(ctx, repository.arn)
			if err != nil {
				err = fmt.Errorf("list the tags of repository %s: %w", repository.Name, err)
			}
			if final(ctx, err) {
				return err
			}
			repository.Tags, repository.TagsError = tags, err
			return nil
		})
	}
	return calls.Wait()
}

// final reports whether after the error no other call can succeed.
func final(ctx context.Context, err error) bool {
	var credentials *awsapi.CredentialsError
	return err != nil && (ctx.Err() != nil || errors.As(err, &credentials))
}

// bulkTags sets the tags of the repositories that the tagging API lists. It
// omits those that never had any, and knows only the caller's own account. What
// was set before an error is right.
func (r *Reader) bulkTags(ctx context.Context, found []repositoryARN) error {
	byARN := make(map[string]*repositoryARN, len(found))
	for i := range found {
		byARN[found[i].arn] = &found[i]
	}
	pages := awsapi.Stream(ctx, func(ctx context.Context, token *string) ([]types.ResourceTagMapping, *string, error) {
		out, err := r.calls.getResources(ctx, &tagging.GetResourcesInput{
			ResourceTypeFilters: []string{"ecr:repository"},
			ResourcesPerPage:    aws.Int32(resourcesPerPage), PaginationToken: token,
		})
		if err != nil {
			return nil, nil, err
		}
		return out.ResourceTagMappingList, out.PaginationToken, nil
	})
	for page, err := range pages {
		if err != nil {
			return err
		}
		for _, resource := range page {
			repository := byARN[aws.ToString(resource.ResourceARN)]
			if repository == nil || resource.Tags == nil {
				continue
			}
			tags := make(map[string]string, len(resource.Tags))
			for _, tag := range resource.Tags {
				tags[strings.Clone(aws.ToString(tag.Key))] = strings.Clone(aws.ToString(tag.Value))
			}
			repository.Tags = tags
		}
	}
	return nil
}

// repositoryTags reads the tags of one repository.
func (r *Reader) repositoryTags(ctx context.Context, arn string) (map[string]string, error) {
	out, err := r.calls.listTagsForResource(ctx, &ecr.ListTagsForResourceInput{ResourceArn: &arn})
	if err != nil {
		return nil, err
	}
	if out.Tags == nil {
		return nil, errors.New("the answer has no list of tags")
	}
	tags := make(map[string]string, len(out.Tags))
	for _, tag := range out.Tags {
		tags[strings.Clone(aws.ToString(tag.Key))] = strings.Clone(aws.ToString(tag.Value))
	}
	return tags, nil
}
