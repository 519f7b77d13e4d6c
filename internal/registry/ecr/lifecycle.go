package ecr

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/registry"
)

// The waiter of AWS's own tools for a lifecycle policy preview (botocore,
// LifecyclePolicyPreviewComplete): a question every 5 seconds, 20 times.
const (
	previewDelay    = 5 * time.Second
	previewAttempts = 20
	previewPage     = 100 // LifecyclePreviewMaxResults
)

// Lifecycle reads the lifecycle policies of an ECR registry. Its methods may be
// called by many goroutines at once.
type Lifecycle struct {
	id    registry.Identity
	wait  func(context.Context, time.Duration) error
	calls lifecycleCalls
}

var _ registry.LifecycleReader = (*Lifecycle)(nil)

type lifecycleCalls struct {
	getLifecyclePolicy func(context.Context, *ecr.GetLifecyclePolicyInput, ...func(*ecr.Options)) (*ecr.GetLifecyclePolicyOutput, error)
	startPreview       func(context.Context, *ecr.StartLifecyclePolicyPreviewInput, ...func(*ecr.Options)) (*ecr.StartLifecyclePolicyPreviewOutput, error)
	getPreview         func(context.Context, *ecr.GetLifecyclePolicyPreviewInput, ...func(*ecr.Options)) (*ecr.GetLifecyclePolicyPreviewOutput, error)
	describeImages     func(context.Context, *ecr.DescribeImagesInput, ...func(*ecr.Options)) (*ecr.DescribeImagesOutput, error)
}

// OpenLifecycle opens the lifecycle policies of the registry for reading. wait
// waits between the questions for a preview, or returns the context's error.
func (c Config) OpenLifecycle(ctx context.Context, name string, env Env, wait func(context.Context, time.Duration) error) (*Lifecycle, error) {
	id, sdk, err := c.open(ctx, name, env)
	if err != nil {
		return nil, err
	}
	client := ecr.NewFromConfig(sdk)
	return &Lifecycle{id: id, wait: wait, calls: lifecycleCalls{
		getLifecyclePolicy: client.GetLifecyclePolicy,
		startPreview:       client.StartLifecyclePolicyPreview,
		getPreview:         client.GetLifecyclePolicyPreview,
		describeImages:     client.DescribeImages,
	}}, nil
}

// LifecyclePolicy returns the policy of a repository. See registry.LifecycleReader.
func (l *Lifecycle) LifecyclePolicy(ctx context.Context, repository string) (string, error) {
	out, err := l.calls.getLifecyclePolicy(ctx, &ecr.GetLifecyclePolicyInput{RegistryId: &l.id.Account, RepositoryName: &repository})
	if none := (*types.LifecyclePolicyNotFoundException)(nil); errors.As(err, &none) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the lifecycle policy of repository %s: %w", repository, gone(repository, err))
	}
	text := aws.ToString(out.LifecyclePolicyText)
	if text == "" {
		return "", fmt.Errorf("read the lifecycle policy of repository %s: the answer has none", repository)
	}
	return text, nil
}

// StorageTimes returns when images were archived and restored. See
// registry.LifecycleReader.
func (l *Lifecycle) StorageTimes(ctx context.Context, repository string) (map[image.Digest]registry.StorageTimes, error) {
	pages := awsapi.Stream(ctx, func(ctx context.Context, token *string) ([]types.ImageDetail, *string, error) {
		out, err := l.calls.describeImages(ctx, &ecr.DescribeImagesInput{
			RegistryId: &l.id.Account, RepositoryName: &repository, MaxResults: aws.Int32(pageSize), NextToken: token,
			Filter: &types.DescribeImagesFilter{ImageStatus: types.ImageStatusFilterAny},
		})
		if err != nil {
			return nil, nil, err
		}
		return out.ImageDetails, out.NextToken, nil
	})
	times := map[image.Digest]registry.StorageTimes{}
	for page, err := range pages {
		if err != nil {
			return nil, fmt.Errorf("list when images of repository %s were archived: %w", repository, gone(repository, err))
		}
		for i := range page {
			t := registry.StorageTimes{ArchivedAt: moment(page[i].LastArchivedAt), ActivatedAt: moment(page[i].LastActivatedAt)}
			if t == (registry.StorageTimes{}) {
				continue
			}
			d, err := image.ParseDigest(aws.ToString(page[i].ImageDigest))
			if err != nil {
				return nil, fmt.Errorf("list when images of repository %s were archived: %w", repository, err)
			}
			times[d] = t
		}
	}
	return times, nil
}

// PreviewLifecyclePolicy asks ECR what a policy would do. See
// registry.LifecycleReader.
func (l *Lifecycle) PreviewLifecyclePolicy(ctx context.Context, repository, policy string) ([]registry.LifecycleAction, error) {
	fail := func(err error) ([]registry.LifecycleAction, error) {
		return nil, fmt.Errorf("preview of ECR for repository %s: %w", repository, gone(repository, err))
	}
	started, err := l.calls.startPreview(ctx, &ecr.StartLifecyclePolicyPreviewInput{
		RegistryId: &l.id.Account, RepositoryName: &repository, LifecyclePolicyText: &policy,
	})
	if err != nil {
		return fail(err)
	}
	// ECR may write the policy in its own way. It says which preview an answer is of.
	text := aws.ToString(started.LifecyclePolicyText)
	if text == "" {
		return fail(errors.New("the answer does not say that it was started"))
	}
	for attempt := range previewAttempts {
		if attempt > 0 {
			if err := l.wait(ctx, previewDelay); err != nil {
				return fail(err)
			}
		}
		out, err := l.preview(ctx, repository, text, nil)
		if err != nil {
			return fail(err)
		}
		switch out.Status {
		case types.LifecyclePolicyPreviewStatusInProgress:
		case types.LifecyclePolicyPreviewStatusComplete:
			actions, err := l.results(ctx, repository, text, out)
			if err != nil {
				return fail(err)
			}
			return actions, nil
		default:
			return fail(fmt.Errorf("it ended as %s", out.Status))
		}
	}
	return fail(fmt.Errorf("it was not complete after %s", previewDelay*(previewAttempts-1)))
}

// errOtherPreview says that somebody started another preview meanwhile.
var errOtherPreview = errors.New("another preview took its place before it was read")

// preview asks for a page of the preview of a policy.
func (l *Lifecycle) preview(ctx context.Context, repository, text string, token *string) (*ecr.GetLifecyclePolicyPreviewOutput, error) {
	out, err := l.calls.getPreview(ctx, &ecr.GetLifecyclePolicyPreviewInput{
		RegistryId: &l.id.Account, RepositoryName: &repository, MaxResults: aws.Int32(previewPage), NextToken: token,
	})
	if err == nil && aws.ToString(out.LifecyclePolicyText) != text {
		return nil, errOtherPreview
	}
	return out, err
}

// results reads a complete preview, of which the first page is there.
func (l *Lifecycle) results(ctx context.Context, repository, text string, first *ecr.GetLifecyclePolicyPreviewOutput) (actions []registry.LifecycleAction, err error) {
	pages := awsapi.Stream(ctx, func(ctx context.Context, token *string) ([]types.LifecyclePolicyPreviewResult, *string, error) {
		out := first
		if token != nil {
			if out, err = l.preview(ctx, repository, text, token); err != nil {
				return nil, nil, err
			}
			if out.Status != types.LifecyclePolicyPreviewStatusComplete {
				return nil, nil, errOtherPreview
			}
		}
		return out.PreviewResults, out.NextToken, nil
	})
	for page, err := range pages {
		if err != nil {
			return nil, err
		}
		for i := range page {
			d, err := image.ParseDigest(aws.ToString(page[i].ImageDigest))
			if err != nil {
				return nil, err
			}
			action := registry.LifecycleAction{Digest: d, Priority: int(aws.ToInt32(page[i].AppliedRulePriority))}
			if a := page[i].Action; a != nil {
				action.Archive = a.Type == types.ImageActionTypeTransition
			}
			actions = append(actions, action)
		}
	}
	return actions, nil
}

// LifecycleWriter changes the lifecycle policies of an ECR registry.
type LifecycleWriter struct {
	id                 registry.Identity
	putLifecyclePolicy func(context.Context, *ecr.PutLifecyclePolicyInput, ...func(*ecr.Options)) (*ecr.PutLifecyclePolicyOutput, error)
}

var _ registry.LifecycleWriter = (*LifecycleWriter)(nil)

// OpenLifecycleWriter opens the lifecycle policies of the registry for changes.
func (c Config) OpenLifecycleWriter(ctx context.Context, name string, env Env) (*LifecycleWriter, error) {
	id, sdk, err := c.open(ctx, name, env)
	if err != nil {
		return nil, err
	}
	return &LifecycleWriter{id, ecr.NewFromConfig(sdk).PutLifecyclePolicy}, nil
}

// PutLifecyclePolicy puts a policy. See registry.LifecycleWriter.
func (w *LifecycleWriter) PutLifecyclePolicy(ctx context.Context, repository, policy string) error {
	out, err := w.putLifecyclePolicy(ctx, &ecr.PutLifecyclePolicyInput{
		RegistryId: &w.id.Account, RepositoryName: &repository, LifecyclePolicyText: &policy,
	})
	if err != nil {
		return fmt.Errorf("put the lifecycle policy of repository %s: %w", repository, gone(repository, err))
	}
	if aws.ToString(out.LifecyclePolicyText) == "" {
		return fmt.Errorf("put the lifecycle policy of repository %s: the answer does not say that it was put", repository)
	}
	return nil
}
