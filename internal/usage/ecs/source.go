// Package ecs finds the images that Amazon ECS uses: those of tasks, of
// services with their deployments, task sets and revisions, and of task
// definitions that can still be started.
package ecs

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/usage"
	"github.com/regsweep/regsweep/internal/usage/awsusage"
)

// DefaultRevisions is how many revisions of each family of task definitions
// are uses where the configuration does not say.
const DefaultRevisions = 5

// Config is what the configuration says of an ECS source.
type Config struct {
	// Regions are the regions to read; none means the session's own.
	Regions []string `yaml:"regions"`
	// AssumeRole is the ARN of a role to read as, or "".
	AssumeRole string `yaml:"assumeRole"`
	// Revisions is how many of the newest ACTIVE revisions of each family of
	// task definitions are uses, since anyone may start them. Not set (0) means
	// DefaultRevisions. What a service, a task set, a service revision or a
	// task names is a use in any case.
	Revisions int `yaml:"revisions"`
}

// Open makes one source for each region. It makes no call.
func (c Config) Open(name string, env usage.Env) ([]usage.Source, error) {
	if c.Revisions < 0 {
		return nil, fmt.Errorf("revisions: %d is less than 1", c.Revisions)
	}
	revisions := c.Revisions
	if revisions == 0 {
		revisions = DefaultRevisions
	}
	return awsusage.PerRegion(env, name, c.Regions, c.AssumeRole, func(name string, target awsapi.Target) usage.Source {
		return &source{name: name, target: target, revisions: revisions, env: env}
	})
}

// call is one operation of the SDK's client.
type call[In, Out any] func(context.Context, *In, ...func(*ecs.Options)) (*Out, error)

// calls are the operations that the source needs, one by one, so that the
// linker can leave out the rest of the client.
type calls struct {
	listClusters               call[ecs.ListClustersInput, ecs.ListClustersOutput]
	listTasks                  call[ecs.ListTasksInput, ecs.ListTasksOutput]
	describeTasks              call[ecs.DescribeTasksInput, ecs.DescribeTasksOutput]
	listServices               call[ecs.ListServicesInput, ecs.ListServicesOutput]
	describeServices           call[ecs.DescribeServicesInput, ecs.DescribeServicesOutput]
	listServiceDeployments     call[ecs.ListServiceDeploymentsInput, ecs.ListServiceDeploymentsOutput]
	describeServiceDeployments call[ecs.DescribeServiceDeploymentsInput, ecs.DescribeServiceDeploymentsOutput]
	describeServiceRevisions   call[ecs.DescribeServiceRevisionsInput, ecs.DescribeServiceRevisionsOutput]
	listTaskDefinitions        call[ecs.ListTaskDefinitionsInput, ecs.ListTaskDefinitionsOutput]
	describeTaskDefinition     call[ecs.DescribeTaskDefinitionInput, ecs.DescribeTaskDefinitionOutput]
}

func newCalls(config aws.Config) calls {
	client := ecs.NewFromConfig(config)
	return calls{
		listClusters:               client.ListClusters,
		listTasks:                  client.ListTasks,
		describeTasks:              client.DescribeTasks,
		listServices:               client.ListServices,
		describeServices:           client.DescribeServices,
		listServiceDeployments:     client.ListServiceDeployments,
		describeServiceDeployments: client.DescribeServiceDeployments,
		describeServiceRevisions:   client.DescribeServiceRevisions,
		listTaskDefinitions:        client.ListTaskDefinitions,
		describeTaskDefinition:     client.DescribeTaskDefinition,
	}
}

// source is ECS in one region.
type source struct {
	name      string
	target    awsapi.Target
	revisions int
	env       usage.Env
}

// Name implements usage.Source.
func (s *source) Name() string { return s.name }

// Collect implements usage.Source.
//
// What can still be started is a use, and so is what ECS could go back to:
//
//   - running tasks are running; stopped tasks that ECS still lists, which it
//     does for at least an hour (API reference, DescribeTasks), are rollback;
//   - what a service, its deployments, its task sets, its current revisions
//     and its unfinished service deployments name is declared, whatever the
//     desired count and the status of the task definition;
//   - the other revisions of finished service deployments, of which ECS lists
//     those of 90 days (developer guide, "View service history"), are rollback;
//   - the newest ACTIVE task definitions of each family are declared.
func (s *source) Collect(ctx context.Context) (usage.Findings, error) {
	config, err := s.env.AWS.Config(ctx, s.target)
	if err != nil {
		return usage.Findings{}, fmt.Errorf("configure AWS: %w", err)
	}
	r := &reader{
		calls:       newCalls(config),
		keep:        s.revisions,
		definitions: awsusage.OpenFacts(s.env.CacheDir, "ecs-task-definitions"),
		deployments: awsusage.OpenFacts(s.env.CacheDir, "ecs-service-deployments"),
		revisions:   awsusage.OpenFacts(s.env.CacheDir, "ecs-service-revisions"),
	}
	r.read(ctx)
	for _, cache := range []*awsusage.Facts{r.definitions, r.deployments, r.revisions} {
		for _, note := range cache.Save() {
			r.record.Note("%s", note)
		}
	}
	return r.record.Findings(ctx)
}
