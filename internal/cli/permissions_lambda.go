package cli

import (
	"cmp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/spf13/cobra"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/lambdarun"
	"github.com/regsweep/regsweep/internal/objects"
	"github.com/regsweep/regsweep/internal/permissions"
)

// purposeLambda is the role of a Lambda function.
const purposeLambda = "lambda"

// lambdaFlags say what the role of a function needs besides.
type lambdaFlags struct {
	function, runs, stored string
}

func (l *lambdaFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&l.function, "function", "regsweep", "with --for lambda, the `name` of the function, which writes its log")
	cmd.Flags().StringVar(&l.runs, "runs", "", "with --for lambda, the `s3://bucket/prefix/` where events say that plans and reports are")
	cmd.Flags().StringVar(&l.stored, "stored", "", "with --for lambda, where the function reads its configuration: `ssm:/name or s3://bucket/key`")
}

// check refuses flags that make no sense.
func (l *lambdaFlags) check(cmd *cobra.Command, purpose string) error {
	for _, name := range []string{"function", "runs", "stored"} {
		if purpose != purposeLambda && cmd.Flags().Changed(name) {
			return usageError("--%s goes with --for %s", name, purposeLambda)
		}
	}
	if l.runs != "" && (!objects.IsS3(l.runs) || !strings.HasSuffix(l.runs, "/")) {
		return usageError("--runs %s: write s3://bucket/prefix/, which ends in a slash", l.runs)
	}
	if l.stored != "" && l.parameter() == "" && !objects.IsS3(l.stored) {
		return usageError("--stored %s: write ssm:/name or s3://bucket/key", l.stored)
	}
	for _, path := range []string{l.runs, l.stored} {
		if !objects.IsS3(path) {
			continue
		}
		if _, err := objects.OpenFolder(path, objects.Env{}); err != nil {
			return usageError("%w", err)
		}
	}
	return nil
}

func (l *lambdaFlags) parameter() string { return lambdarun.Place{Path: l.stored}.Parameter() }

// does returns what a function does with the configuration: what its mode says.
func (l *lambdaFlags) does(purpose string, cfg *config.Config) string {
	if purpose != purposeLambda {
		return purpose
	}
	return string(cmp.Or(cfg.Mode, config.ModePlan))
}

// needs returns what the function needs beside the run.
func (l *lambdaFlags) needs(run permissions.Run) []permissions.Need {
	object := func(path, more string) arn.ARN {
		a := arn.ARN{Service: "s3", Resource: permissions.Literal(strings.TrimPrefix(path, "s3://")) + more}
		if run.Region != "" {
			a.Partition = awsapi.Partition(run.Region)
		}
		return a
	}
	// What AWSLambdaBasicExecutionRole has, for one log group that is there.
	all := []permissions.Need{{
		Actions:  []string{"logs:CreateLogStream", "logs:PutLogEvents"},
		Resource: permissions.Resource("logs", run.Region, "", "log-group:/aws/lambda/"+permissions.Literal(l.function)+":*"),
	}}
	if l.runs != "" {
		bucket, _, _ := strings.Cut(strings.TrimPrefix(l.runs, "s3://"), "/")
		all = append(all,
			permissions.Need{Actions: []string{"s3:GetObject", "s3:PutObject"}, Resource: object(l.runs, "*")},
			permissions.Need{Actions: []string{"s3:ListBucket"}, Resource: object(bucket, "")})
	}
	switch name := l.parameter(); {
	case name != "":
		all = append(all, permissions.Need{Actions: []string{"ssm:GetParameter"}, Resource: parameterResource(name, run.Region)})
	case l.stored != "":
		all = append(all, permissions.Need{Actions: []string{"s3:GetObject"}, Resource: object(l.stored, "")})
	}
	return all
}

// parameterResource returns the ARN of a parameter, which is named by its name or,
// where another account shares it, by its ARN, and may have a version or a label
// after a colon ("Name" of GetParameter in the API reference).
func parameterResource(name, region string) arn.ARN {
	if parsed, err := arn.Parse(name); err == nil {
		parsed.Resource, _, _ = strings.Cut(parsed.Resource, ":")
		return parsed
	}
	name, _, _ = strings.Cut(name, ":")
	return permissions.Resource("ssm", region, "", "parameter/"+permissions.Literal(strings.TrimPrefix(name, "/")))
}
