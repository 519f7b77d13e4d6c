package embedded_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/regsweep/regsweep/internal/embedded"
)

func ssmSteps(w *world) []cliStep {
	w.region.PutParameter("/regsweep/config", "version: 1", false)
	return []cliStep{
		{"ssm:GetParameter", object{"Name": "/regsweep/config"}, map[string]string{
			"Parameter.Value": "version: 1", "Parameter.Type": "String", "Parameter.Version": "1",
			"Parameter.ARN": "arn:aws:ssm:" + west + ":" + home + ":parameter/regsweep/config",
		}},
	}
}

// parameters asks for a parameter through the SDK.
func parameters(w *world, in *ssm.GetParameterInput) (*types.Parameter, error) {
	out, err := ssm.New(ssm.Options{
		Region: west, HTTPClient: w.Client(), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(w.Account(home).AccessKeyID(), "secret", ""),
	}).GetParameter(context.Background(), in)
	if err != nil {
		return nil, err
	}
	return out.Parameter, nil
}

func TestParameters(t *testing.T) {
	w := newWorld(embedded.Options{})
	w.region.PutParameter("/secret", "one", true)
	w.region.PutParameter("/secret", "two", true)
	for _, test := range []struct {
		name       string
		in         ssm.GetParameterInput
		value, err string
	}{
		{name: "decrypted", in: ssm.GetParameterInput{Name: aws.String("/secret"), WithDecryption: aws.Bool(true)}, value: "two"},
		{name: "as it is", in: ssm.GetParameterInput{Name: aws.String("/secret")}, value: "AQICAHencrypted"},
		{name: "not there", in: ssm.GetParameterInput{Name: aws.String("/none")}, err: "ParameterNotFound"},
		{name: "no name", in: ssm.GetParameterInput{Name: aws.String("")}, err: "ValidationException"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parameters(w, &test.in)
			if test.err != "" {
				wantCode(t, err, test.err)
				return
			}
			if err != nil || aws.ToString(got.Value) != test.value || got.Type != types.ParameterTypeSecureString || got.Version != 2 {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}
