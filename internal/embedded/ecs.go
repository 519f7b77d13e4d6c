package embedded

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// ecsService is Elastic Container Service, version 2014-11-13.
func ecsService() *service {
	return &service{
		name:     "ecs",
		protocol: json11,
		target:   "AmazonEC2ContainerServiceV20141113",
		operations: map[string]operation{
			"CreateCluster":              handle(createCluster),
			"DescribeClusters":           handle(describeClusters),
			"ListClusters":               handle(listClusters),
			"RegisterTaskDefinition":     handle(registerTaskDefinition),
			"DeregisterTaskDefinition":   handle(deregisterTaskDefinition),
			"DeleteTaskDefinitions":      handle(deleteTaskDefinitions),
			"DescribeTaskDefinition":     handle(describeTaskDefinition),
			"ListTaskDefinitions":        handle(listTaskDefinitions),
			"ListTaskDefinitionFamilies": handle(listTaskDefinitionFamilies),
			"RunTask":                    handle(runTask),
			"StopTask":                   handle(stopTask),
			"ListTasks":                  handle(listTasks),
			"DescribeTasks":              handle(describeTasks),
			"CreateService":              handle(createService),
			"UpdateService":              handle(updateService),
			"DeleteService":              handle(deleteService),
			"CreateTaskSet":              handle(createTaskSet),
			"ListServices":               handle(listServices),
			"DescribeServices":           handle(describeServices),
			"ListServiceDeployments":     handle(listServiceDeployments),
			"DescribeServiceDeployments": handle(describeServiceDeployments),
			"DescribeServiceRevisions":   handle(describeServiceRevisions),
		},
		resources: ecsResources,
	}
}

// ecsFailure is Failure in the service model: one thing of a batch that could
// not be described.
type ecsFailure struct {
	ARN    string `json:"arn"`
	Reason string `json:"reason"`
}

// missing says that there is no such thing.
func missing(arn string) ecsFailure { return ecsFailure{ARN: arn, Reason: "MISSING"} }

// clientException is what ECS answers when a request names what is not there.
func clientException(format string, args ...any) *Error {
	return errorf("ClientException", format, args...)
}

// checkBatch returns the error for a batch that is empty or too large.
func checkBatch(parameter string, n, most int) error {
	switch {
	case n == 0:
		return invalid("%s cannot be empty.", parameter)
	case n > most:
		return invalid("%s can have at most %d items.", parameter, most)
	}
	return nil
}

// maxECSPage is how many entries a page of any list of ECS has at most.
const maxECSPage = 100

// isHere reports whether what a request names is no ARN, or one of the region.
func (r *Region) isHere(name string) bool {
	return !strings.HasPrefix(name, "arn:") || strings.HasPrefix(name, r.ecsARN(""))
}

// lastPart returns what follows the last slash.
func lastPart(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// ecsARN returns the ARN of something of ECS in the region.
func (r *Region) ecsARN(resource string) string {
	return "arn:aws:ecs:" + r.Name + ":" + r.Account.ID + ":" + resource
}

// ecsResources names what a call is about. What belongs to a service needs the
// permission on the service too (service authorization reference).
func ecsResources(c *Call) (all []string) {
	var in struct {
		Cluster        string   `json:"cluster"`
		Service        string   `json:"service"`
		TaskDefinition string   `json:"taskDefinition"`
		Clusters       []string `json:"clusters"`
		Services       []string `json:"services"`
		Tasks          []string `json:"tasks"`
		Deployments    []string `json:"serviceDeploymentArns"`
		Revisions      []string `json:"serviceRevisionArns"`
	}
	switch c.Operation {
	case "ListTasks", "ListServices", "ListTaskDefinitions", "DescribeTaskDefinition":
		// These have no resource (service authorization reference), nor has
		// ListTasks for a whole cluster.
		return nil
	}
	if json.Unmarshal(c.Body, &in) != nil {
		return nil
	}
	for _, name := range in.Clusters {
		all = append(all, c.Region.ecsARN("cluster/"+lastPart(name)))
	}
	cluster := lastPart(in.Cluster)
	for _, name := range in.Services {
		all = append(all, c.Region.ecsARN("service/"+cluster+"/"+lastPart(name)))
	}
	for _, name := range in.Tasks {
		all = append(all, c.Region.ecsARN("task/"+cluster+"/"+lastPart(name)))
	}
	for _, arn := range slices.Concat(in.Deployments, in.Revisions) {
		service := strings.TrimSuffix(arn, "/"+lastPart(arn))
		service = strings.Replace(service, ":service-deployment/", ":service/", 1)
		all = append(all, arn, strings.Replace(service, ":service-revision/", ":service/", 1))
	}
	switch {
	case len(all) > 0:
	case in.Service != "":
		all = append(all, c.Region.ecsARN("service/"+cluster+"/"+lastPart(in.Service)))
	case in.Cluster != "":
		all = append(all, c.Region.ecsARN("cluster/"+cluster))
	case in.TaskDefinition != "":
		all = append(all, c.Region.ecsARN("task-definition/"+lastPart(in.TaskDefinition)))
	}
	return all
}

// newID returns an id of 32 hexadecimal digits that no other thing of this ECS
// has, and that is the same whenever a world is filled the same way. The lock
// is held.
func (s *ecsState) newID(kind string) string {
	s.ids++
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", kind, s.ids))
	return hex.EncodeToString(sum[:16])
}
