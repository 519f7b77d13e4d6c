package embedded

import (
	"slices"
	"time"
)

// DeploymentOutcome is how a service deployment went.
type DeploymentOutcome string

// The outcomes of a service deployment, as values of ServiceDeploymentStatus.
const (
	// DeploymentSuccessful replaces all tasks.
	DeploymentSuccessful DeploymentOutcome = "SUCCESSFUL"
	// DeploymentInProgress has one task of the new revision beside all those of
	// the old one.
	DeploymentInProgress DeploymentOutcome = "IN_PROGRESS"
	// DeploymentRolledBack tried one task, which stopped, and went back.
	DeploymentRolledBack DeploymentOutcome = "ROLLBACK_SUCCESSFUL"
	// DeploymentStopped was stopped before it did anything.
	DeploymentStopped DeploymentOutcome = "STOPPED"
)

// historyFor is how long ECS lists service deployments (developer guide, "View
// service history using Amazon ECS service deployments").
const historyFor = 90 * 24 * time.Hour

// describableSince is when ECS began to keep what it describes: older service
// revisions are MISSING (API reference, DescribeServiceRevisions).
var describableSince = time.Date(2024, time.October, 25, 0, 0, 0, 0, time.UTC)

// serviceRevision is what was or is being deployed.
type serviceRevision struct {
	arn        string
	service    *ECSService
	definition string // ARN
	images     []containerImage
	created    time.Time
}

// serviceDeployment is one deployment of a service.
type serviceDeployment struct {
	arn               string
	service           *ECSService
	status            DeploymentOutcome
	source            []*serviceRevision
	target, rollback  *serviceRevision
	created, finished time.Time
}

// ServiceDeployment is one deployment of a service, for assertions. Revisions
// are ARNs.
type ServiceDeployment struct {
	// ARN is that of the service deployment.
	ARN string
	// Target is the revision that was deployed, and Rollback the one that it
	// went back to, which may be "".
	Target, Rollback string
	// Sources are the revisions that it started from.
	Sources []string
	// Outcome is how it went.
	Outcome DeploymentOutcome
}

// Deployments returns the deployments of the service, oldest first.
func (s *ECSService) Deployments() []ServiceDeployment {
	s.state().mu.Lock()
	defer s.state().mu.Unlock()
	var all []ServiceDeployment
	for _, d := range s.history {
		out := ServiceDeployment{ARN: d.arn, Target: d.target.arn, Outcome: d.status}
		for _, source := range d.source {
			out.Sources = append(out.Sources, source.arn)
		}
		if d.rollback != nil {
			out.Rollback = d.rollback.arn
		}
		all = append(all, out)
	}
	return all
}

// deploy deploys a task definition. The lock is held.
func (s *ECSService) deploy(d *taskDefinition, outcome DeploymentOutcome) {
	state, now := s.state(), s.now()
	if state.revisions == nil {
		state.revisions = map[string]*serviceRevision{}
		state.deployments = map[string]*serviceDeployment{}
	}
	for _, earlier := range s.history {
		if earlier.status == DeploymentInProgress {
			earlier.status, earlier.finished = DeploymentStopped, now
		}
	}
	path := s.cluster.name + "/" + s.name + "/"
	target := &serviceRevision{
		arn:     s.cluster.region.ecsARN("service-revision/" + path + state.newID("service revision")[:19]),
		service: s, definition: d.arn, created: now,
		images: s.cluster.region.Account.server.resolveAll(d.containers),
	}
	state.revisions[target.arn] = target
	deployment := &serviceDeployment{
		arn:     s.cluster.region.ecsARN("service-deployment/" + path + state.newID("service deployment")[:21]),
		service: s, status: outcome, source: s.current, target: target, created: now, finished: now,
	}
	state.deployments[deployment.arn] = deployment
	s.history = append(s.history, deployment)

	switch outcome {
	case DeploymentStopped:
	case DeploymentInProgress:
		deployment.finished = time.Time{}
		if len(s.rollouts) > 0 {
			s.rollouts = s.rollouts[:1]
			s.rollouts[0].status = "ACTIVE"
		}
		s.roll(d, "IN_PROGRESS", now)
		s.current = append([]*serviceRevision{target}, s.current...)
		if s.desired > 0 {
			s.start(d.arn, target.images)
		}
	case DeploymentRolledBack:
		if len(s.current) > 0 {
			deployment.rollback = s.current[0]
		}
		s.start(d.arn, target.images).stopped = now
	case DeploymentSuccessful:
		s.rollouts = nil
		s.roll(d, "COMPLETED", now)
		s.current = []*serviceRevision{target}
		for _, task := range s.running() {
			task.stopped = now
		}
		s.scale(s.desired)
	}
}

// roll puts a rollout of the task definition in front.
func (s *ECSService) roll(d *taskDefinition, state string, now time.Time) {
	s.definition = d.arn
	first := rollout{id: "ecs-svc/" + s.state().newID("rollout")[:19], status: "PRIMARY", state: state, definition: d.arn, created: now}
	s.rollouts = append([]rollout{first}, s.rollouts...)
}

// old reports whether ECS does not describe the revision any more.
func (r *serviceRevision) old() bool { return r.created.Before(describableSince) }

// summaryOutput is ServiceRevisionSummary in the service model.
type summaryOutput struct {
	ARN string `json:"arn"`
}

type rollbackOutput struct {
	ServiceRevisionARN string `json:"serviceRevisionArn"`
	StartedAt          epoch  `json:"startedAt"`
	Reason             string `json:"reason"`
}

// serviceDeploymentOutput is ServiceDeployment in the service model.
type serviceDeploymentOutput struct {
	ServiceDeploymentARN   string          `json:"serviceDeploymentArn"`
	ServiceARN             string          `json:"serviceArn"`
	ClusterARN             string          `json:"clusterArn"`
	CreatedAt              epoch           `json:"createdAt"`
	StartedAt              epoch           `json:"startedAt"`
	FinishedAt             epoch           `json:"finishedAt,omitzero"`
	SourceServiceRevisions []summaryOutput `json:"sourceServiceRevisions"`
	TargetServiceRevision  summaryOutput   `json:"targetServiceRevision"`
	Status                 string          `json:"status"`
	Rollback               *rollbackOutput `json:"rollback,omitempty"`
}

func (d *serviceDeployment) describe() serviceDeploymentOutput {
	out := serviceDeploymentOutput{
		ServiceDeploymentARN: d.arn, ServiceARN: d.service.ARN(), ClusterARN: d.service.cluster.ARN(),
		CreatedAt: epoch(d.created), StartedAt: epoch(d.created), FinishedAt: epoch(d.finished),
		SourceServiceRevisions: summaries(d.source), TargetServiceRevision: summaryOutput{d.target.arn}, Status: string(d.status),
	}
	if d.rollback != nil {
		out.Rollback = &rollbackOutput{d.rollback.arn, epoch(d.created), "The deployment circuit breaker was triggered."}
	}
	return out
}

// summaries names revisions.
func summaries(revisions []*serviceRevision) []summaryOutput {
	out := []summaryOutput{}
	for _, revision := range revisions {
		out = append(out, summaryOutput{revision.arn})
	}
	return out
}

type listServiceDeploymentsInput struct {
	page
	Cluster string   `json:"cluster"`
	Service string   `json:"service"`
	Status  []string `json:"status"`
}

// briefOutput is ServiceDeploymentBrief in the service model.
type briefOutput struct {
	ServiceDeploymentARN     string `json:"serviceDeploymentArn"`
	ServiceARN               string `json:"serviceArn"`
	ClusterARN               string `json:"clusterArn"`
	CreatedAt                epoch  `json:"createdAt"`
	StartedAt                epoch  `json:"startedAt"`
	FinishedAt               epoch  `json:"finishedAt,omitzero"`
	TargetServiceRevisionARN string `json:"targetServiceRevisionArn"`
	Status                   string `json:"status"`
}

func listServiceDeployments(c *Call, in *listServiceDeploymentsInput) (any, error) {
	at, err := in.start(c, lastPart(in.Cluster)+"/"+lastPart(in.Service), maxECSPage, 20)
	if err != nil {
		return nil, err
	}
	state := &c.Region.ecs
	state.mu.Lock()
	defer state.mu.Unlock()
	s, err := state.service(in.Cluster, in.Service)
	if err != nil {
		return nil, err
	}
	out := struct {
		ServiceDeployments []briefOutput `json:"serviceDeployments"`
		NextToken          string        `json:"nextToken,omitempty"`
	}{ServiceDeployments: []briefOutput{}}
	begun := at.key == ""
	for _, d := range slices.Backward(s.history) { // newest first
		begun = begun || d.arn == at.key
		if !begun || c.Now.Sub(d.created) > historyFor || d.target.old() || len(in.Status) > 0 && !slices.Contains(in.Status, string(d.status)) {
			continue
		}
		if len(out.ServiceDeployments) == at.size {
			out.NextToken = at.next(d.arn)
			break
		}
		full := d.describe()
		out.ServiceDeployments = append(out.ServiceDeployments, briefOutput{
			full.ServiceDeploymentARN, full.ServiceARN, full.ClusterARN,
			full.CreatedAt, full.StartedAt, full.FinishedAt, d.target.arn, full.Status,
		})
	}
	return out, nil
}

type describeServiceDeploymentsInput struct {
	ServiceDeploymentARNs []string `json:"serviceDeploymentArns"`
}

func describeServiceDeployments(c *Call, in *describeServiceDeploymentsInput) (any, error) {
	if err := checkBatch("serviceDeploymentArns", len(in.ServiceDeploymentARNs), 20); err != nil {
		return nil, err
	}
	out := struct {
		ServiceDeployments []serviceDeploymentOutput `json:"serviceDeployments"`
		Failures           []ecsFailure              `json:"failures"`
	}{[]serviceDeploymentOutput{}, []ecsFailure{}}
	state := &c.Region.ecs
	state.mu.Lock()
	defer state.mu.Unlock()
	for _, arn := range in.ServiceDeploymentARNs {
		d := state.deployments[arn]
		if d == nil {
			out.Failures = append(out.Failures, missing(arn))
			continue
		}
		// The failure of a deployment names its revision.
		if old := slices.IndexFunc(d.source, (*serviceRevision).old); old >= 0 {
			out.Failures = append(out.Failures, missing(d.source[old].arn))
			continue
		}
		out.ServiceDeployments = append(out.ServiceDeployments, d.describe())
	}
	return out, nil
}

// revisionImageOutput is ContainerImage in the service model.
type revisionImageOutput struct {
	ContainerName string `json:"containerName"`
	Image         string `json:"image"`
	ImageDigest   string `json:"imageDigest,omitempty"`
}

// serviceRevisionOutput is ServiceRevision in the service model.
type serviceRevisionOutput struct {
	ServiceRevisionARN string                `json:"serviceRevisionArn"`
	ServiceARN         string                `json:"serviceArn"`
	ClusterARN         string                `json:"clusterArn"`
	TaskDefinition     string                `json:"taskDefinition"`
	ContainerImages    []revisionImageOutput `json:"containerImages"`
	CreatedAt          epoch                 `json:"createdAt"`
}

type describeServiceRevisionsInput struct {
	ServiceRevisionARNs []string `json:"serviceRevisionArns"`
}

func describeServiceRevisions(c *Call, in *describeServiceRevisionsInput) (any, error) {
	if err := checkBatch("serviceRevisionArns", len(in.ServiceRevisionARNs), 20); err != nil {
		return nil, err
	}
	out := struct {
		ServiceRevisions []serviceRevisionOutput `json:"serviceRevisions"`
		Failures         []ecsFailure            `json:"failures"`
	}{[]serviceRevisionOutput{}, []ecsFailure{}}
	state := &c.Region.ecs
	state.mu.Lock()
	defer state.mu.Unlock()
	for _, arn := range in.ServiceRevisionARNs {
		revision := state.revisions[arn]
		if revision == nil || revision.old() {
			out.Failures = append(out.Failures, missing(arn))
			continue
		}
		found := serviceRevisionOutput{
			ServiceRevisionARN: arn, ServiceARN: revision.service.ARN(), ClusterARN: revision.service.cluster.ARN(),
			TaskDefinition: revision.definition, CreatedAt: epoch(revision.created),
		}
		for _, i := range revision.images {
			found.ContainerImages = append(found.ContainerImages, revisionImageOutput{i.Name, i.Image, i.Digest})
		}
		out.ServiceRevisions = append(out.ServiceRevisions, found)
	}
	return out, nil
}
