// Package apprunner finds the images that AWS App Runner services use.
package apprunner

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apprunner"
	"github.com/aws/aws-sdk-go-v2/service/apprunner/types"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/usage"
	"github.com/regsweep/regsweep/internal/usage/awsusage"
)

// pageSize is the most that one page of ListServices holds (API reference).
const pageSize = 20

// Config is what the configuration says of an App Runner source.
type Config struct {
	// Regions are the regions to read; none means the session's own. A region
	// that has no App Runner is an error of the source, as every other call
	// that cannot be made.
	Regions []string `yaml:"regions"`
	// AssumeRole is the ARN of a role to read as, or "".
	AssumeRole string `yaml:"assumeRole"`
}

// Open makes one source for each region. It makes no call.
func (c Config) Open(name string, env usage.Env) ([]usage.Source, error) {
	return awsusage.PerRegion(env, name, c.Regions, c.AssumeRole, func(name string, target awsapi.Target) usage.Source {
		return &source{name: name, target: target, env: env}
	})
}

// call is one operation of the SDK's client.
type call[In, Out any] func(context.Context, *In, ...func(*apprunner.Options)) (*Out, error)

// calls are the operations that the source needs, one by one, so that the
// linker can leave out the rest of the client.
type calls struct {
	listServices    call[apprunner.ListServicesInput, apprunner.ListServicesOutput]
	describeService call[apprunner.DescribeServiceInput, apprunner.DescribeServiceOutput]
}

func newCalls(config aws.Config) calls {
	client := apprunner.NewFromConfig(config)
	return calls{listServices: client.ListServices, describeService: client.DescribeService}
}

// source is App Runner in one region.
type source struct {
	name   string
	target awsapi.Target
	env    usage.Env
}

// Name implements usage.Source.
func (s *source) Name() string { return s.name }

// Collect implements usage.Source.
//
// A service that runs, or that an operation is in progress of, is running. A
// paused one and one that could not be created or deleted is declared: it can
// be resumed or deployed. App Runner tells no digest.
func (s *source) Collect(ctx context.Context) (usage.Findings, error) {
	config, err := s.env.AWS.Config(ctx, s.target)
	if err != nil {
		return usage.Findings{}, fmt.Errorf("configure AWS: %w", err)
	}
	r := &reader{calls: newCalls(config)}
	r.read(ctx)
	return r.record.Findings(ctx)
}

// reader is one reading of a region.
type reader struct {
	calls  calls
	record awsusage.Record
	code   atomic.Int64 // services that are built from code
}

// read reads everything.
func (r *reader) read(ctx context.Context) {
	services, err := awsapi.Pages(ctx, func(ctx context.Context, token *string) ([]types.ServiceSummary, *string, error) {
		out, err := r.calls.listServices(ctx, &apprunner.ListServicesInput{NextToken: token, MaxResults: new(int32(pageSize))})
		if err != nil {
			return nil, nil, err
		}
		return out.ServiceSummaryList, out.NextToken, nil
	})
	if err != nil {
		r.record.Fail("list services", "", err)
	}
	awsusage.ForEach(ctx, services, r.describeService)
	if n := r.code.Load(); n > 0 {
		r.record.Note("%d services are not container images", n)
	}
}

// describeService records the image of a service. One that is built from code
// has none of the account's.
func (r *reader) describeService(ctx context.Context, summary types.ServiceSummary) {
	if summary.Status == types.ServiceStatusDeleted {
		return // it cannot come back
	}
	name := aws.ToString(summary.ServiceName)
	out, err := r.calls.describeService(ctx, &apprunner.DescribeServiceInput{ServiceArn: summary.ServiceArn})
	if notFound := (*types.ResourceNotFoundException)(nil); errors.As(err, &notFound) {
		r.record.Note("service %s was deleted while it was read", name)
		return
	} else if err != nil {
		r.record.Fail("describe service", name, err)
		return
	}
	if out.Service == nil || out.Service.SourceConfiguration == nil {
		r.record.Fail("describe service", name, errors.New("the answer has no source configuration"))
		return
	}
	source := out.Service.SourceConfiguration
	switch {
	case source.ImageRepository != nil && aws.ToString(source.ImageRepository.ImageIdentifier) != "":
		state := image.Declared
		if s := out.Service.Status; s == types.ServiceStatusRunning || s == types.ServiceStatusOperationInProgress {
			state = image.Running
		}
		r.record.See(usage.Observation{Holder: name, State: state, Asked: aws.ToString(source.ImageRepository.ImageIdentifier)})
	case source.CodeRepository != nil:
		r.code.Add(1)
	default:
		r.record.Fail("describe service", name, errors.New("the answer names neither an image nor a code repository"))
	}
}
