package cli

import (
	"cmp"
	"context"
	"errors"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/spf13/cobra"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/journal"
	"github.com/regsweep/regsweep/internal/lambdarun"
	"github.com/regsweep/regsweep/internal/objects"
)

// runtimeAPI is the environment variable by which Lambda tells a function where
// its Runtime API is ("Defined runtime environment variables" in the AWS Lambda
// developer guide).
const runtimeAPI = "AWS_LAMBDA_RUNTIME_API"

// arguments returns the command line. Lambda starts a function without arguments.
func (w *World) arguments() []string {
	if len(w.Args) == 0 && w.getenv(runtimeAPI) != "" {
		return []string{"lambda"}
	}
	return w.Args
}

func newLambda(w *World, f *flags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lambda",
		Short: "Answer the invocations of an AWS Lambda function",
		Long: `Answer the invocations of an AWS Lambda function, one after the other. Lambda starts
it so: without arguments, where ` + runtimeAPI + ` is set, this is the command.

An event is that of a schedule (EventBridge), which plans or applies as the mode of
the configuration says, or {"op": "plan"}, with apply, tag, usage, repositories,
merge and notify in its place. Nothing is deleted without "mode: apply".

The configuration is regsweep.yaml in the function's folder, or $REGSWEEP_CONFIG:
a file, ssm:/name for a parameter of Systems Manager, or s3://bucket/key; or the
text of $` + lambdarun.TextVariable + `. It is read anew for each invocation.

The journal goes to the log, or to $REGSWEEP_JOURNAL, which is s3://bucket/prefix
or - for the log. An invocation ends before its deadline and says where to go on.`,
	}
	f.addJournal(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if w.getenv(runtimeAPI) == "" {
			return usageError("lambda runs as a function of AWS Lambda only: %s is not set", runtimeAPI)
		}
		if err := f.inLambda(w); err != nil {
			return err
		}
		handler, err := f.handler(w)
		if err != nil {
			return err
		}
		lambda.StartWithOptions(handler, lambda.WithContext(cmd.Context()))
		return errors.New("the Runtime API of Lambda has no more invocations") // Start ends the process
	}
	return cmd
}

// inLambda makes the flags and the environment those of a function: the log is
// JSON, and files outlive nothing and can be in one folder only.
func (f *flags) inLambda(w *World) error {
	f.logInfo, f.logFormat = true, "json"
	f.journal = cmp.Or(f.journal, w.getenv("REGSWEEP_JOURNAL"), journal.Stdout)
	if f.journal != journal.Stdout && !objects.IsS3(f.journal) {
		return usageError("the journal %s would be gone with the function: write s3://bucket/prefix, or - for the log", f.journal)
	}
	switch flag := f.narrowing(); flag {
	case "":
	case "--now":
		return usageError("--now and lambda exclude each other: a function judges by the clock")
	case "--ignore-gap":
		return usageError("--ignore-gap and lambda exclude each other: it would hold for every invocation, quietly; %s", insteadOfIgnoring)
	default: // open takes what the event says instead, which without any is all
		return usageError("%s and lambda exclude each other: an event says what it is about, with registry, repositories or shard", flag)
	}
	lookup := w.LookupEnv
	w.LookupEnv = func(name string) (string, bool) {
		if v, ok := lookup(name); ok || name != "XDG_CACHE_HOME" {
			return v, ok
		}
		return os.TempDir(), true
	}
	return nil
}

// lambdaConfig returns where the configuration of the function is.
func (f *flags) lambdaConfig(w *World) lambdarun.Place {
	dir := w.getenv("LAMBDA_TASK_ROOT")
	path := cmp.Or(f.config, w.getenv("REGSWEEP_CONFIG"))
	place := lambdarun.Place{Path: cmp.Or(path, "regsweep.yaml"), Dir: dir}
	if path == "" {
		place.Text = w.getenv(lambdarun.TextVariable)
	}
	return place
}

// handler returns what answers the invocations. It holds one session for all of
// them, so that what is known of the quotas stays.
func (f *flags) handler(w *World) (*lambdarun.Handler, error) {
	log, err := f.logger(w)
	if err != nil {
		return nil, err
	}
	aws := w.AWS
	aws.Now, aws.Version = w.Now, Version()
	session := awsapi.NewSession(aws)
	place := f.lambdaConfig(w)
	return &lambdarun.Handler{Options: lambdarun.Options{
		Config: func(ctx context.Context) (*config.Config, error) {
			content, err := place.Read(ctx, session)
			if err != nil {
				return nil, err
			}
			cfg, err := config.Parse(place.String(), content, w.LookupEnv, w.Kinds)
			if err != nil {
				return nil, err
			}
			cfg.Dir = place.Folder()
			return cfg, nil
		},
		Open: func(ctx context.Context, cfg *config.Config, e lambdarun.Event) (*lambdarun.Job, error) {
			return f.lambdaJob(ctx, w, cfg, session, e)
		},
		Now: w.Now, Log: log,
	}}, nil
}

// lambdaJob opens what an invocation works with.
func (f *flags) lambdaJob(ctx context.Context, w *World, cfg *config.Config, session *awsapi.Session, e lambdarun.Event) (*lambdarun.Job, error) {
	narrowed := *f
	narrowed.registry, narrowed.repositories, narrowed.shard = e.Registry, e.Repositories, e.Shard
	r, err := narrowed.open(ctx, w, cfg, session)
	if err != nil {
		var usage *exitError
		if errors.As(err, &usage) && usage.code == exitUsage {
			return nil, &lambdarun.ConfigurationError{Err: err}
		}
		return nil, err
	}
	if err := r.journaled(); err != nil {
		r.close()
		return nil, &lambdarun.ConfigurationError{Err: err}
	}
	return &lambdarun.Job{
		App: r.App, Open: r.writer, Tagging: r.tagging(cfg.Mode == config.ModeApply, nil, nil),
		Objects: objects.Env{AWS: session}, Tell: r.tellWithin, Close: r.close,
	}, nil
}
