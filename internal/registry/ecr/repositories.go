package ecr

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/image"
)

// pageSize is the most that ECR returns in one page of repositories or images.
const pageSize = 1000

// repositoryARN is a repository with the name that the tagging API has for it.
type repositoryARN struct {
	image.Repository
	arn string
}

// Repositories lists the repositories whose name want accepts, sorted by name.
// See registry.Reader.
func (r *Reader) Repositories(ctx context.Context, want func(name string) bool, withTags bool) ([]image.Repository, error) {
	found, total, err := r.list(ctx, want)
	if err == nil && withTags {
		err = r.tag(ctx, found, total)
	}
	if err != nil {
		return nil, fmt.Errorf("list repositories of %s: %w", r.id.Host, err)
	}
	repositories := make([]image.Repository, len(found))
	for i := range found {
		repositories[i] = found[i].Repository
	}
	return repositories, nil
}

// list returns the repositories that want accepts, sorted by name, and how many
// the registry has.
func (r *Reader) list(ctx context.Context, want func(name string) bool) (found []repositoryARN, total int, err error) {
	pages := awsapi.Stream(ctx, func(ctx context.Context, token *string) ([]types.Repository, *string, error) {
		out, err := r.calls.describeRepositories(ctx, &ecr.DescribeRepositoriesInput{
			RegistryId: &r.id.Account, MaxResults: aws.Int32(pageSize), NextToken: token,
		})
		if err != nil {
			return nil, nil, err
		}
		return out.Repositories, out.NextToken, nil
	})
	for page, err := range pages {
		if err != nil {
			return nil, 0, err
		}
		total += len(page)
		for _, repository := range page {
			name := aws.ToString(repository.RepositoryName)
			if name == "" {
				return nil, 0, errors.New("the answer has a repository without a name")
			}
			if !want(name) {
				continue
			}
			// The SDK's strings are parts of a whole page; these live on alone.
			found = append(found, repositoryARN{
				Repository: image.Repository{
					Registry: r.id.Name, Name: strings.Clone(name), CreatedAt: moment(repository.CreatedAt),
					Mutability: mutability(&repository),
				},
				arn: strings.Clone(aws.ToString(repository.RepositoryArn)),
			})
		}
	}
	slices.SortFunc(found, func(a, b repositoryARN) int { return strings.Compare(a.Name, b.Name) })
	// A list that changes while it is read can have a repository on two pages.
	found = slices.CompactFunc(found, func(a, b repositoryARN) bool { return a.Name == b.Name })
	return found, total, nil
}

// mutability returns which tags of a repository can be moved, as far as the answer
// tells.
func mutability(r *types.Repository) (m image.Mutability) {
	switch r.ImageTagMutability {
	case types.ImageTagMutabilityImmutable:
		m.Immutable = true
		return m
	case types.ImageTagMutabilityImmutableWithExclusion:
		m.Immutable = true
	case types.ImageTagMutabilityMutableWithExclusion:
	default:
		return m
	}
	for _, filter := range r.ImageTagMutabilityExclusionFilters {
		m.Except = append(m.Except, strings.Clone(aws.ToString(filter.Filter)))
	}
	return m
}

// moment converts a time of the API; none is the unknown time.
func moment(t *time.Time) image.Time {
	if t == nil {
		return 0
	}
	return image.At(*t)
}
