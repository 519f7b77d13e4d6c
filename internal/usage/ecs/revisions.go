package ecs

import (
	"context"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/regsweep/regsweep/internal/usage/awsusage"
)

// readRevisions reads the images of service revisions. ECS resolves the tags of
// a revision to digests when it is first deployed, and starts every further
// task from those digests: the digest is in use even when the tag has moved on
// (API reference, ContainerImage; aws/amazon-ecs-agent#4226). A revision is
// immutable (developer guide, "Amazon ECS service revisions"), so that it is
// kept in the cache once its digests are known.
func (r *reader) readRevisions(ctx context.Context, all []*revision) {
	var asked []item
	byARN := map[string]*revision{}
	for _, rev := range all {
		byARN[rev.arn] = rev
		if known, ok := r.revisions.Get(rev.arn); ok && len(known)%2 == 1 {
			r.seeRevision(rev, known)
			continue
		}
		asked = append(asked, item{rev.service, rev.arn})
	}
	r.inBatches(ctx, asked, revisionBatch, "describe service revisions", func(ctx context.Context, part []item) error {
		return r.describeRevisions(ctx, part, byARN)
	})
}

// seeRevision records what a revision names: its task definition, and image
// and digest of each container in turn.
func (r *reader) seeRevision(rev *revision, values []string) {
	r.name(rev.service.holder, values[0], rev.state)
	for pair := range slices.Chunk(values[1:], 2) {
		r.pin(rev.service.holder, rev.state, pair[0], pair[1])
	}
}

func (r *reader) describeRevisions(ctx context.Context, part []item, byARN map[string]*revision) error {
	arns := arnsOf(part)
	out, err := r.calls.describeServiceRevisions(ctx, &ecs.DescribeServiceRevisionsInput{ServiceRevisionArns: arns})
	if err != nil {
		return err
	}
	var described []string
	for _, found := range out.ServiceRevisions {
		arn := aws.ToString(found.ServiceRevisionArn)
		described = append(described, arn)
		rev := byARN[arn]
		if rev == nil {
			continue // not asked for; checkFailures finds what is left out
		}
		values := []string{aws.ToString(found.TaskDefinition)}
		resolved := len(found.ContainerImages) > 0
		for _, c := range found.ContainerImages {
			values = append(values, aws.ToString(c.Image), aws.ToString(c.ImageDigest))
			resolved = resolved && aws.ToString(c.ImageDigest) != ""
		}
		if values[0] == "" && len(found.ContainerImages) == 0 {
			r.record.Fail("describe service revisions", "service "+rev.service.holder, errIncomplete)
			continue
		}
		r.seeRevision(rev, values)
		if resolved || rev.settled {
			r.revisions.Put(arn, values)
		}
	}
	r.checkFailures("describe service revisions", arns, described, out.Failures)
	for _, failure := range out.Failures {
		if rev := byARN[aws.ToString(failure.Arn)]; rev != nil && aws.ToString(failure.Reason) == missing {
			r.unpin(rev)
		}
	}
	return nil
}

// unpin deals with a revision that AWS does not describe: one that was created
// before 25 October 2024 (API reference, DescribeServiceRevisions). If a service
// has it now, and has no task that shows its digests, then what the service
// would start is not known, and any image of its repositories can be it.
func (r *reader) unpin(rev *revision) {
	if !rev.service.idle || !slices.Contains(rev.service.current, rev.arn) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.unpinned == nil {
		r.unpinned = map[string]bool{}
	}
	r.unpinned[rev.service.holder] = true
	r.record.Note("service %s was deployed so long ago that AWS does not tell its digests: all images of its repositories are kept until it is deployed again", rev.service.holder)
}

// item is an ARN that belongs to a service.
type item struct {
	service *service
	arn     string
}

func arnsOf(items []item) []string {
	arns := make([]string, len(items))
	for i, it := range items {
		arns[i] = it.arn
	}
	return arns
}

// inBatches calls do with batches of items. Batches go across services, since
// most services have few; AWS neither says that this is allowed nor that it is
// not. Where a batch is refused because of what it names, its services are
// asked for one by one, so that it is right either way.
func (r *reader) inBatches(ctx context.Context, items []item, size int, doing string, do func(context.Context, []item) error) {
	awsusage.ForEach(ctx, slices.Collect(slices.Chunk(items, size)), func(ctx context.Context, part []item) {
		err := do(ctx, part)
		if err == nil {
			return
		}
		first, last := part[0].service, part[len(part)-1].service
		if first == last || !refused(err) {
			r.fail(doing, part, err)
			return
		}
		for len(part) > 0 {
			n := slices.IndexFunc(part, func(it item) bool { return it.service != part[0].service })
			if n < 0 {
				n = len(part)
			}
			if err := do(ctx, part[:n]); err != nil {
				r.fail(doing, part[:n], err)
			}
			part = part[n:]
		}
	})
}

// fail records the error of a batch, unless it says that the one service of
// the batch is gone.
func (r *reader) fail(doing string, part []item, err error) {
	if serviceGone(err) && part[0].service == part[len(part)-1].service {
		return
	}
	r.record.Fail(doing, "service "+part[0].service.holder, err)
}

// refused reports whether the error blames what the call named.
func refused(err error) bool {
	var (
		invalid *types.InvalidParameterException
		client  *types.ClientException
	)
	return serviceGone(err) || errors.As(err, &invalid) || errors.As(err, &client)
}
