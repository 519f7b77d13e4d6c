package ecs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/usage"
	"github.com/regsweep/regsweep/internal/usage/awsusage"
)

// The largest pages and batches (API reference of each operation).
const (
	pageSize        = 100
	taskBatch       = 100
	serviceBatch    = 10
	deploymentBatch = 20
	revisionBatch   = 20
)

// missing is the reason of a failure that says that the thing does not exist,
// or not any more: it went away since it was listed.
const missing = "MISSING"

// errIncomplete is a description that lacks what it cannot be without, so that
// it does not tell which images are meant.
var errIncomplete = errors.New("the answer of ECS leaves out what it consists of")

// unknownDigest stands for a digest that somebody uses and that nobody tells. It
// is of no known algorithm, so that it may be any image of the repository.
const unknownDigest = "unknown:digest"

// reader is one reading of a region. It goes in steps, each of which makes its
// calls in parallel, and every step works with what the ones before it found.
type reader struct {
	calls  calls
	keep   int // newest ACTIVE revisions of each family
	record awsusage.Record

	definitions *awsusage.Facts // task definition → images
	deployments *awsusage.Facts // finished service deployment → revisions
	revisions   *awsusage.Facts // service revision → task definition, and image and digest in turn

	mu    sync.Mutex
	named map[naming]image.State
	// unpinned are the holders of services whose digests are not known.
	unpinned map[string]bool
}

// naming is a holder that names a task definition.
type naming struct {
	holder, definition string
}

// name records that a holder names a task definition. Of two states the
// stronger one counts.
func (r *reader) name(holder, definition string, state image.State) {
	if definition == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.named == nil {
		r.named = map[naming]image.State{}
	}
	key := naming{holder, definition}
	r.named[key] = stronger(r.named[key], state)
}

// stronger returns the stronger of two states, of which the first may be "".
func stronger(a, b image.State) image.State {
	for _, state := range []image.State{image.Running, image.Declared, image.Rollback} {
		if a == state || b == state {
			return state
		}
	}
	return b
}

// pin records an image and the digest that it was resolved to.
func (r *reader) pin(holder string, state image.State, reference, digest string) {
	if reference == "" && digest == "" {
		return // a container that ECS adds itself may have neither
	}
	r.record.See(usage.Observation{Holder: holder, State: state, Asked: reference, Got: awsusage.Pinned(reference, digest)})
}

// read reads everything.
func (r *reader) read(ctx context.Context) {
	var newest sync.WaitGroup
	newest.Go(func() { r.newestDefinitions(ctx) }) // pages of one list, beside all else
	clusters, err := awsapi.Pages(ctx, func(ctx context.Context, token *string) ([]string, *string, error) {
		out, err := r.calls.listClusters(ctx, &ecs.ListClustersInput{NextToken: token, MaxResults: new(int32(pageSize))})
		if err != nil {
			return nil, nil, err
		}
		return out.ClusterArns, out.NextToken, nil
	})
	if err != nil {
		r.record.Fail("list clusters", "", err)
	}
	r.readTasks(ctx, clusters)
	r.readServices(ctx, clusters)
	newest.Wait()
	r.resolveDefinitions(ctx)
}

// batch is a part of what a cluster holds.
type batch struct {
	cluster string // its ARN
	arns    []string
}

// batches splits what each cluster holds, given by index, into batches.
func batches(clusters []string, held [][]string, size int) []batch {
	var all []batch
	for i, cluster := range clusters {
		for part := range slices.Chunk(held[i], size) {
			all = append(all, batch{cluster, part})
		}
	}
	return all
}

// indices returns 0 to n-1, to write results of parallel calls by index.
func indices(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// checkFailures records the failures of a batch that do not say that a thing
// is gone, and the things that ECS neither described nor failed: an answer
// that leaves one out says nothing of it.
func (r *reader) checkFailures(doing string, asked, described []string, failures []types.Failure) {
	silent := map[string]bool{}
	for _, arn := range asked {
		silent[arn] = true
	}
	for _, arn := range described {
		delete(silent, arn)
	}
	others := 0 // failures that name something that was not asked for
	for _, failure := range failures {
		arn := aws.ToString(failure.Arn)
		if silent[arn] {
			delete(silent, arn)
		} else {
			others++
		}
		if reason := aws.ToString(failure.Reason); reason != missing {
			r.record.Fail(doing, arn, fmt.Errorf("ECS answers %s", strings.TrimSpace(reason+" "+aws.ToString(failure.Detail))))
		}
	}
	// Such a failure stands for one of the batch: that of a deployment names
	// its revision (API reference, DescribeServiceDeployments).
	if len(silent) <= others {
		return
	}
	for arn := range silent {
		r.record.Fail(doing, arn, errors.New("the answer of ECS leaves it out"))
	}
}
