package embedded

// codeRepository is CodeRepository in the service model.
type codeRepository struct {
	RepositoryURL     string `json:"RepositoryUrl"`
	SourceCodeVersion struct {
		Type, Value string
	}
}

// imageRepository is ImageRepository in the service model.
type imageRepository struct {
	ImageIdentifier     string
	ImageRepositoryType string
}

// sourceConfiguration is SourceConfiguration in the service model.
type sourceConfiguration struct {
	CodeRepository         *codeRepository  `json:",omitempty"`
	ImageRepository        *imageRepository `json:",omitempty"`
	AutoDeploymentsEnabled bool
}

// appRunnerSummary is ServiceSummary in the service model.
type appRunnerSummary struct {
	ServiceName string
	ServiceID   string `json:"ServiceId"`
	ServiceARN  string `json:"ServiceArn"`
	ServiceURL  string `json:"ServiceUrl"`
	CreatedAt   epoch
	UpdatedAt   epoch
	Status      string
}

// appRunnerOutput is Service in the service model.
type appRunnerOutput struct {
	appRunnerSummary
	SourceConfiguration   sourceConfiguration
	InstanceConfiguration struct {
		CPU    string `json:"Cpu"`
		Memory string
	}
	AutoScalingConfigurationSummary struct{}
	NetworkConfiguration            struct{}
}

// summary returns the service as lists give it. The lock is held.
func (s *AppRunnerService) summary() appRunnerSummary {
	return appRunnerSummary{
		ServiceName: s.name, ServiceID: s.id, ServiceARN: s.ARN(),
		ServiceURL: s.id[:10] + "." + s.region.Name + ".awsapprunner.com",
		CreatedAt:  epoch(s.created), UpdatedAt: epoch(s.updated), Status: s.status,
	}
}

// describe returns the service as the API gives it. The lock is held.
func (s *AppRunnerService) describe() appRunnerOutput {
	out := appRunnerOutput{appRunnerSummary: s.summary()}
	out.InstanceConfiguration.CPU, out.InstanceConfiguration.Memory = "1024", "2048"
	out.SourceConfiguration.AutoDeploymentsEnabled = s.autoDeploy
	if s.image != "" {
		out.SourceConfiguration.ImageRepository = &imageRepository{ImageIdentifier: s.image, ImageRepositoryType: "ECR"}
		return out
	}
	code := &codeRepository{RepositoryURL: "https://code.example.com/" + s.name}
	code.SourceCodeVersion.Type, code.SourceCodeVersion.Value = "BRANCH", "main"
	out.SourceConfiguration.CodeRepository = code
	return out
}

// appRunnerAnswer answers what changes a service.
type appRunnerAnswer struct {
	Service     appRunnerOutput
	OperationID string `json:"OperationId"`
}

func (s *AppRunnerService) answer() appRunnerAnswer {
	return appRunnerAnswer{s.describe(), "00000000-0000-4000-8000-" + s.id[:12]}
}

type createAppRunnerInput struct {
	ServiceName         string
	SourceConfiguration struct {
		CodeRepository         *codeRepository
		ImageRepository        *imageRepository
		AutoDeploymentsEnabled *bool
	}
}

func createAppRunnerService(c *Call, in *createAppRunnerInput) (any, error) {
	source := in.SourceConfiguration
	if (source.CodeRepository == nil) == (source.ImageRepository == nil) {
		return nil, errorf("InvalidRequestException", "Exactly one of CodeRepository and ImageRepository is required.")
	}
	image := ""
	if source.ImageRepository != nil {
		if image = source.ImageRepository.ImageIdentifier; image == "" {
			return nil, errorf("InvalidRequestException", "ImageIdentifier is required.")
		}
	}
	s, err := c.Region.AppRunner().create(in.ServiceName, image, source.AutoDeploymentsEnabled == nil || *source.AutoDeploymentsEnabled)
	if err != nil {
		return nil, err
	}
	c.Region.appRunner.mu.Lock()
	defer c.Region.appRunner.mu.Unlock()
	return s.answer(), nil
}

type listAppRunnerInput struct {
	NextToken  string
	MaxResults *int
}

// listAppRunnerServices lists every service where the request does not say how
// many (API reference).
func listAppRunnerServices(c *Call, in *listAppRunnerInput) (any, error) {
	state := &c.Region.appRunner
	state.mu.Lock()
	defer state.mu.Unlock()
	at := place{call: c, size: state.services.len()}
	if in.MaxResults != nil {
		if at.size = *in.MaxResults; at.size < 1 || at.size > 20 {
			return nil, errorf("InvalidRequestException", "MaxResults must be between 1 and 20.")
		}
	}
	var ok bool
	if at.key, ok = c.readToken(at.scope, in.NextToken); !ok {
		return nil, errorf("InvalidRequestException", "NextToken is invalid.")
	}
	summaries, next := entries(at, state.services.from, func(_ string, s *AppRunnerService) (appRunnerSummary, bool) { return s.summary(), true })
	return struct {
		ServiceSummaryList []appRunnerSummary
		NextToken          string `json:",omitempty"`
	}{summaries, next}, nil
}

type serviceARNInput struct {
	ServiceARN string `json:"ServiceArn"`
}

// appRunnerService returns the service that a request names. The lock is held.
func (c *Call) appRunnerService(arn string) (*AppRunnerService, error) {
	for _, s := range c.Region.appRunner.services.from("") {
		if s.ARN() == arn {
			return s, nil
		}
	}
	return nil, errorf("ResourceNotFoundException", "Service cannot be found for the provided service ARN: %s", arn)
}

func describeAppRunnerService(c *Call, in *serviceARNInput) (any, error) {
	c.Region.appRunner.mu.Lock()
	defer c.Region.appRunner.mu.Unlock()
	s, err := c.appRunnerService(in.ServiceARN)
	if err != nil {
		return nil, err
	}
	return struct{ Service appRunnerOutput }{s.describe()}, nil
}

func pauseAppRunnerService(c *Call, in *serviceARNInput) (any, error) {
	return changeAppRunnerService(c, in, AppRunnerPaused, AppRunnerRunning)
}

func resumeAppRunnerService(c *Call, in *serviceARNInput) (any, error) {
	return changeAppRunnerService(c, in, AppRunnerRunning, AppRunnerPaused)
}

func deleteAppRunnerService(c *Call, in *serviceARNInput) (any, error) {
	return changeAppRunnerService(c, in, AppRunnerDeleted, "")
}

// changeAppRunnerService puts a service into a state, if it is in the state
// that this is allowed from ("" is any).
func changeAppRunnerService(c *Call, in *serviceARNInput, to, from string) (any, error) {
	c.Region.appRunner.mu.Lock()
	defer c.Region.appRunner.mu.Unlock()
	s, err := c.appRunnerService(in.ServiceARN)
	if err != nil {
		return nil, err
	}
	if from != "" && s.status != from {
		return nil, errorf("InvalidStateException", "Service cannot be changed in the current state: %s.", s.status)
	}
	s.setStatus(to)
	return s.answer(), nil
}
