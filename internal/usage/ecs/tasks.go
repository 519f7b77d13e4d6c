package ecs

import (
	"context"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/usage/awsusage"
)

// stopped is the last status of a task that runs no more. Until then a task
// may run, also while ECS is stopping it.
const stopped = "STOPPED"

// readTasks reads the tasks of all clusters.
func (r *reader) readTasks(ctx context.Context, clusters []string) {
	tasks := make([][]string, len(clusters))
	awsusage.ForEach(ctx, indices(len(clusters)), func(ctx context.Context, i int) {
		tasks[i] = r.listTasks(ctx, clusters[i])
	})
	awsusage.ForEach(ctx, batches(clusters, tasks, taskBatch), r.describeTasks)
}

// listTasks returns the tasks of a cluster: first those that shall run, then
// those that shall not, so that one that is stopped in between is listed twice
// and not never.
func (r *reader) listTasks(ctx context.Context, cluster string) []string {
	var all []string
	for _, status := range []types.DesiredStatus{types.DesiredStatusRunning, types.DesiredStatusStopped} {
		arns, err := awsapi.Pages(ctx, func(ctx context.Context, token *string) ([]string, *string, error) {
			out, err := r.calls.listTasks(ctx, &ecs.ListTasksInput{
				Cluster: &cluster, DesiredStatus: status, NextToken: token, MaxResults: new(int32(pageSize)),
			})
			if err != nil {
				return nil, nil, err
			}
			return out.TaskArns, out.NextToken, nil
		})
		if err != nil && !clusterGone(err) {
			r.record.Fail("list tasks", "cluster "+awsusage.LastPart(cluster), err)
		}
		all = append(all, arns...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// describeTasks reads the images of a batch of tasks.
func (r *reader) describeTasks(ctx context.Context, b batch) {
	out, err := r.calls.describeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &b.cluster, Tasks: b.arns})
	if err != nil {
		if !clusterGone(err) {
			r.record.Fail("describe tasks", "cluster "+awsusage.LastPart(b.cluster), err)
		}
		return
	}
	var described []string
	for _, task := range out.Tasks {
		arn := aws.ToString(task.TaskArn)
		described = append(described, arn)
		holder := awsusage.LastPart(b.cluster) + "/" + awsusage.LastPart(arn)
		if task.Containers == nil || aws.ToString(task.TaskDefinitionArn) == "" {
			r.record.Fail("describe tasks", holder, errIncomplete)
		}
		state, definitionState := image.Running, image.Declared
		if aws.ToString(task.LastStatus) == stopped {
			state, definitionState = image.Rollback, image.Rollback
		}
		for _, container := range task.Containers {
			r.pin(holder, state, aws.ToString(container.Image), aws.ToString(container.ImageDigest))
		}
		if definition := aws.ToString(task.TaskDefinitionArn); definition != "" {
			r.name(definitionHolder(definition), definition, definitionState)
		}
	}
	r.checkFailures("describe tasks", b.arns, described, out.Failures)
}

// clusterGone reports whether the error says that a cluster that was listed a
// moment ago exists no more. Nothing runs in it then.
func clusterGone(err error) bool {
	var gone *types.ClusterNotFoundException
	return errors.As(err, &gone)
}

// definitionHolder is the holder of what a task definition names:
// "task-definition/family:revision".
func definitionHolder(arn string) string { return "task-definition/" + awsusage.LastPart(arn) }
