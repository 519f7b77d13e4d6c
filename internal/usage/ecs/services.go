package ecs

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/usage/awsusage"
)

// service is what the later steps need of a service.
type service struct {
	cluster, arn string
	// holder is "cluster/service".
	holder     string
	controller types.DeploymentControllerType
	// current are the service revisions that the service has now.
	current []string
	// idle says that no task shows the digests of the current revisions.
	idle bool
}

// readServices reads the services of all clusters, and what they are and were
// deployed from.
func (r *reader) readServices(ctx context.Context, clusters []string) {
	arns := make([][]string, len(clusters))
	awsusage.ForEach(ctx, indices(len(clusters)), func(ctx context.Context, i int) {
		arns[i] = r.listServices(ctx, clusters[i])
	})
	parts := batches(clusters, arns, serviceBatch)
	found := make([][]service, len(parts))
	awsusage.ForEach(ctx, indices(len(parts)), func(ctx context.Context, i int) {
		found[i] = r.describeServices(ctx, parts[i])
	})
	var services []service
	for _, some := range found {
		services = append(services, some...)
	}
	r.readRevisions(ctx, r.readDeployments(ctx, services))
}

func (r *reader) listServices(ctx context.Context, cluster string) []string {
	arns, err := awsapi.Pages(ctx, func(ctx context.Context, token *string) ([]string, *string, error) {
		out, err := r.calls.listServices(ctx, &ecs.ListServicesInput{
			Cluster: &cluster, NextToken: token, MaxResults: new(int32(pageSize)),
		})
		if err != nil {
			return nil, nil, err
		}
		return out.ServiceArns, out.NextToken, nil
	})
	if err != nil && !clusterGone(err) {
		r.record.Fail("list services", "cluster "+awsusage.LastPart(cluster), err)
	}
	return arns
}

// describeServices reads the task definitions that a batch of services names.
// The desired count does not matter: a service at 0 is scaled out by a schedule
// or an alarm at any time.
func (r *reader) describeServices(ctx context.Context, b batch) []service {
	out, err := r.calls.describeServices(ctx, &ecs.DescribeServicesInput{Cluster: &b.cluster, Services: b.arns})
	if err != nil {
		if !clusterGone(err) {
			r.record.Fail("describe services", "cluster "+awsusage.LastPart(b.cluster), err)
		}
		return nil
	}
	var described []string
	var services []service
	for _, s := range out.Services {
		arn := aws.ToString(s.ServiceArn)
		described = append(described, arn)
		found := service{cluster: b.cluster, arn: arn, holder: awsusage.LastPart(b.cluster) + "/" + awsusage.LastPart(arn), idle: s.RunningCount == 0}
		if s.DeploymentController != nil {
			found.controller = s.DeploymentController.Type
		}
		r.name(found.holder, aws.ToString(s.TaskDefinition), image.Declared)
		for _, deployment := range s.Deployments {
			r.name(found.holder, aws.ToString(deployment.TaskDefinition), image.Declared)
		}
		for _, set := range s.TaskSets {
			r.name(found.holder, aws.ToString(set.TaskDefinition), image.Declared)
		}
		for _, revision := range s.CurrentServiceRevisions {
			found.current = append(found.current, aws.ToString(revision.Arn))
		}
		// Only task sets tell what an external controller runs, and it may have
		// none yet.
		if aws.ToString(s.TaskDefinition) == "" && len(s.Deployments)+len(s.TaskSets) == 0 && found.controller != types.DeploymentControllerTypeExternal {
			r.record.Fail("describe services", found.holder, errIncomplete)
		}
		services = append(services, found)
	}
	r.checkFailures("describe services", b.arns, described, out.Failures)
	return services
}

// serviceGone reports whether the error says that a service that was listed a
// moment ago, or its cluster, exists no more.
func serviceGone(err error) bool {
	var gone *types.ServiceNotFoundException
	return errors.As(err, &gone) || clusterGone(err)
}
