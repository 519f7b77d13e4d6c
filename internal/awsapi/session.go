package awsapi

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
)

// Options says how a session reaches AWS. The zero value, but for Now, is what
// a command wants: everything comes from the SDK's default chain.
type Options struct {
	// Region overrides the region of the environment and the profile.
	Region string
	// Now is the clock that the limiters pace by. It is required.
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
	opts     Options
	timeouts timeouts
	delays   delays
	classes  classes
	limiters *limiters

	mu sync.Mutex
	// bases are the configurations before a target is applied, by the region
	// that was needed to load them: "" where the default chain knows one.
	bases   map[string]aws.Config
	targets map[Target]*target
	// roles holds the credentials of assumed roles, which are good in every
	// region, by ARN.
	roles map[string]aws.CredentialsProvider
}

// Target says where calls go and as whom. The zero value is the session's own
// region and identity.
type Target struct {
	// Region is the region of the calls, or "" for the session's.
	Region string
	// AssumeRole is the ARN of a role to assume, or "" for none.
	AssumeRole string
}

// target is what the session knows of a target.
type target struct {
	cfg aws.Config
	// asking is held by the one that asks for the identity.
	asking       chan struct{}
	account, arn string
}

// NewSession returns a session. It reads nothing yet.
func NewSession(opts Options) *Session {
	if opts.Random == nil {
		opts.Random = rand.Float64
	}
	timer := func(d time.Duration) (<-chan time.Time, func() bool) {
		t := time.NewTimer(d) //nolint:forbidigo // the one place where the limiters wait; tests run it in virtual time
		return t.C, t.Stop
	}
	return &Session{
		opts: opts, timeouts: defaultTimeouts(), delays: defaultDelays(), classes: newClasses(),
		limiters: &limiters{clock: clock{opts.Now, timer}, random: opts.Random, byOp: map[operation]*limiter{}},
		bases:    map[string]aws.Config{}, targets: map[Target]*target{}, roles: map[string]aws.CredentialsProvider{},
	}
}

// Config returns the SDK configuration of a target. It is loaded once and kept.
// Every error of a call made with it can be read by errors.As as one of this
// package's types, and as the SDK's. A call waits until the quota of its
// operation has room, as long as its context lasts. An error means that the
// environment or the shared files cannot be used, or that no region is known;
// it is final.
func (s *Session) Config(ctx context.Context, to Target) (aws.Config, error) {
	t, err := s.target(ctx, to)
	if err != nil {
		return aws.Config{}, err
	}
	return t.cfg.Copy(), nil
}

// Identity returns the account id and the ARN that calls to a target are made
// as, and the target's region, by one call of sts:GetCallerIdentity that is
// kept once it has succeeded.
func (s *Session) Identity(ctx context.Context, to Target) (account, arn, region string, err error) {
	t, err := s.target(ctx, to)
	if err != nil {
		return "", "", "", err
	}
	select {
	case t.asking <- struct{}{}:
	case <-ctx.Done():
		return "", "", "", ctx.Err()
	}
	defer func() { <-t.asking }()
	if t.account == "" {
		out, err := sts.NewFromConfig(t.cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if err != nil {
			return "", "", "", fmt.Errorf("ask AWS who the caller is: %w", err)
		}
		if aws.ToString(out.Account) == "" || aws.ToString(out.Arn) == "" {
			return "", "", "", errors.New("ask AWS who the caller is: the answer names no account or no ARN")
		}
		t.account, t.arn = *out.Account, *out.Arn
	}
	return t.account, t.arn, t.cfg.Region, nil
}

// Stats returns what the session sent so far, over all targets.
func (s *Session) Stats() Stats { return s.limiters.stats() }

// target returns the one of that name, and makes it where it is new.
func (s *Session) target(ctx context.Context, to Target) (*target, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.targets[to]; found != nil {
		return found, nil
	}
	cfg, err := s.base(ctx, to.Region)
	if err != nil {
		return nil, err
	}
	if to.Region != "" {
		cfg.Region = to.Region
	}
	if cfg.Region == "" {
		return nil, errors.New("no AWS region is known: set AWS_REGION, or the region in the configuration")
	}
	s.limited(&cfg, "")
	if to.AssumeRole != "" {
		account, err := accountOf(to.AssumeRole)
		if err != nil {
			return nil, err
		}
		if s.roles[to.AssumeRole] == nil {
			s.roles[to.AssumeRole] = assume(cfg, to.AssumeRole)
		}
		cfg.Credentials = s.roles[to.AssumeRole]
		s.limited(&cfg, account)
	}
	made := &target{cfg: cfg, asking: make(chan struct{}, 1)}
	s.targets[to] = made
	return made, nil
}

// base returns the configuration that targets start from. Where the default
// chain knows no region it is loaded with the target's, as some providers of
// credentials call AWS themselves.
func (s *Session) base(ctx context.Context, region string) (aws.Config, error) {
	for _, fallback := range []string{"", region} {
		cfg, ok := s.bases[fallback]
		if !ok {
			var err error
			if cfg, err = s.load(ctx, fallback); err != nil {
				return aws.Config{}, err
			}
			s.bases[fallback] = cfg
		}
		if cfg.Region != "" {
			return cfg.Copy(), nil
		}
	}
	return aws.Config{}, nil
}

// load reads the configuration; fallback is the region for when it names none.
func (s *Session) load(ctx context.Context, fallback string) (aws.Config, error) {
	base := awshttp.NewBuildableClient()
	var cfg aws.Config
	if s.opts.Credentials != nil {
		cfg = aws.Config{Region: s.opts.Region, Credentials: aws.NewCredentialsCache(s.opts.Credentials)}
		if cfg.Region == "" {
			cfg.Region = fallback
		}
		if s.opts.Endpoint != "" {
			cfg.BaseEndpoint = aws.String(s.opts.Endpoint)
		}
	} else {
		var err error
		cfg, err = config.LoadDefaultConfig(ctx,
			config.WithRegion(s.opts.Region),
			config.WithDefaultRegion(fallback),
			config.WithLogger(logging.Nop{}),
			config.WithAPIOptions([]func(*middleware.Stack) error{s.explained}),
		)
		if err != nil {
			return aws.Config{}, fmt.Errorf("load the AWS configuration: %w", err)
		}
		if withBundle, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
			base = withBundle
		}
	}
	cfg.Credentials = credentials{cfg.Credentials}
	cfg.Retryer = func() aws.Retryer { return s.classes.retryer(s.delays, s.opts.Random) }
	// Set here and not while loading, so that AWS_CA_BUNDLE works, and so that
	// the providers of credentials keep the SDK's short timeouts.
	cfg.HTTPClient = s.opts.HTTPClient
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = s.timeouts.client(base)
	}
	return cfg, nil
}

// limited makes the calls of a configuration go through this package's
// middlewares. account is "" for the session's own.
func (s *Session) limited(cfg *aws.Config, account string) {
	region := cfg.Region
	agent := awsmiddleware.AddUserAgentKey("regsweep")
	if s.opts.Version != "" {
		agent = awsmiddleware.AddUserAgentKeyValue("regsweep", s.opts.Version)
	}
	cfg.APIOptions = []func(*middleware.Stack) error{
		agent,
		s.explained,
		func(stack *middleware.Stack) error {
			limit := &limit{limiters: s.limiters, classes: s.classes, account: account, region: region}
			if err := stack.Finalize.Insert(limit, "Retry", middleware.After); err != nil {
				return err
			}
			return stack.Deserialize.Add(wholeBody{}, middleware.After)
		},
	}
}

// explained makes the errors of a call typed.
func (s *Session) explained(stack *middleware.Stack) error {
	return stack.Initialize.Add(explain{s.classes}, middleware.Before)
}
