package embedded_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apprunner"
	"github.com/aws/aws-sdk-go-v2/service/apprunner/types"

	"github.com/regsweep/regsweep/internal/embedded"
)

func TestAppRunnerErrors(t *testing.T) {
	for _, test := range []struct {
		name, code string
		call       func(context.Context, *apprunner.Client, string) error
	}{
		{"no such service", "ResourceNotFoundException", func(ctx context.Context, c *apprunner.Client, arn string) error {
			_, err := c.DescribeService(ctx, &apprunner.DescribeServiceInput{ServiceArn: aws.String(arn + "0")})
			return err
		}},
		{"a page of 21", "InvalidRequestException", func(ctx context.Context, c *apprunner.Client, _ string) error {
			_, err := c.ListServices(ctx, &apprunner.ListServicesInput{MaxResults: aws.Int32(21)})
			return err
		}},
		{"a token that is none", "InvalidRequestException", func(ctx context.Context, c *apprunner.Client, _ string) error {
			_, err := c.ListServices(ctx, &apprunner.ListServicesInput{NextToken: aws.String("token")})
			return err
		}},
		{"a service of the same name", "InvalidRequestException", func(ctx context.Context, c *apprunner.Client, _ string) error {
			_, err := c.CreateService(ctx, &apprunner.CreateServiceInput{
				ServiceName: aws.String("shop"), SourceConfiguration: &types.SourceConfiguration{ImageRepository: &types.ImageRepository{
					ImageIdentifier: aws.String("shop:1"), ImageRepositoryType: types.ImageRepositoryTypeEcr,
				}},
			})
			return err
		}},
		{"a service without a source", "InvalidRequestException", func(ctx context.Context, c *apprunner.Client, _ string) error {
			_, err := c.CreateService(ctx, &apprunner.CreateServiceInput{ServiceName: aws.String("other"), SourceConfiguration: &types.SourceConfiguration{}})
			return err
		}},
		{"resume what runs", "InvalidStateException", func(ctx context.Context, c *apprunner.Client, arn string) error {
			_, err := c.ResumeService(ctx, &apprunner.ResumeServiceInput{ServiceArn: aws.String(arn)})
			return err
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(embedded.Options{})
			shop := embedded.Must(w.region.AppRunner().CreateService("shop", "shop:1"))
			wantCode(t, test.call(t.Context(), apprunner.NewFromConfig(w.config()), shop.ARN()), test.code)
		})
	}
}
