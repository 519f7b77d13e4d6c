package embedded

import (
	"slices"
	"strings"
)

// rolloutOutput is Deployment in the service model.
type rolloutOutput struct {
	ID             string `json:"id"`
	Status         string `json:"status"`
	RolloutState   string `json:"rolloutState"`
	TaskDefinition string `json:"taskDefinition"`
	CreatedAt      epoch  `json:"createdAt"`
}

// taskSetOutput is TaskSet in the service model.
type taskSetOutput struct {
	ID             string `json:"id"`
	TaskSetARN     string `json:"taskSetArn"`
	ServiceARN     string `json:"serviceArn"`
	ClusterARN     string `json:"clusterArn"`
	Status         string `json:"status"`
	TaskDefinition string `json:"taskDefinition"`
	CreatedAt      epoch  `json:"createdAt"`
}

type controllerOutput struct {
	Type string `json:"type"`
}

// serviceOutput is Service in the service model.
type serviceOutput struct {
	ServiceARN               string           `json:"serviceArn"`
	ServiceName              string           `json:"serviceName"`
	ClusterARN               string           `json:"clusterArn"`
	Status                   string           `json:"status"`
	DesiredCount             int              `json:"desiredCount"`
	RunningCount             int              `json:"runningCount"`
	TaskDefinition           string           `json:"taskDefinition,omitempty"`
	DeploymentController     controllerOutput `json:"deploymentController"`
	Deployments              []rolloutOutput  `json:"deployments"`
	TaskSets                 []taskSetOutput  `json:"taskSets,omitempty"`
	CurrentServiceDeployment string           `json:"currentServiceDeployment,omitempty"`
	CurrentServiceRevisions  []summaryOutput  `json:"currentServiceRevisions,omitempty"`
	CreatedAt                epoch            `json:"createdAt"`
}

// describe returns the service as the API gives it. The lock is held.
func (s *ECSService) describe() serviceOutput {
	out := serviceOutput{
		ServiceARN: s.ARN(), ServiceName: s.name, ClusterARN: s.cluster.ARN(), Status: "ACTIVE",
		DesiredCount: s.desired, RunningCount: len(s.running()), TaskDefinition: s.definition,
		DeploymentController: controllerOutput{s.controller}, Deployments: []rolloutOutput{},
		CurrentServiceRevisions: summaries(s.current), CreatedAt: epoch(s.created),
	}
	if s.deleted {
		out.Status = "INACTIVE"
	}
	for _, r := range s.rollouts {
		out.Deployments = append(out.Deployments, rolloutOutput{r.id, r.status, r.state, r.definition, epoch(r.created)})
	}
	for _, set := range s.taskSets {
		out.TaskSets = append(out.TaskSets, s.describeTaskSet(set))
	}
	if n := len(s.history); n > 0 {
		out.CurrentServiceDeployment = s.history[n-1].arn
	}
	return out
}

func (s *ECSService) describeTaskSet(set taskSet) taskSetOutput {
	return taskSetOutput{
		ID: set.id, TaskSetARN: s.cluster.region.ecsARN("task-set/" + s.cluster.name + "/" + s.name + "/" + set.id),
		ServiceARN: s.ARN(), ClusterARN: s.cluster.ARN(), Status: set.status, TaskDefinition: set.definition, CreatedAt: epoch(set.created),
	}
}

func serviceNotFound() *Error { return errorf("ServiceNotFoundException", "Service not found.") }

// service returns the service that a request names by name or ARN. The lock is
// held.
func (s *ecsState) service(cluster, name string) (*ECSService, error) {
	if cluster == "" && strings.Count(name, "/") == 2 {
		cluster = strings.Split(name, "/")[1] // the ARN names it
	}
	c, err := s.cluster(cluster)
	if err != nil {
		return nil, err
	}
	if err := c.checkARN(name); err != nil {
		return nil, err
	}
	service, exists := c.services.get(lastPart(name))
	if !exists {
		return nil, serviceNotFound()
	}
	return service, nil
}

type createServiceInput struct {
	Cluster              string            `json:"cluster"`
	ServiceName          string            `json:"serviceName"`
	TaskDefinition       string            `json:"taskDefinition"`
	DesiredCount         int               `json:"desiredCount"`
	DeploymentController *controllerOutput `json:"deploymentController"`
}

func createService(c *Call, in *createServiceInput) (any, error) {
	o := ECSServiceOptions{Name: in.ServiceName, TaskDefinition: in.TaskDefinition, DesiredCount: in.DesiredCount}
	if in.DeploymentController != nil {
		o.Controller = in.DeploymentController.Type
	}
	state := &c.Region.ecs
	state.mu.Lock()
	defer state.mu.Unlock()
	cluster, err := state.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	s, err := cluster.createService(o)
	if err != nil {
		return nil, err
	}
	return map[string]serviceOutput{"service": s.describe()}, nil
}

type updateServiceInput struct {
	Cluster            string `json:"cluster"`
	Service            string `json:"service"`
	TaskDefinition     string `json:"taskDefinition"`
	DesiredCount       *int   `json:"desiredCount"`
	ForceNewDeployment bool   `json:"forceNewDeployment"`
}

// updateService scales, and deploys with success at once.
func updateService(c *Call, in *updateServiceInput) (any, error) {
	state := &c.Region.ecs
	state.mu.Lock()
	defer state.mu.Unlock()
	s, err := state.service(in.Cluster, in.Service)
	if err != nil {
		return nil, err
	}
	if in.DesiredCount != nil {
		if *in.DesiredCount < 0 {
			return nil, invalid("Desired count must not be negative.")
		}
		s.scale(*in.DesiredCount)
	}
	if in.TaskDefinition == "" && in.ForceNewDeployment {
		in.TaskDefinition = s.definition
	}
	if in.TaskDefinition != "" {
		if s.controller != ControllerECS {
			return nil, invalid("Unable to update task definition on services with a %s deployment controller.", s.controller)
		}
		d, err := s.deployable(in.TaskDefinition)
		if err != nil {
			return nil, err
		}
		if d.arn != s.definition || in.ForceNewDeployment {
			s.deploy(d, DeploymentSuccessful)
		}
	}
	return map[string]serviceOutput{"service": s.describe()}, nil
}

type serviceInput struct {
	Cluster string `json:"cluster"`
	Service string `json:"service"`
	Force   bool   `json:"force"`
}

func deleteService(c *Call, in *serviceInput) (any, error) {
	state := &c.Region.ecs
	state.mu.Lock()
	defer state.mu.Unlock()
	s, err := state.service(in.Cluster, in.Service)
	if err != nil {
		return nil, err
	}
	if s.desired > 0 && !in.Force {
		return nil, invalid("The service cannot be stopped while it is scaled above 0.")
	}
	s.remove()
	return map[string]serviceOutput{"service": s.describe()}, nil
}

type createTaskSetInput struct {
	Cluster        string `json:"cluster"`
	Service        string `json:"service"`
	TaskDefinition string `json:"taskDefinition"`
}

func createTaskSet(c *Call, in *createTaskSetInput) (any, error) {
	state := &c.Region.ecs
	state.mu.Lock()
	defer state.mu.Unlock()
	s, err := state.service(in.Cluster, in.Service)
	if err != nil {
		return nil, err
	}
	set, err := s.createTaskSet(in.TaskDefinition)
	if err != nil {
		return nil, err
	}
	return map[string]taskSetOutput{"taskSet": s.describeTaskSet(set)}, nil
}

type listServicesInput struct {
	page
	Cluster string `json:"cluster"`
}

func listServices(c *Call, in *listServicesInput) (any, error) {
	at, err := in.start(c, lastPart(in.Cluster), maxECSPage, 10)
	if err != nil {
		return nil, err
	}
	state := &c.Region.ecs
	state.mu.Lock()
	defer state.mu.Unlock()
	cluster, err := state.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	arns, next := entries(at, cluster.services.from, func(_ string, s *ECSService) (string, bool) { return s.ARN(), true })
	return struct {
		ServiceARNs []string `json:"serviceArns"`
		NextToken   string   `json:"nextToken,omitempty"`
	}{arns, next}, nil
}

type describeServicesInput struct {
	Cluster  string   `json:"cluster"`
	Services []string `json:"services"`
	Include  []string `json:"include"`
}

func describeServices(c *Call, in *describeServicesInput) (any, error) {
	if err := checkBatch("services", len(in.Services), 10); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(in.Include, func(s string) bool { return s != "TAGS" }) {
		return nil, invalid("Include must be TAGS.")
	}
	out := struct {
		Services []serviceOutput `json:"services"`
		Failures []ecsFailure    `json:"failures"`
	}{[]serviceOutput{}, []ecsFailure{}}
	state := &c.Region.ecs
	state.mu.Lock()
	defer state.mu.Unlock()
	cluster, err := state.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	for _, name := range in.Services {
		if err := cluster.checkARN(name); err != nil {
			return nil, err
		}
		if s, exists := cluster.services.get(lastPart(name)); exists {
			out.Services = append(out.Services, s.describe())
		} else {
			out.Failures = append(out.Failures, missing(c.Region.ecsARN("service/"+cluster.name+"/"+lastPart(name))))
		}
	}
	return out, nil
}
