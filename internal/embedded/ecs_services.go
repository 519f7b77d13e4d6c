package embedded

import (
	"slices"
	"time"
)

// The deployment controllers of a service.
const (
	ControllerECS        = "ECS"
	ControllerCodeDeploy = "CODE_DEPLOY"
	ControllerExternal   = "EXTERNAL"
)

// ECSServiceOptions says what a new service is like.
type ECSServiceOptions struct {
	// Name is the service's name.
	Name string
	// TaskDefinition is given by ARN, as "family:revision" or by family. A
	// service with ControllerExternal has none.
	TaskDefinition string
	// DesiredCount is how many tasks run; 0 is a service that is scaled in.
	DesiredCount int
	// Controller deploys the service; the default is ControllerECS. The other
	// two deploy by task sets, and their services have no service revisions
	// and service deployments.
	Controller string
}

// ECSService is one service of a cluster. The lock of its region's ecsState
// guards it.
type ECSService struct {
	cluster    *ECSCluster
	name       string
	definition string // ARN
	controller string
	desired    int
	created    time.Time
	current    []*serviceRevision // newest first
	rollouts   []rollout          // newest first
	taskSets   []taskSet          // primary first
	history    []*serviceDeployment
	tasks      []*ecsTask // those that were started, and some that stopped since
	deleted    bool
}

// rollout is Deployment in the service model.
type rollout struct {
	id, status, state, definition string
	created                       time.Time
}

// taskSet is one task set.
type taskSet struct {
	id, status, definition string
	created                time.Time
}

// Name returns the service's name.
func (s *ECSService) Name() string { return s.name }

// ARN returns the service's Amazon resource name.
func (s *ECSService) ARN() string {
	return s.cluster.region.ecsARN("service/" + s.cluster.name + "/" + s.name)
}

// state returns what guards the service.
func (s *ECSService) state() *ecsState { return &s.cluster.region.ecs }

// now returns the time.
func (s *ECSService) now() time.Time { return s.cluster.region.Account.server.clock() }

// CreateService makes a service, with its first deployment done and its tasks
// running. The error is an *Error, as the API gives it.
func (c *ECSCluster) CreateService(o ECSServiceOptions) (*ECSService, error) {
	c.region.ecs.mu.Lock()
	defer c.region.ecs.mu.Unlock()
	return c.createService(o)
}

// createService is CreateService with the lock held.
func (c *ECSCluster) createService(o ECSServiceOptions) (*ECSService, error) {
	if o.Controller == "" {
		o.Controller = ControllerECS
	}
	switch {
	case !clusterName.MatchString(o.Name):
		return nil, invalid("Service name must be 1 to 255 letters, numbers, hyphens and underscores.")
	case !slices.Contains([]string{ControllerECS, ControllerCodeDeploy, ControllerExternal}, o.Controller):
		return nil, invalid("Deployment controller must be ECS, CODE_DEPLOY or EXTERNAL.")
	case o.DesiredCount < 0:
		return nil, invalid("Desired count must not be negative.")
	}
	if _, exists := c.services.get(o.Name); exists {
		return nil, invalid("Creation of service was not idempotent.")
	}
	s := &ECSService{
		cluster: c, name: o.Name, controller: o.Controller, desired: o.DesiredCount,
		created: c.region.Account.server.clock(),
	}
	if o.Controller == ControllerExternal {
		c.services.put(o.Name, s)
		return s, nil
	}
	d, err := c.region.ecs.startable(c.region, o.TaskDefinition)
	if err != nil {
		return nil, err
	}
	c.services.put(o.Name, s)
	if o.Controller == ControllerCodeDeploy {
		s.addTaskSet(d)
	} else {
		s.deploy(d, DeploymentSuccessful)
	}
	return s, nil
}

// Deploy deploys a task definition, given by ARN, as "family:revision" or by
// family, with an outcome. It makes a service revision, in which the images
// are resolved to the digests that their tags have now.
func (s *ECSService) Deploy(taskDefinition string, outcome DeploymentOutcome) error {
	s.state().mu.Lock()
	defer s.state().mu.Unlock()
	if s.controller != ControllerECS {
		return invalid("Unable to update task definition on services with a %s deployment controller.", s.controller)
	}
	d, err := s.deployable(taskDefinition)
	if err != nil {
		return err
	}
	s.deploy(d, outcome)
	return nil
}

// deployable returns a task definition that the service may be deployed with:
// one that is ACTIVE, or that it has already.
func (s *ECSService) deployable(taskDefinition string) (*taskDefinition, error) {
	if d, exists := s.state().definitions.find(s.cluster.region, taskDefinition); exists && d.arn == s.definition {
		return d, nil
	}
	return s.state().startable(s.cluster.region, taskDefinition)
}

// Scale sets the desired count. New tasks run the digests of the service's
// revision, whatever their tags stand for by now.
func (s *ECSService) Scale(desired int) {
	s.state().mu.Lock()
	defer s.state().mu.Unlock()
	s.scale(desired)
}

func (s *ECSService) scale(desired int) {
	s.desired = desired
	running := s.running()
	for len(running) > desired {
		running[0].stopped = s.now()
		running = running[1:]
	}
	for n := len(running); n < desired; n++ {
		switch {
		case len(s.current) > 0:
			s.start(s.current[0].definition, s.current[0].images)
		case len(s.taskSets) > 0:
			if d, exists := s.state().definitions.find(s.cluster.region, s.taskSets[0].definition); exists {
				s.start(d.arn, s.cluster.region.Account.server.resolveAll(d.containers))
			}
		}
	}
}

// start starts a task of the service.
func (s *ECSService) start(definition string, containers []containerImage) *ecsTask {
	task := s.cluster.startTask(definition, "service:"+s.name, "ecs-svc/"+s.name, containers)
	s.tasks = append(s.tasks, task)
	return task
}

// running returns the tasks of the service that run, oldest first.
func (s *ECSService) running() []*ecsTask {
	s.tasks = slices.DeleteFunc(s.tasks, func(task *ecsTask) bool { return !task.stopped.IsZero() })
	return slices.Clone(s.tasks)
}

// AddTaskSet makes a task set of a task definition, which is primary if it is
// the first. It is for services that ECS does not deploy itself.
func (s *ECSService) AddTaskSet(taskDefinition string) error {
	s.state().mu.Lock()
	defer s.state().mu.Unlock()
	_, err := s.createTaskSet(taskDefinition)
	return err
}

func (s *ECSService) createTaskSet(taskDefinition string) (taskSet, error) {
	if s.controller == ControllerECS {
		return taskSet{}, invalid("Deployment controller must be CODE_DEPLOY or EXTERNAL.")
	}
	d, err := s.state().startable(s.cluster.region, taskDefinition)
	if err != nil {
		return taskSet{}, err
	}
	return s.addTaskSet(d), nil
}

func (s *ECSService) addTaskSet(d *taskDefinition) taskSet {
	set := taskSet{id: "ecs-svc/" + s.state().newID("task set")[:19], status: "ACTIVE", definition: d.arn, created: s.now()}
	if len(s.taskSets) == 0 {
		set.status = "PRIMARY"
		s.definition = d.arn
	}
	s.taskSets = append(s.taskSets, set)
	s.scale(s.desired)
	return set
}

// Delete deletes the service: its tasks stop, and its service deployments and
// revisions are gone.
func (s *ECSService) Delete() {
	s.state().mu.Lock()
	defer s.state().mu.Unlock()
	s.remove()
}

func (s *ECSService) remove() {
	s.scale(0)
	s.deleted = true
	s.cluster.services.remove(s.name)
	for _, d := range s.history {
		delete(s.state().deployments, d.arn)
	}
	for arn, revision := range s.state().revisions {
		if revision.service == s {
			delete(s.state().revisions, arn)
		}
	}
}
