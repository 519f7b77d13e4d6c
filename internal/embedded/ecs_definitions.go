package embedded

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The values of TaskDefinitionStatus.
const (
	definitionActive   = "ACTIVE"
	definitionInactive = "INACTIVE"
	definitionDeleting = "DELETE_IN_PROGRESS"
)

// familyName is the pattern of families (API reference).
var familyName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,255}$`)

// taskDefinition is one revision of a family.
type taskDefinition struct {
	arn, family  string
	revision     int
	status       string
	containers   []containerImage
	raw          json.RawMessage // containerDefinitions as registered
	registered   time.Time
	deregistered time.Time
}

// definitionList holds the task definitions in the order of family and
// revision.
type definitionList struct {
	byARN  map[string]*taskDefinition
	sorted []*taskDefinition
	dirty  bool
	// last is the last revision of each family: numbers are not given again.
	last map[string]int
}

// compareDefinitions orders by family, and by revision as numbers.
func compareDefinitions(a, b *taskDefinition) int {
	if c := strings.Compare(a.family, b.family); c != 0 {
		return c
	}
	return a.revision - b.revision
}

func (l *definitionList) add(d *taskDefinition) {
	if l.byARN == nil {
		l.byARN = map[string]*taskDefinition{}
	}
	l.byARN[d.arn] = d
	l.sorted = append(l.sorted, d)
	l.dirty = true
}

// all returns the definitions in their order.
func (l *definitionList) all() []*taskDefinition {
	if l.dirty {
		slices.SortFunc(l.sorted, compareDefinitions)
		l.dirty = false
	}
	return l.sorted
}

// find returns the definition that a request names by ARN, by family and
// revision, or by family, which is the newest ACTIVE one.
func (l *definitionList) find(region *Region, name string) (*taskDefinition, bool) {
	if !region.isHere(name) {
		return nil, false
	}
	name = lastPart(name)
	if strings.Contains(name, ":") {
		d, ok := l.byARN[region.ecsARN("task-definition/"+name)]
		return d, ok
	}
	all := l.all()
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].family == name && all[i].status == definitionActive {
			return all[i], true
		}
	}
	return nil, false
}

// RegisterTaskDefinition registers the next revision of a family, with one
// container for each image, and returns its ARN. It panics when no family can
// have the name or when there is no image.
func (e ECS) RegisterTaskDefinition(family string, images ...string) string {
	type definition struct {
		Name      string `json:"name"`
		Image     string `json:"image"`
		Essential bool   `json:"essential"`
	}
	var definitions []definition
	for i, reference := range images {
		name := "main"
		if i > 0 {
			name = "sidecar-" + strconv.Itoa(i)
		}
		definitions = append(definitions, definition{name, reference, true})
	}
	d, err := e.register(family, Must(json.Marshal(definitions)))
	return Must(d, err).arn
}

// register registers a task definition.
func (e ECS) register(family string, raw json.RawMessage) (*taskDefinition, error) {
	if !familyName.MatchString(family) {
		return nil, clientException("Family must be 1 to 255 letters, numbers, hyphens and underscores.")
	}
	var parsed []struct {
		Name, Image string
	}
	if json.Unmarshal(raw, &parsed) != nil || len(parsed) == 0 {
		return nil, clientException("Container list cannot be empty.")
	}
	d := &taskDefinition{family: family, status: definitionActive, raw: raw, registered: e.region.Account.server.clock()}
	for _, c := range parsed {
		if c.Name == "" || c.Image == "" {
			return nil, clientException("Container.name and Container.image should not be null or empty.")
		}
		d.containers = append(d.containers, containerImage{Name: c.Name, Image: c.Image})
	}
	state := &e.region.ecs
	state.mu.Lock()
	defer state.mu.Unlock()
	if state.definitions.last == nil {
		state.definitions.last = map[string]int{}
	}
	state.definitions.last[family]++
	d.revision = state.definitions.last[family]
	d.arn = e.region.ecsARN(fmt.Sprintf("task-definition/%s:%d", family, d.revision))
	state.definitions.add(d)
	return d, nil
}

// DeregisterTaskDefinition makes a task definition INACTIVE: what names it can
// still start it, and nothing new can. It is given by ARN or as
// "family:revision".
func (e ECS) DeregisterTaskDefinition(name string) error {
	return e.setStatus(name, definitionInactive)
}

// DeleteTaskDefinition deletes a task definition, which goes on to exist as
// DELETE_IN_PROGRESS for what names it.
func (e ECS) DeleteTaskDefinition(name string) error {
	return e.setStatus(name, definitionDeleting)
}

// ForgetTaskDefinition takes away a task definition, as AWS does some time
// after the last running thing that names a deleted one is gone.
func (e ECS) ForgetTaskDefinition(name string) {
	state := &e.region.ecs
	state.mu.Lock()
	defer state.mu.Unlock()
	if d, exists := state.definitions.find(e.region, name); exists {
		delete(state.definitions.byARN, d.arn)
		state.definitions.sorted = slices.DeleteFunc(state.definitions.sorted, func(other *taskDefinition) bool { return other == d })
	}
}

func (e ECS) setStatus(name, status string) error {
	state := &e.region.ecs
	state.mu.Lock()
	defer state.mu.Unlock()
	d, exists := state.definitions.find(e.region, name)
	if !exists {
		return clientException("The specified task definition does not exist.")
	}
	if status == definitionDeleting && d.status == definitionActive {
		return clientException("The task definition must be deregistered before it can be deleted.")
	}
	d.status = status
	if d.deregistered.IsZero() {
		d.deregistered = e.region.Account.server.clock()
	}
	return nil
}

// startable returns a task definition that something new may run. The lock is
// held.
func (s *ecsState) startable(region *Region, name string) (*taskDefinition, error) {
	d, exists := s.definitions.find(region, name)
	switch {
	case !exists:
		return nil, clientException("TaskDefinition not found.")
	case d.status != definitionActive:
		return nil, clientException("TaskDefinition is inactive")
	}
	return d, nil
}
