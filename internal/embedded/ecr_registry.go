package embedded

import (
	"encoding/base64"
	"regexp"
	"time"
)

type registryOutput struct {
	RegistryID               string `json:"registryId"`
	ReplicationConfiguration struct {
		Rules []struct{} `json:"rules"`
	} `json:"replicationConfiguration"`
}

func describeRegistry(c *Call, _ *struct{}) (any, error) {
	out := registryOutput{RegistryID: c.Account.ID}
	out.ReplicationConfiguration.Rules = []struct{}{}
	return out, nil
}

type authorizationInput struct {
	RegistryIDs []string `json:"registryIds"`
}

type authorization struct {
	AuthorizationToken string `json:"authorizationToken"`
	ExpiresAt          epoch  `json:"expiresAt"`
	ProxyEndpoint      string `json:"proxyEndpoint"`
}

type authorizationOutput struct {
	AuthorizationData []authorization `json:"authorizationData"`
}

// getAuthorizationToken gives out a token that no registry here asks for.
func getAuthorizationToken(c *Call, in *authorizationInput) (any, error) {
	ids := in.RegistryIDs
	if len(ids) == 0 {
		ids = []string{c.Account.ID}
	}
	if len(ids) > 10 {
		return nil, invalidAt("registryIds", "must have length between 1 and 10")
	}
	out := authorizationOutput{}
	for _, id := range ids {
		if !registryFormat.MatchString(id) {
			return nil, mustMatch("registryIds", registryFormat)
		}
		out.AuthorizationData = append(out.AuthorizationData, authorization{
			AuthorizationToken: base64.StdEncoding.EncodeToString([]byte("AWS:embedded")),
			ExpiresAt:          epoch(c.Now.Add(12 * time.Hour)),
			ProxyEndpoint:      "https://" + id + ".dkr.ecr." + c.Region.Name + ".amazonaws.com",
		})
	}
	return out, nil
}

// principalFormat is the pattern of PrincipalArn in the service model.
var principalFormat = regexp.MustCompile(`^arn:aws(-[a-z]+)*:iam::[0-9]{12}:(role|user)/[\w+=,.@-]+(/[\w+=,.@-]+)*$`)

type exclusionInput struct {
	PrincipalARN string `json:"principalArn"`
}

type exclusionOutput struct {
	PrincipalARN string `json:"principalArn"`
	CreatedAt    epoch  `json:"createdAt,omitzero"`
}

// check returns the error for a principal that cannot be one.
func (in *exclusionInput) check() error {
	if len(in.PrincipalARN) > 200 || !principalFormat.MatchString(in.PrincipalARN) {
		return mustMatch("principalArn", principalFormat)
	}
	return nil
}

func registerPullTimeUpdateExclusion(c *Call, in *exclusionInput) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	state := &c.Region.ecr
	state.mu.Lock()
	defer state.mu.Unlock()
	if _, exists := state.exclusions.get(in.PrincipalARN); exists {
		return nil, errorf("ExclusionAlreadyExistsException", "The exclusion for '%s' already exists", in.PrincipalARN)
	}
	state.exclusions.put(in.PrincipalARN, c.Now)
	return exclusionOutput{in.PrincipalARN, epoch(c.Now)}, nil
}

func deregisterPullTimeUpdateExclusion(c *Call, in *exclusionInput) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	state := &c.Region.ecr
	state.mu.Lock()
	defer state.mu.Unlock()
	if _, exists := state.exclusions.get(in.PrincipalARN); !exists {
		return nil, errorf("ExclusionNotFoundException", "There is no exclusion for '%s'", in.PrincipalARN)
	}
	state.exclusions.remove(in.PrincipalARN)
	return exclusionOutput{PrincipalARN: in.PrincipalARN}, nil
}

type exclusionsOutput struct {
	Exclusions []string `json:"pullTimeUpdateExclusions"`
	NextToken  string   `json:"nextToken,omitempty"`
}

func listPullTimeUpdateExclusions(c *Call, in *page) (any, error) {
	at, err := in.start(c, c.Region.registryHost(), 1000, 100)
	if err != nil {
		return nil, err
	}
	state := &c.Region.ecr
	state.mu.Lock()
	defer state.mu.Unlock()
	arns, next := entries(at, state.exclusions.from, func(arn string, _ time.Time) (string, bool) { return arn, true })
	return exclusionsOutput{arns, next}, nil
}

// ExcludePullTimes registers a principal (the ARN of a role or user) whose
// pulls are not recorded.
func (r *Region) ExcludePullTimes(principalARN string) {
	now := r.Account.server.clock()
	r.ecr.mu.Lock()
	defer r.ecr.mu.Unlock()
	r.ecr.exclusions.put(principalARN, now)
}

// excluded reports whether pulls by the principal are not recorded. A session
// counts as its role.
func (r *Region) excluded(p *Principal) bool {
	r.ecr.mu.Lock()
	defer r.ecr.mu.Unlock()
	for _, arn := range []string{p.ARN, p.RoleARN} {
		if _, found := r.ecr.exclusions.get(arn); found {
			return true
		}
	}
	return false
}
