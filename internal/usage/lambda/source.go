// Package lambda finds the images that AWS Lambda functions use.
package lambda

import (
	"context"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/usage"
	"github.com/regsweep/regsweep/internal/usage/awsusage"
)

// All is the value of Config.Versions that makes every published version a use.
const All = "all"

// Config is what the configuration says of a Lambda source.
type Config struct {
	// Regions are the regions to read; none means the session's own.
	Regions []string `yaml:"regions"`
	// AssumeRole is the ARN of a role to read as, or "".
	AssumeRole string `yaml:"assumeRole"`
	// Versions says which published versions of a function are uses: All, which
	// is the default, or how many of the newest. $LATEST and what an alias
	// routes to are uses in any case.
	Versions string `yaml:"versions"`
}

// Open makes one source for each region. It makes no call.
func (c Config) Open(name string, env usage.Env) ([]usage.Source, error) {
	newest, err := c.newest()
	if err != nil {
		return nil, err
	}
	return awsusage.PerRegion(env, name, c.Regions, c.AssumeRole, func(name string, target awsapi.Target) usage.Source {
		return &source{name: name, target: target, newest: newest, env: env}
	})
}

// newest returns how many published versions are uses, or -1 for all.
func (c Config) newest() (int, error) {
	if c.Versions == "" || c.Versions == All {
		return -1, nil
	}
	n, err := strconv.Atoi(c.Versions)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("versions: %q is neither %q nor a number of at least 1", c.Versions, All)
	}
	return n, nil
}

// call is one operation of the SDK's client.
type call[In, Out any] func(context.Context, *In, ...func(*lambda.Options)) (*Out, error)

// calls are the operations that the source needs, one by one, so that the
// linker can leave out the rest of the client.
type calls struct {
	listFunctions call[lambda.ListFunctionsInput, lambda.ListFunctionsOutput]
	listAliases   call[lambda.ListAliasesInput, lambda.ListAliasesOutput]
	getFunction   call[lambda.GetFunctionInput, lambda.GetFunctionOutput]
}

func newCalls(config aws.Config) calls {
	client := lambda.NewFromConfig(config)
	return calls{
		listFunctions: client.ListFunctions,
		listAliases:   client.ListAliases,
		getFunction:   client.GetFunction,
	}
}

// source is Lambda in one region.
type source struct {
	name   string
	target awsapi.Target
	newest int
	env    usage.Env
}

// Name implements usage.Source.
func (s *source) Name() string { return s.name }

// Collect implements usage.Source.
//
// $LATEST and every version that an alias routes to, also with a small weight,
// are running: an invocation starts them at once. Other published versions are
// rollback: callers reach them by their number only. The holder of a version
// is "function:version", and that of an alias, which is a use of its own,
// "function:alias".
func (s *source) Collect(ctx context.Context) (usage.Findings, error) {
	config, err := s.env.AWS.Config(ctx, s.target)
	if err != nil {
		return usage.Findings{}, fmt.Errorf("configure AWS: %w", err)
	}
	r := &reader{
		calls:  newCalls(config),
		newest: s.newest,
		images: awsusage.OpenFacts(s.env.CacheDir, "lambda-versions"),
	}
	r.read(ctx)
	for _, note := range r.images.Save() {
		r.record.Note("%s", note)
	}
	return r.record.Findings(ctx)
}
