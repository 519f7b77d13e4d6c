package ecs

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/usage/awsusage"
)

// finished are the states that a service deployment does not leave (developer
// guide, "View service history").
var finished = []types.ServiceDeploymentStatus{
	types.ServiceDeploymentStatusSuccessful,
	types.ServiceDeploymentStatusStopped,
	types.ServiceDeploymentStatusRollbackSuccessful,
	types.ServiceDeploymentStatusRollbackFailed,
}

// revision is one service revision and who names it.
type revision struct {
	service *service
	arn     string
	state   image.State
	// settled says that all deployments that name it are finished: its images
	// are resolved to digests by now, as far as they ever will be.
	settled bool
}

// revisions gathers the revisions that deployments name.
type revisions struct {
	mu  sync.Mutex
	all map[string]*revision
}

// add records that a service names a revision.
func (rs *revisions) add(s *service, arn string, state image.State, settled bool) {
	if arn == "" {
		return
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	known := rs.all[arn]
	if known == nil {
		rs.all[arn] = &revision{s, arn, state, settled}
		return
	}
	known.state = stronger(known.state, state)
	known.settled = known.settled && settled
}

// readDeployments returns the service revisions that the services have now and
// that their service deployments name, sorted.
func (r *reader) readDeployments(ctx context.Context, services []service) []*revision {
	found := &revisions{all: map[string]*revision{}}
	open := make([][]string, len(services))
	awsusage.ForEach(ctx, indices(len(services)), func(ctx context.Context, i int) {
		open[i] = r.listDeployments(ctx, &services[i], found)
	})
	// The order of services decides what shares a batch, so that a run makes
	// the same calls as the one before it.
	var asked []item
	for i := range services {
		for _, arn := range open[i] {
			asked = append(asked, item{&services[i], arn})
		}
	}
	r.inBatches(ctx, asked, deploymentBatch, "describe service deployments", func(ctx context.Context, part []item) error {
		return r.describeDeployments(ctx, part, found)
	})
	for i := range services {
		for _, arn := range services[i].current {
			known := found.all[arn]
			found.add(&services[i], arn, image.Declared, known != nil && known.settled)
		}
	}
	var all []*revision
	for _, rev := range found.all {
		all = append(all, rev)
	}
	slices.SortFunc(all, func(a, b *revision) int { return strings.Compare(a.arn, b.arn) })
	return all
}

// listDeployments returns the service deployments of a service that must be
// described. Those that were finished when an earlier run read them are in the
// cache, and their revisions are added to found at once.
func (r *reader) listDeployments(ctx context.Context, s *service, found *revisions) []string {
	var open []string
	pages := awsapi.Stream(ctx, func(ctx context.Context, token *string) ([]types.ServiceDeploymentBrief, *string, error) {
		out, err := r.calls.listServiceDeployments(ctx, &ecs.ListServiceDeploymentsInput{
			Cluster: &s.cluster, Service: &s.arn, NextToken: token, MaxResults: new(int32(pageSize)),
		})
		if err != nil {
			return nil, nil, err
		}
		return out.ServiceDeployments, out.NextToken, nil
	})
	for page, err := range pages {
		if err != nil {
			switch {
			case serviceGone(err), s.hasNoDeployments(err):
			case unsupported(err):
				r.record.Note("the region has no service deployments")
			default:
				r.record.Fail("list service deployments", "service "+s.holder, err)
			}
			break
		}
		for _, brief := range page {
			arn := aws.ToString(brief.ServiceDeploymentArn)
			if arn == "" {
				r.record.Fail("list service deployments", "service "+s.holder, errIncomplete)
				continue
			}
			// The list alone does not tell the source and the rollback revision.
			// What it tells is kept in case the description fails.
			done := slices.Contains(finished, brief.Status)
			found.add(s, aws.ToString(brief.TargetServiceRevisionArn), stateOf(done), done)
			if known, ok := r.deployments.Get(arn); ok && done {
				for _, rev := range known {
					found.add(s, rev, image.Rollback, true)
				}
				continue
			}
			open = append(open, arn)
		}
	}
	return open
}

// unsupported reports whether the error says that the region does not know the
// operation, so that there are no service deployments in it.
func unsupported(err error) bool {
	var feature *types.UnsupportedFeatureException
	return errors.As(err, &feature)
}

// hasNoDeployments reports whether the error says that the service cannot have
// service deployments, since CodeDeploy or another controller deploys it, by
// task sets. AWS does not document what it answers then.
func (s *service) hasNoDeployments(err error) bool {
	var invalid *types.InvalidParameterException
	foreign := s.controller == types.DeploymentControllerTypeCodeDeploy || s.controller == types.DeploymentControllerTypeExternal
	return foreign && errors.As(err, &invalid)
}

// stateOf returns the state of what a deployment names.
func stateOf(done bool) image.State {
	if done {
		return image.Rollback
	}
	return image.Declared
}

// describeDeployments adds the revisions of service deployments to found, and
// those of finished ones to the cache.
func (r *reader) describeDeployments(ctx context.Context, part []item, found *revisions) error {
	arns := arnsOf(part)
	out, err := r.calls.describeServiceDeployments(ctx, &ecs.DescribeServiceDeploymentsInput{ServiceDeploymentArns: arns})
	if err != nil {
		return err
	}
	var described []string
	for _, d := range out.ServiceDeployments {
		arn := aws.ToString(d.ServiceDeploymentArn)
		described = append(described, arn)
		at := slices.Index(arns, arn)
		if at < 0 {
			continue // not asked for; checkFailures finds what is left out
		}
		var names []string
		for _, source := range d.SourceServiceRevisions {
			names = append(names, aws.ToString(source.Arn))
		}
		if d.TargetServiceRevision != nil {
			names = append(names, aws.ToString(d.TargetServiceRevision.Arn))
		}
		if d.Rollback != nil {
			names = append(names, aws.ToString(d.Rollback.ServiceRevisionArn))
		}
		names = slices.DeleteFunc(names, func(name string) bool { return name == "" })
		if len(names) == 0 {
			r.record.Fail("describe service deployments", "service "+part[at].service.holder, errIncomplete)
		}
		done := slices.Contains(finished, d.Status)
		for _, name := range names {
			found.add(part[at].service, name, stateOf(done), done)
		}
		if done {
			r.deployments.Put(arn, names)
		}
	}
	r.checkFailures("describe service deployments", arns, described, out.Failures)
	return nil
}
