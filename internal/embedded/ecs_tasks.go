package embedded

import (
	"slices"
	"strings"
	"time"
)

// stoppedFor is how long ECS lists a stopped task: "at least one hour" (API
// reference, DescribeTasks).
const stoppedFor = time.Hour

// ecsTask is one task. Stopped ones are listed for an hour.
type ecsTask struct {
	arn, cluster     string
	definition       string // ARN
	group, startedBy string
	containers       []containerImage
	created, stopped time.Time
}

// RunTask starts a task of a task definition, given by ARN, as
// "family:revision" or by family, in no service. Its images are resolved to
// digests now. It returns the task's ARN. It does not count as a pull of the
// images: set their pull times with Repository.Pull.
func (c *ECSCluster) RunTask(taskDefinition string) (string, error) {
	state := &c.region.ecs
	state.mu.Lock()
	defer state.mu.Unlock()
	task, err := c.runTask(taskDefinition, "")
	if err != nil {
		return "", err
	}
	return task.arn, nil
}

// runTask is RunTask with the lock held.
func (c *ECSCluster) runTask(taskDefinition, startedBy string) (*ecsTask, error) {
	d, err := c.region.ecs.startable(c.region, taskDefinition)
	if err != nil {
		return nil, err
	}
	containers := c.region.Account.server.resolveAll(d.containers)
	return c.startTask(d.arn, "family:"+d.family, startedBy, containers), nil
}

// startTask adds a running task. The lock is held.
func (c *ECSCluster) startTask(definition, group, startedBy string, containers []containerImage) *ecsTask {
	task := &ecsTask{
		arn:     c.region.ecsARN("task/" + c.name + "/" + c.region.ecs.newID("task")),
		cluster: c.ARN(), definition: definition, group: group, startedBy: startedBy,
		containers: containers, created: c.region.Account.server.clock(),
	}
	c.tasks.put(task.arn, task)
	return task
}

// StopTask stops a task, given by ARN or id.
func (c *ECSCluster) StopTask(task string) error {
	c.region.ecs.mu.Lock()
	defer c.region.ecs.mu.Unlock()
	_, err := c.stopTask(task)
	return err
}

func (c *ECSCluster) stopTask(name string) (*ecsTask, error) {
	if err := c.checkARN(name); err != nil {
		return nil, err
	}
	task, exists := c.task(name)
	if !exists {
		return nil, invalid("The referenced task was not found.")
	}
	if task.stopped.IsZero() {
		task.stopped = c.region.Account.server.clock()
	}
	return task, nil
}

// task returns the task with the ARN or id, unless it stopped too long ago.
// The lock is held.
func (c *ECSCluster) task(name string) (*ecsTask, bool) {
	task, exists := c.tasks.get(c.region.ecsARN("task/" + c.name + "/" + lastPart(name)))
	if !exists || !task.listed(c.region.Account.server.clock()) {
		return nil, false
	}
	return task, true
}

// listed reports whether ECS still knows the task.
func (t *ecsTask) listed(now time.Time) bool {
	return t.stopped.IsZero() || now.Before(t.stopped.Add(stoppedFor))
}

// status returns the task's status, last and desired.
func (t *ecsTask) status() string {
	if t.stopped.IsZero() {
		return "RUNNING"
	}
	return "STOPPED"
}

// containerOutput is Container in the service model.
type containerOutput struct {
	ContainerARN string `json:"containerArn"`
	TaskARN      string `json:"taskArn"`
	Name         string `json:"name"`
	Image        string `json:"image"`
	ImageDigest  string `json:"imageDigest,omitempty"`
	LastStatus   string `json:"lastStatus"`
}

// taskOutput is Task in the service model.
type taskOutput struct {
	TaskARN           string            `json:"taskArn"`
	ClusterARN        string            `json:"clusterArn"`
	TaskDefinitionARN string            `json:"taskDefinitionArn"`
	Containers        []containerOutput `json:"containers"`
	Group             string            `json:"group"`
	StartedBy         string            `json:"startedBy,omitempty"`
	DesiredStatus     string            `json:"desiredStatus"`
	LastStatus        string            `json:"lastStatus"`
	CreatedAt         epoch             `json:"createdAt"`
	StoppedAt         epoch             `json:"stoppedAt,omitzero"`
}

func (t *ecsTask) describe() taskOutput {
	out := taskOutput{
		TaskARN: t.arn, ClusterARN: t.cluster, TaskDefinitionARN: t.definition, Group: t.group, StartedBy: t.startedBy,
		DesiredStatus: t.status(), LastStatus: t.status(), CreatedAt: epoch(t.created), StoppedAt: epoch(t.stopped),
	}
	for _, c := range t.containers {
		out.Containers = append(out.Containers, containerOutput{
			ContainerARN: strings.Replace(t.arn, ":task/", ":container/", 1) + "/" + c.Name,
			TaskARN:      t.arn, Name: c.Name, Image: c.Image, ImageDigest: c.Digest, LastStatus: t.status(),
		})
	}
	return out
}

// tasksOutput answers RunTask and DescribeTasks.
type tasksOutput struct {
	Tasks    []taskOutput `json:"tasks"`
	Failures []ecsFailure `json:"failures"`
}

type runTaskInput struct {
	Cluster        string `json:"cluster"`
	TaskDefinition string `json:"taskDefinition"`
	Count          *int   `json:"count"`
	StartedBy      string `json:"startedBy"`
}

func runTask(c *Call, in *runTaskInput) (any, error) {
	count := 1
	if in.Count != nil {
		count = *in.Count
	}
	if count < 1 || count > 10 {
		return nil, invalid("Count must be between 1 and 10.")
	}
	state := &c.Region.ecs
	state.mu.Lock()
	defer state.mu.Unlock()
	cluster, err := state.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	out := tasksOutput{[]taskOutput{}, []ecsFailure{}}
	for range count {
		task, err := cluster.runTask(in.TaskDefinition, in.StartedBy)
		if err != nil {
			return nil, err
		}
		out.Tasks = append(out.Tasks, task.describe())
	}
	return out, nil
}

type stopTaskInput struct {
	Cluster string `json:"cluster"`
	Task    string `json:"task"`
}

func stopTask(c *Call, in *stopTaskInput) (any, error) {
	state := &c.Region.ecs
	state.mu.Lock()
	defer state.mu.Unlock()
	cluster, err := state.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	task, err := cluster.stopTask(in.Task)
	if err != nil {
		return nil, err
	}
	return map[string]taskOutput{"task": task.describe()}, nil
}

type listTasksInput struct {
	page
	Cluster       string `json:"cluster"`
	DesiredStatus string `json:"desiredStatus"`
	Family        string `json:"family"`
	ServiceName   string `json:"serviceName"`
	StartedBy     string `json:"startedBy"`
}

func listTasks(c *Call, in *listTasksInput) (any, error) {
	if in.DesiredStatus == "" {
		in.DesiredStatus = "RUNNING"
	}
	if !slices.Contains([]string{"RUNNING", "PENDING", "STOPPED"}, in.DesiredStatus) {
		return nil, invalid("Desired status must be RUNNING, PENDING or STOPPED.")
	}
	scope := strings.Join([]string{lastPart(in.Cluster), in.DesiredStatus, in.Family, in.ServiceName, in.StartedBy}, "/")
	at, err := in.start(c, scope, maxECSPage, 100)
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
	if _, exists := cluster.services.get(lastPart(in.ServiceName)); in.ServiceName != "" && !exists {
		return nil, serviceNotFound()
	}
	arns, next := entries(at, cluster.tasks.from, func(arn string, task *ecsTask) (string, bool) { return arn, in.selects(task, c.Now) })
	return struct {
		TaskARNs  []string `json:"taskArns"`
		NextToken string   `json:"nextToken,omitempty"`
	}{arns, next}, nil
}

// selects reports whether the request asks for a task.
func (in *listTasksInput) selects(task *ecsTask, now time.Time) bool {
	return task.listed(now) && task.status() == in.DesiredStatus &&
		(in.Family == "" || strings.HasPrefix(lastPart(task.definition), in.Family+":")) &&
		(in.ServiceName == "" || task.group == "service:"+lastPart(in.ServiceName)) &&
		(in.StartedBy == "" || task.startedBy == in.StartedBy)
}

type describeTasksInput struct {
	Cluster string   `json:"cluster"`
	Tasks   []string `json:"tasks"`
}

func describeTasks(c *Call, in *describeTasksInput) (any, error) {
	if err := checkBatch("tasks", len(in.Tasks), 100); err != nil {
		return nil, err
	}
	state := &c.Region.ecs
	state.mu.Lock()
	defer state.mu.Unlock()
	cluster, err := state.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	out := tasksOutput{[]taskOutput{}, []ecsFailure{}}
	for _, name := range in.Tasks {
		if err := cluster.checkARN(name); err != nil {
			return nil, err
		}
		if task, exists := cluster.task(name); exists {
			out.Tasks = append(out.Tasks, task.describe())
		} else {
			out.Failures = append(out.Failures, missing(c.Region.ecsARN("task/"+cluster.name+"/"+lastPart(name))))
		}
	}
	return out, nil
}
