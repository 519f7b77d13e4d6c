package embedded_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/embedded"
)

// lambdaWorld has a function "orders" of two versions, of which the alias
// "live" routes to the first.
func lambdaWorld() (*world, *lambda.Client) {
	w := newWorld(embedded.Options{})
	v1, _ := appImage(w, "orders", "v1")
	v2, _ := appImage(w, "orders", "v2")
	f := embedded.Must(w.region.Lambda().CreateFunction("orders", v1))
	f.Publish()
	check(f.UpdateCode(v2))
	f.Publish()
	check(f.PutAlias("live", "1", nil))
	embedded.Must(w.region.Lambda().CreateArchiveFunction("zip"))
	return w, lambda.NewFromConfig(w.config())
}

func TestLambdaErrors(t *testing.T) {
	orders := aws.String("orders")
	for _, test := range []struct {
		name, code string
		call       func(context.Context, *lambda.Client) error
	}{
		{"no such function", "ResourceNotFoundException", func(ctx context.Context, c *lambda.Client) error {
			_, err := c.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: aws.String("none")})
			return err
		}},
		{"a function of another region", "ResourceNotFoundException", func(ctx context.Context, c *lambda.Client) error {
			_, err := c.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: aws.String("arn:aws:lambda:us-east-2:" + home + ":function:orders")})
			return err
		}},
		{"a function of another account", "AccessDeniedException", func(ctx context.Context, c *lambda.Client) error {
			_, err := c.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: aws.String(other + ":function:orders")})
			return err
		}},
		{"no such version", "ResourceNotFoundException", func(ctx context.Context, c *lambda.Client) error {
			_, err := c.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: orders, Qualifier: aws.String("9")})
			return err
		}},
		{"an alias of no version", "ResourceNotFoundException", func(ctx context.Context, c *lambda.Client) error {
			_, err := c.CreateAlias(ctx, &lambda.CreateAliasInput{FunctionName: orders, Name: aws.String("x"), FunctionVersion: aws.String("9")})
			return err
		}},
		{"an alias that routes to no version", "ResourceNotFoundException", func(ctx context.Context, c *lambda.Client) error {
			_, err := c.CreateAlias(ctx, &lambda.CreateAliasInput{
				FunctionName: orders, Name: aws.String("x"), FunctionVersion: aws.String("1"),
				RoutingConfig: &types.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{"9": 0.5}},
			})
			return err
		}},
		{"an alias that exists", "ResourceConflictException", func(ctx context.Context, c *lambda.Client) error {
			_, err := c.CreateAlias(ctx, &lambda.CreateAliasInput{FunctionName: orders, Name: aws.String("live"), FunctionVersion: aws.String("1")})
			return err
		}},
		{"an alias that does not exist", "ResourceNotFoundException", func(ctx context.Context, c *lambda.Client) error {
			_, err := c.UpdateAlias(ctx, &lambda.UpdateAliasInput{FunctionName: orders, Name: aws.String("none")})
			return err
		}},
		{"a version that an alias uses", "ResourceConflictException", func(ctx context.Context, c *lambda.Client) error {
			_, err := c.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: orders, Qualifier: aws.String("1")})
			return err
		}},
		{"a function that exists", "ResourceConflictException", func(ctx context.Context, c *lambda.Client) error {
			_, err := c.CreateFunction(ctx, &lambda.CreateFunctionInput{
				FunctionName: orders, Role: aws.String("arn:aws:iam::" + home + ":role/run"),
				Code: &types.FunctionCode{ZipFile: []byte("zip")},
			})
			return err
		}},
		{"an image that does not exist", "InvalidParameterValueException", func(ctx context.Context, c *lambda.Client) error {
			_, err := c.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{
				FunctionName: orders, ImageUri: aws.String(home + ".dkr.ecr." + west + ".amazonaws.com/orders:none"),
			})
			return err
		}},
		{"an image of another registry", "InvalidParameterValueException", func(ctx context.Context, c *lambda.Client) error {
			_, err := c.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: orders, ImageUri: aws.String("registry.example.com/a:1")})
			return err
		}},
		{"a registry and no image", "InvalidParameterValueException", func(ctx context.Context, c *lambda.Client) error {
			_, err := c.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: orders, ImageUri: aws.String(home + ".dkr.ecr." + west + ".amazonaws.com/")})
			return err
		}},
		{"an image for an archive", "InvalidParameterValueException", func(ctx context.Context, c *lambda.Client) error {
			_, err := c.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: aws.String("zip"), ImageUri: orders})
			return err
		}},
		{"a page of none", "InvalidParameterValueException", func(ctx context.Context, c *lambda.Client) error {
			_, err := c.ListFunctions(ctx, &lambda.ListFunctionsInput{MaxItems: aws.Int32(0)})
			return err
		}},
		{"a marker that is none", "InvalidParameterValueException", func(ctx context.Context, c *lambda.Client) error {
			_, err := c.ListAliases(ctx, &lambda.ListAliasesInput{FunctionName: orders, Marker: aws.String("marker")})
			return err
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, client := lambdaWorld()
			wantCode(t, test.call(t.Context(), client), test.code)
		})
	}
}

// TestLambdaImageOfAnotherRegion: a function runs images of its own region.
func TestLambdaImageOfAnotherRegion(t *testing.T) {
	w := newWorld(embedded.Options{})
	far := w.Account(home).Region("us-east-2")
	repo := far.MustCreateRepository("orders", embedded.RepositoryOptions{})
	push(repo, image("a"), "v1")
	if _, err := w.region.Lambda().CreateFunction("orders", repo.URI()+":v1"); err == nil {
		t.Error("a function has an image of another region")
	}
	if _, err := far.Lambda().CreateFunction("orders", repo.URI()+":v1"); err != nil {
		t.Errorf("an image of its own region: %v", err)
	}
}

// TestLambdaThrottling: Lambda has an answer of its own.
func TestLambdaThrottling(t *testing.T) {
	w, client := lambdaWorld()
	w.SetRate("lambda:ListFunctions", embedded.Rate{PerSecond: 0.001, Burst: 1})
	_, err := client.ListFunctions(t.Context(), &lambda.ListFunctionsInput{})
	wantCode(t, err, "")
	_, err = client.ListFunctions(t.Context(), &lambda.ListFunctionsInput{})
	wantCode(t, err, "TooManyRequestsException")
}

// TestLambdaNames: a function by its name, its ARN and its partial ARN, with
// and without a qualifier.
func TestLambdaNames(t *testing.T) {
	_, client := lambdaWorld()
	arn := "arn:aws:lambda:" + west + ":" + home + ":function:orders"
	for name, want := range map[string]string{
		"orders": "$LATEST", "orders:1": "1", "orders:live": "1", arn: "$LATEST", arn + ":2": "2", home + ":function:orders": "$LATEST",
	} {
		out, err := client.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: aws.String(name)})
		wantCode(t, err, "")
		if got := aws.ToString(out.Configuration.Version); got != want {
			t.Errorf("%s: version %s, want %s", name, got, want)
		}
	}
}

// TestLambdaPages: a page has 50 entries at most, whatever is asked for.
func TestLambdaPages(t *testing.T) {
	w, client := lambdaWorld()
	for i := range 60 {
		embedded.Must(w.region.Lambda().CreateArchiveFunction(fmt.Sprint("f", i)))
	}
	var sizes []int
	pages := lambda.NewListFunctionsPaginator(client, &lambda.ListFunctionsInput{
		FunctionVersion: types.FunctionVersionAll, MaxItems: aws.Int32(10000),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		wantCode(t, err, "")
		sizes = append(sizes, len(page.Functions))
	}
	if diff := cmp.Diff([]int{50, 14}, sizes); diff != "" {
		t.Errorf("sizes of pages (-want +got):\n%s", diff)
	}
	out, err := client.ListFunctions(t.Context(), &lambda.ListFunctionsInput{MaxItems: aws.Int32(3)})
	wantCode(t, err, "")
	if n := len(out.Functions); n != 3 {
		t.Errorf("%d functions, want 3", n)
	}
}

// TestPublishUnchanged makes no new version.
func TestPublishUnchanged(t *testing.T) {
	w := newWorld(embedded.Options{})
	reference, _ := appImage(w, "orders", "v1")
	f := embedded.Must(w.region.Lambda().CreateFunction("orders", reference))
	if first, second := f.Publish(), f.Publish(); first != "1" || second != "1" {
		t.Errorf("versions %s and %s, want 1 twice", first, second)
	}
}
