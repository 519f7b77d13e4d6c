package awsapi

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// Options says how a session reaches AWS. The zero value, but for Now, is what
// a command wants: everything comes from the SDK's default chain.
type Options struct {
	// Region overrides the region of the environment and the profile.
	Region string
	// Now is the clock. It is required.
	Now func() time.Time
	// Version is regsweep's version for the User-Agent header.
	Version string
	// Credentials, where given, replace the SDK's default chain altogether:
	// neither the environment nor the shared files are read, and Region is
	// required. The demo and tests use it.
	Credentials aws.CredentialsProvider
	// Endpoint is the base URL of every service, and is used only together with
	// Credentials. Without Credentials the SDK reads AWS_ENDPOINT_URL.
	Endpoint string
	// HTTPClient replaces the shared client.
	HTTPClient aws.HTTPClient
	// Random returns numbers in [0, 1) for jitter, and is called by many
	// goroutines at once. The default is math/rand/v2.Float64.
	Random func() float64
}

// Session is the way to AWS of one run. Its methods may be called by many
// goroutines at once.
type Session struct {
	opts Options

	mu         sync.Mutex
	configs    map[Target]aws.Config
	identities map[Target]identity
}

// identity is what calls to a target are made as.
type identity struct{ account, arn string }

// Target says where calls go and as whom. The zero value is the session's own
// region and identity.
type Target struct {
	// Region is the region of the calls, or "" for the session's.
	Region string
	// AssumeRole is the ARN of a role to assume, or "" for none.
	AssumeRole string
}

// NewSession returns a session. It reads nothing yet.
func NewSession(opts Options) *Session {
	return &Session{opts: opts, configs: map[Target]aws.Config{}, identities: map[Target]identity{}}
}

// Config returns the SDK configuration of a target. It is loaded once and kept.
// Every error of a call made with it can be read by errors.As as one of this
// package's types. An error means that the environment or the shared files
// cannot be used, or that no region is known; it is final.
func (s *Session) Config(ctx context.Context, target Target) (aws.Config, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cfg, ok := s.configs[target]; ok {
		return cfg, nil
	}
	cfg, err := s.load(ctx, target)
	if err == nil {
		s.configs[target] = cfg
	}
	return cfg, err
}

func (s *Session) load(ctx context.Context, target Target) (aws.Config, error) {
	region := target.Region
	if region == "" {
		region = s.opts.Region
	}
	var cfg aws.Config
	if s.opts.Credentials != nil {
		cfg = aws.Config{Region: region, Credentials: s.opts.Credentials, HTTPClient: s.opts.HTTPClient}
		if s.opts.Endpoint != "" {
			cfg.BaseEndpoint = aws.String(s.opts.Endpoint)
		}
	} else {
		options := []func(*config.LoadOptions) error{}
		if region != "" {
			options = append(options, config.WithRegion(region))
		}
		var err error
		if cfg, err = config.LoadDefaultConfig(ctx, options...); err != nil {
			return aws.Config{}, fmt.Errorf("load the AWS configuration: %w", err)
		}
	}
	if cfg.Region == "" {
		return aws.Config{}, errors.New("no AWS region is known: set AWS_REGION, or the region in the configuration")
	}
	if target.AssumeRole != "" {
		cfg.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), target.AssumeRole,
			func(o *stscreds.AssumeRoleOptions) { o.RoleSessionName = "regsweep" }))
	}
	return cfg, nil
}

// Identity returns the account id and the ARN that calls to a target are made
// as, and the target's region, by one call of sts:GetCallerIdentity that is
// kept once it has succeeded.
func (s *Session) Identity(ctx context.Context, target Target) (account, arn, region string, err error) {
	cfg, err := s.Config(ctx, target)
	if err != nil {
		return "", "", "", err
	}
	s.mu.Lock()
	id, ok := s.identities[target]
	s.mu.Unlock()
	if !ok {
		out, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if err != nil {
			return "", "", "", fmt.Errorf("ask AWS who the caller is: %w", err)
		}
		id = identity{aws.ToString(out.Account), aws.ToString(out.Arn)}
		s.mu.Lock()
		s.identities[target] = id
		s.mu.Unlock()
	}
	return id.account, id.arn, cfg.Region, nil
}

// Stats returns what the session sent so far, over all targets.
func (s *Session) Stats() Stats {
	return Stats{}
}
