package embedded

import (
	"regexp"
	"strings"
	"sync"
)

// defaultCluster is the cluster of requests that name none.
const defaultCluster = "default"

// clusterName is the pattern of cluster and service names (API reference).
var clusterName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,255}$`)

// ECS is Elastic Container Service of one account and region. Its methods may
// be called by many goroutines at once.
type ECS struct{ region *Region }

// ECS returns the region's Elastic Container Service.
func (r *Region) ECS() ECS { return ECS{r} }

// ecsState is what ECS has in one account and region. One lock guards it with
// all clusters, services and tasks.
type ecsState struct {
	mu          sync.Mutex
	clusters    ordered[*ECSCluster] // by name
	definitions definitionList
	revisions   map[string]*serviceRevision   // by ARN
	deployments map[string]*serviceDeployment // by ARN
	ids         int                           // given out so far
}

// ECSCluster is one cluster.
type ECSCluster struct {
	region   *Region
	name     string
	services ordered[*ECSService] // by name
	tasks    ordered[*ecsTask]    // by ARN
}

// Name returns the cluster's name.
func (c *ECSCluster) Name() string { return c.name }

// ARN returns the cluster's Amazon resource name.
func (c *ECSCluster) ARN() string { return c.region.ecsARN("cluster/" + c.name) }

// CreateCluster makes a cluster, or returns the one that has the name, as the
// API does. The error is an *Error, as the API gives it.
func (e ECS) CreateCluster(name string) (*ECSCluster, error) {
	if !clusterName.MatchString(name) {
		return nil, invalid("Cluster name must be 1 to 255 letters, numbers, hyphens and underscores.")
	}
	state := &e.region.ecs
	state.mu.Lock()
	defer state.mu.Unlock()
	if cluster, exists := state.clusters.get(name); exists {
		return cluster, nil
	}
	cluster := &ECSCluster{region: e.region, name: name}
	state.clusters.put(name, cluster)
	return cluster, nil
}

// cluster returns the cluster that a request names by name or ARN. The lock
// is held.
func (s *ecsState) cluster(name string) (*ECSCluster, error) {
	if name == "" {
		name = defaultCluster
	}
	cluster, exists := s.clusters.get(lastPart(name))
	if !exists || !cluster.region.isHere(name) {
		return nil, errorf("ClusterNotFoundException", "Cluster not found.")
	}
	return cluster, nil
}

// checkARN returns the error for the ARN of a service or task that is not of the
// cluster. What is no ARN is right.
func (c *ECSCluster) checkARN(name string) error {
	if !strings.HasPrefix(name, "arn:") {
		return nil
	}
	if !c.region.isHere(name) {
		return invalid("Invalid identifier: %s is of another region or account.", name)
	}
	// The old form of ARNs does not name the cluster.
	if parts := strings.Split(name, "/"); len(parts) > 2 && parts[1] != c.name {
		return invalid("Identifier is for %s. Your cluster is %s", parts[1], c.name)
	}
	return nil
}

// clusterOutput is Cluster in the service model.
type clusterOutput struct {
	ClusterARN          string `json:"clusterArn"`
	ClusterName         string `json:"clusterName"`
	Status              string `json:"status"`
	RunningTasksCount   int    `json:"runningTasksCount"`
	ActiveServicesCount int    `json:"activeServicesCount"`
}

// describe returns the cluster as the API gives it. The lock is held.
func (c *ECSCluster) describe() clusterOutput {
	out := clusterOutput{ClusterARN: c.ARN(), ClusterName: c.name, Status: "ACTIVE", ActiveServicesCount: c.services.len()}
	for _, task := range c.tasks.from("") {
		if task.stopped.IsZero() {
			out.RunningTasksCount++
		}
	}
	return out
}

type createClusterInput struct {
	ClusterName string `json:"clusterName"`
}

func createCluster(c *Call, in *createClusterInput) (any, error) {
	if in.ClusterName == "" {
		in.ClusterName = defaultCluster
	}
	cluster, err := c.Region.ECS().CreateCluster(in.ClusterName)
	if err != nil {
		return nil, err
	}
	c.Region.ecs.mu.Lock()
	defer c.Region.ecs.mu.Unlock()
	return map[string]clusterOutput{"cluster": cluster.describe()}, nil
}

type describeClustersInput struct {
	Clusters []string `json:"clusters"`
}

func describeClusters(c *Call, in *describeClustersInput) (any, error) {
	names := in.Clusters
	if len(names) == 0 {
		names = []string{defaultCluster}
	}
	if err := checkBatch("clusters", len(names), 100); err != nil {
		return nil, err
	}
	out := struct {
		Clusters []clusterOutput `json:"clusters"`
		Failures []ecsFailure    `json:"failures"`
	}{[]clusterOutput{}, []ecsFailure{}}
	state := &c.Region.ecs
	state.mu.Lock()
	defer state.mu.Unlock()
	for _, name := range names {
		if cluster, err := state.cluster(name); err == nil {
			out.Clusters = append(out.Clusters, cluster.describe())
		} else {
			out.Failures = append(out.Failures, missing(c.Region.ecsARN("cluster/"+lastPart(name))))
		}
	}
	return out, nil
}

func listClusters(c *Call, in *page) (any, error) {
	at, err := in.start(c, "", maxECSPage, 100)
	if err != nil {
		return nil, err
	}
	state := &c.Region.ecs
	state.mu.Lock()
	defer state.mu.Unlock()
	arns, next := entries(at, state.clusters.from, func(_ string, cluster *ECSCluster) (string, bool) { return cluster.ARN(), true })
	return struct {
		ClusterARNs []string `json:"clusterArns"`
		NextToken   string   `json:"nextToken,omitempty"`
	}{arns, next}, nil
}
