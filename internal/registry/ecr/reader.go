package ecr

import (
	"context"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	tagging "github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"

	"github.com/regsweep/regsweep/internal/registry"
)

// Bounds of what one reader has in flight. The rates are the business of the
// limiter below the SDK; these keep memory from growing with the account.
const (
	maxManifestCalls = 32 // of 100 manifests each
	// manifestCallsEach is that for one repository. Of a large one the answers
	// and what was asked are what is not yet of use; with twice as many it takes
	// 3 MiB more.
	manifestCallsEach = 16
	maxTagCalls       = 64
)

// Reader reads an ECR registry. Its methods may be called by many goroutines at
// once.
type Reader struct {
	id    registry.Identity
	env   Env
	calls readCalls
	// own reports whether the registry is that of the account that calls are
	// made as. It may call AWS.
	own func(context.Context) bool
	// manifestSlots bounds the calls of BatchGetImage over all repositories.
	manifestSlots chan struct{}
	// pageReaders holds the *pageReader that no call uses.
	pageReaders sync.Pool
}

var _ registry.Reader = (*Reader)(nil)

// readCalls are the calls that a reader makes. They are functions, and not
// clients, so that the linker can leave out all others.
type readCalls struct {
	describeRepositories func(context.Context, *ecr.DescribeRepositoriesInput, ...func(*ecr.Options)) (*ecr.DescribeRepositoriesOutput, error)
	describeImages       func(context.Context, *ecr.DescribeImagesInput, ...func(*ecr.Options)) (*ecr.DescribeImagesOutput, error)
	batchGetImage        manifestCall
	listTagsForResource  func(context.Context, *ecr.ListTagsForResourceInput, ...func(*ecr.Options)) (*ecr.ListTagsForResourceOutput, error)
	getResources         func(context.Context, *tagging.GetResourcesInput, ...func(*tagging.Options)) (*tagging.GetResourcesOutput, error)
}

func newReader(id registry.Identity, sdk aws.Config, env Env, own func(context.Context) bool) *Reader {
	images, tags := ecr.NewFromConfig(sdk), tagging.NewFromConfig(sdk)
	return &Reader{
		id: id, env: env, own: own,
		calls: readCalls{
			describeRepositories: images.DescribeRepositories,
			describeImages:       images.DescribeImages,
			batchGetImage:        newManifestCall(images.BatchGetImage),
			listTagsForResource:  images.ListTagsForResource,
			getResources:         tags.GetResources,
		},
		manifestSlots: make(chan struct{}, maxManifestCalls),
	}
}

// Identity returns what references to the registry look like.
func (r *Reader) Identity() registry.Identity { return r.id }
