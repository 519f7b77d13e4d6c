package embedded

import (
	"encoding/json"
	"slices"
	"strings"
)

// taskDefinitionOutput is TaskDefinition in the service model.
type taskDefinitionOutput struct {
	TaskDefinitionARN    string          `json:"taskDefinitionArn"`
	Family               string          `json:"family"`
	Revision             int             `json:"revision"`
	Status               string          `json:"status"`
	ContainerDefinitions json.RawMessage `json:"containerDefinitions"`
	RegisteredAt         epoch           `json:"registeredAt"`
	DeregisteredAt       epoch           `json:"deregisteredAt,omitzero"`
}

func (d *taskDefinition) describe() taskDefinitionOutput {
	return taskDefinitionOutput{d.arn, d.family, d.revision, d.status, d.raw, epoch(d.registered), epoch(d.deregistered)}
}

type registerTaskDefinitionInput struct {
	Family               string          `json:"family"`
	ContainerDefinitions json.RawMessage `json:"containerDefinitions"`
}

func registerTaskDefinition(c *Call, in *registerTaskDefinitionInput) (any, error) {
	d, err := c.Region.ECS().register(in.Family, in.ContainerDefinitions)
	if err != nil {
		return nil, err
	}
	return map[string]taskDefinitionOutput{"taskDefinition": d.describe()}, nil
}

type taskDefinitionInput struct {
	TaskDefinition string `json:"taskDefinition"`
}

func deregisterTaskDefinition(c *Call, in *taskDefinitionInput) (any, error) {
	if !strings.Contains(lastPart(in.TaskDefinition), ":") {
		return nil, invalid("Task definition must name a revision.")
	}
	if err := c.Region.ECS().DeregisterTaskDefinition(in.TaskDefinition); err != nil {
		return nil, err
	}
	return describeTaskDefinition(c, in)
}

func describeTaskDefinition(c *Call, in *taskDefinitionInput) (any, error) {
	state := &c.Region.ecs
	state.mu.Lock()
	defer state.mu.Unlock()
	d, exists := state.definitions.find(c.Region, in.TaskDefinition)
	if !exists {
		return nil, clientException("Unable to describe task definition.")
	}
	return map[string]taskDefinitionOutput{"taskDefinition": d.describe()}, nil
}

type deleteTaskDefinitionsInput struct {
	TaskDefinitions []string `json:"taskDefinitions"`
}

func deleteTaskDefinitions(c *Call, in *deleteTaskDefinitionsInput) (any, error) {
	if err := checkBatch("taskDefinitions", len(in.TaskDefinitions), 10); err != nil {
		return nil, err
	}
	out := struct {
		TaskDefinitions []taskDefinitionOutput `json:"taskDefinitions"`
		Failures        []ecsFailure           `json:"failures"`
	}{[]taskDefinitionOutput{}, []ecsFailure{}}
	for _, name := range in.TaskDefinitions {
		if err := c.Region.ECS().DeleteTaskDefinition(name); err != nil {
			out.Failures = append(out.Failures, ecsFailure{c.Region.ecsARN("task-definition/" + lastPart(name)), err.Error()})
			continue
		}
		c.Region.ecs.mu.Lock()
		if d, exists := c.Region.ecs.definitions.find(c.Region, name); exists {
			out.TaskDefinitions = append(out.TaskDefinitions, d.describe())
		}
		c.Region.ecs.mu.Unlock()
	}
	return out, nil
}

type listTaskDefinitionsInput struct {
	page
	FamilyPrefix string `json:"familyPrefix"`
	Status       string `json:"status"`
	Sort         string `json:"sort"`
}

func listTaskDefinitions(c *Call, in *listTaskDefinitionsInput) (any, error) {
	if in.Status == "" {
		in.Status = definitionActive
	}
	if !slices.Contains([]string{definitionActive, definitionInactive, definitionDeleting}, in.Status) {
		return nil, invalid("Status must be ACTIVE, INACTIVE or DELETE_IN_PROGRESS.")
	}
	if !slices.Contains([]string{"", "ASC", "DESC"}, in.Sort) {
		return nil, invalid("Sort must be ASC or DESC.")
	}
	scope := in.FamilyPrefix + "/" + in.Status + "/" + in.Sort
	at, err := in.start(c, scope, maxECSPage, 100)
	if err != nil {
		return nil, err
	}
	out := struct {
		TaskDefinitionARNs []string `json:"taskDefinitionArns"`
		NextToken          string   `json:"nextToken,omitempty"`
	}{TaskDefinitionARNs: []string{}}
	state := &c.Region.ecs
	state.mu.Lock()
	defer state.mu.Unlock()
	all, step, i := state.definitions.all(), 1, 0
	if in.Sort == "DESC" {
		step, i = -1, len(all)-1
	}
	if first := parseDefinitionName(at.key); first != nil {
		// What the token names may be gone by now: go on from its place.
		var found bool
		if i, found = slices.BinarySearchFunc(all, first, compareDefinitions); step < 0 && !found {
			i--
		}
	}
	for ; i >= 0 && i < len(all); i += step {
		d := all[i]
		if d.status != in.Status || in.FamilyPrefix != "" && d.family != in.FamilyPrefix {
			continue
		}
		if len(out.TaskDefinitionARNs) == at.size {
			out.NextToken = at.next(lastPart(d.arn))
			break
		}
		out.TaskDefinitionARNs = append(out.TaskDefinitionARNs, d.arn)
	}
	return out, nil
}

// parseDefinitionName reads "family:revision", and returns nil for "".
func parseDefinitionName(name string) *taskDefinition {
	family, number, ok := strings.Cut(name, ":")
	if !ok {
		return nil
	}
	d := &taskDefinition{family: family}
	for _, digit := range number {
		d.revision = d.revision*10 + int(digit-'0')
	}
	return d
}

type listFamiliesInput struct {
	page
	FamilyPrefix string `json:"familyPrefix"`
	Status       string `json:"status"`
}

func listTaskDefinitionFamilies(c *Call, in *listFamiliesInput) (any, error) {
	if !slices.Contains([]string{"", definitionActive, definitionInactive, "ALL"}, in.Status) {
		return nil, invalid("Status must be ACTIVE, INACTIVE or ALL.")
	}
	scope := in.FamilyPrefix + "/" + in.Status
	at, err := in.start(c, scope, maxECSPage, 100)
	if err != nil {
		return nil, err
	}
	out := struct {
		Families  []string `json:"families"`
		NextToken string   `json:"nextToken,omitempty"`
	}{Families: []string{}}
	for _, family := range c.Region.ECS().families(in.Status) {
		if family < at.key || !strings.HasPrefix(family, in.FamilyPrefix) {
			continue
		}
		if len(out.Families) == at.size {
			out.NextToken = at.next(family)
			break
		}
		out.Families = append(out.Families, family)
	}
	return out, nil
}

// families returns the families that have an ACTIVE revision (ACTIVE), that
// have none (INACTIVE), or all of them, sorted.
func (e ECS) families(status string) []string {
	state := &e.region.ecs
	state.mu.Lock()
	defer state.mu.Unlock()
	var names []string
	active := map[string]bool{}
	for _, d := range state.definitions.all() {
		active[d.family] = active[d.family] || d.status == definitionActive
		names = append(names, d.family)
	}
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool {
		return status == definitionActive && !active[name] || status == definitionInactive && active[name]
	})
}
