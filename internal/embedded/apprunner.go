package embedded

import (
	"encoding/json"
	"regexp"
	"sync"
	"time"
)

// appRunnerService is App Runner, version 2020-05-15.
func appRunnerService() *service {
	return &service{
		name:     "apprunner",
		protocol: json10,
		target:   "AppRunner",
		operations: map[string]operation{
			"CreateService":   handle(createAppRunnerService),
			"ListServices":    handle(listAppRunnerServices),
			"DescribeService": handle(describeAppRunnerService),
			"PauseService":    handle(pauseAppRunnerService),
			"ResumeService":   handle(resumeAppRunnerService),
			"DeleteService":   handle(deleteAppRunnerService),
		},
		tokenIn:   "NextToken",
		resources: appRunnerResources,
	}
}

// The states of an App Runner service.
const (
	AppRunnerRunning             = "RUNNING"
	AppRunnerPaused              = "PAUSED"
	AppRunnerCreateFailed        = "CREATE_FAILED"
	AppRunnerDeleted             = "DELETED"
	AppRunnerOperationInProgress = "OPERATION_IN_PROGRESS"
)

// appRunnerName is the pattern of service names (service model, ServiceName).
var appRunnerName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-_]{3,39}$`)

// AppRunner is App Runner of one account and region. Its methods may be called
// by many goroutines at once.
type AppRunner struct{ region *Region }

// AppRunner returns the region's App Runner.
func (r *Region) AppRunner() AppRunner { return AppRunner{r} }

// appRunnerState is what App Runner has in one account and region.
type appRunnerState struct {
	mu       sync.Mutex
	services ordered[*AppRunnerService] // by name
}

// AppRunnerService is one service of App Runner. The lock of its region's
// appRunnerState guards it.
type AppRunnerService struct {
	region           *Region
	name, id, status string
	image            string // "" for one that is built from code
	autoDeploy       bool
	created, updated time.Time
}

// CreateService makes a service that runs an image and is deployed again
// whenever the image's tag moves. The error is an *Error, as the API gives it.
func (a AppRunner) CreateService(name, image string) (*AppRunnerService, error) {
	return a.create(name, image, true)
}

// CreateCodeService makes a service that is built from a code repository.
func (a AppRunner) CreateCodeService(name string) (*AppRunnerService, error) {
	return a.create(name, "", false)
}

func (a AppRunner) create(name, image string, autoDeploy bool) (*AppRunnerService, error) {
	if !appRunnerName.MatchString(name) {
		return nil, errorf("InvalidRequestException", "The service name %q is invalid.", name)
	}
	now := a.region.Account.server.clock()
	s := &AppRunnerService{
		region: a.region, name: name, status: AppRunnerRunning, image: image, autoDeploy: autoDeploy,
		id: Digest([]byte("App Runner " + name))[len("sha256:"):][:32], created: now, updated: now,
	}
	state := &a.region.appRunner
	state.mu.Lock()
	defer state.mu.Unlock()
	if other, exists := state.services.get(name); exists && other.status != AppRunnerDeleted {
		return nil, errorf("InvalidRequestException", "Service with the provided name already exists: %s.", name)
	}
	state.services.put(name, s)
	return s, nil
}

// ARN returns the service's Amazon resource name.
func (s *AppRunnerService) ARN() string {
	return "arn:aws:apprunner:" + s.region.Name + ":" + s.region.Account.ID + ":service/" + s.name + "/" + s.id
}

// SetStatus puts the service into one of the AppRunner states.
func (s *AppRunnerService) SetStatus(status string) {
	s.region.appRunner.mu.Lock()
	defer s.region.appRunner.mu.Unlock()
	s.setStatus(status)
}

func (s *AppRunnerService) setStatus(status string) {
	s.status, s.updated = status, s.region.Account.server.clock()
}

// appRunnerResources names what a call is about for the message of a denial.
func appRunnerResources(c *Call) []string {
	var in serviceARNInput
	if json.Unmarshal(c.Body, &in) != nil || in.ServiceARN == "" {
		return nil
	}
	return []string{in.ServiceARN}
}
