package awsapi

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/google/go-cmp/cmp"
)

// response is an error of the API as the SDK wraps it.
func response(status int, header http.Header, err error) error {
	if header == nil {
		header = http.Header{}
	}
	return &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status, Header: header}},
		Err:      err,
	}
}

func api(code, message string) error { return &smithy.GenericAPIError{Code: code, Message: message} }

// kindOf names the type of an error.
func kindOf(err error) string {
	var d *DeniedError
	var c *CredentialsError
	var th *ThrottledError
	switch {
	case errors.As(err, &d):
		return "denied " + d.Action
	case errors.As(err, &c) && c.Expired:
		return "expired"
	case errors.As(err, &c):
		return "credentials"
	case errors.As(err, &th):
		return "throttled " + th.Action
	case err == nil:
		return ""
	}
	return "other"
}

func TestTypedErrors(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"none", nil, ""},
		{"AccessDeniedException", response(400, nil, api("AccessDeniedException", "no")), "denied ecr:ListImages"},
		{"AccessDenied", response(403, nil, api("AccessDenied", "no")), "denied ecr:ListImages"},
		{"UnauthorizedOperation", response(403, nil, api("UnauthorizedOperation", "no")), "denied ecr:ListImages"},
		{"another action than the operation", api("AccessDeniedException", "User: a is not authorized to perform: kms:Decrypt on resource: b"), "denied kms:Decrypt"},
		{"ExpiredToken", api("ExpiredToken", ""), "expired"},
		{"ExpiredTokenException", api("ExpiredTokenException", ""), "expired"},
		{"RequestExpired", api("RequestExpired", ""), "expired"},
		{"InvalidSignatureException", api("InvalidSignatureException", ""), "credentials"},
		{"SignatureDoesNotMatch", api("SignatureDoesNotMatch", ""), "credentials"},
		{"InvalidToken", api("InvalidToken", ""), "credentials"},
		{"UnrecognizedClientException", api("UnrecognizedClientException", ""), "credentials"},
		{"InvalidClientTokenId", api("InvalidClientTokenId", ""), "credentials"},
		{"ThrottlingException", response(400, nil, api("ThrottlingException", "")), "throttled ecr:ListImages"},
		{"TooManyRequestsException", api("TooManyRequestsException", ""), "throttled ecr:ListImages"},
		{"429 without a code", response(429, nil, errors.New("slow down")), "throttled ecr:ListImages"},
		{"a hard quota", &ecrtypes.LimitExceededException{}, "other"},
		{"not found", &ecrtypes.RepositoryNotFoundException{}, "other"},
		{"500", response(500, nil, api("InternalFailure", "")), "other"},
		{"no answer", &smithyhttp.RequestSendError{Err: io.EOF}, "other"},
		{"a text that only looks like a denial", errors.New("AccessDenied: User: a is not authorized"), "other"},
		{"typed already", fmt.Errorf("get identity: %w", &credentialsFailure{&DeniedError{Action: "sts:AssumeRole", Err: api("AccessDenied", "")}}), "denied sts:AssumeRole"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := explain{newClasses()}.typed(tt.err, actionOf("ECR", "ListImages"))
			if kind := kindOf(got); kind != tt.want {
				t.Errorf("got %q (%v), want %q", kind, got, tt.want)
			}
			if tt.err != nil && !errors.Is(got, tt.err) {
				t.Errorf("%v has lost the SDK's error", got)
			}
		})
	}
}

func TestActions(t *testing.T) {
	tests := []struct{ service, name, want string }{
		{"ECR", "BatchDeleteImage", "ecr:BatchDeleteImage"},
		{"STS", "AssumeRole", "sts:AssumeRole"},
		{"S3", "PutObject", "s3:PutObject"},
		{"AppRunner", "ListServices", "apprunner:ListServices"},
		{"Resource Groups Tagging API", "GetResources", "tag:GetResources"},
	}
	for _, tt := range tests {
		if got := actionOf(tt.service, tt.name); got != tt.want {
			t.Errorf("actionOf(%q, %q) = %q, want %q", tt.service, tt.name, got, tt.want)
		}
	}
}

func TestDeniedNames(t *testing.T) {
	const (
		who  = "arn:aws:sts::111122223333:assumed-role/ci/run"
		what = "arn:aws:ecr:eu-west-1:111122223333:repository/apps/web"
	)
	tests := []struct{ name, message, want string }{
		{
			"all of it",
			"User: " + who + " is not authorized to perform: ecr:DescribeImages on resource: " + what + " because no identity-based policy allows the ecr:DescribeImages action",
			who + " may not call ecr:DescribeImages on " + what + " because no identity-based policy allows the ecr:DescribeImages action: allow the IAM action ecr:DescribeImages (regsweep permissions iam prints all that is needed, with --for by each command)",
		},
		{
			"a resource in quotes",
			"User: " + who + ` is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::exchange/a key" because no identity-based policy allows the s3:GetObject action`,
			who + " may not call s3:GetObject on arn:aws:s3:::exchange/a key because no identity-based policy allows the s3:GetObject action: allow the IAM action s3:GetObject (regsweep permissions iam prints all that is needed, with --for by each command)",
		},
		{
			"an explicit deny",
			"User: " + who + " is not authorized to perform: ecr:DescribeImages on resource: * with an explicit deny in a service control policy",
			who + " may not call ecr:DescribeImages on * with an explicit deny in a service control policy: allow the IAM action ecr:DescribeImages (regsweep permissions iam prints all that is needed, with --for by each command)",
		},
		{
			"no resource",
			"User: " + who + " is not authorized to perform: sts:AssumeRole",
			who + " may not call sts:AssumeRole: allow the IAM action sts:AssumeRole (regsweep permissions iam prints all that is needed, with --for by each command)",
		},
		{
			"no names",
			"Access Denied",
			"the caller may not call ecr:ListImages: allow the IAM action ecr:ListImages (regsweep permissions iam prints all that is needed, with --for by each command): api error AccessDeniedException: Access Denied",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := explain{newClasses()}.typed(api("AccessDeniedException", tt.message), "ecr:ListImages")
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHints(t *testing.T) {
	tests := []struct {
		err  error
		want string
	}{
		{&CredentialsError{Expired: true, Err: api("ExpiredToken", "")}, "aws sso login"},
		{&CredentialsError{Err: api("UnrecognizedClientException", "")}, "does not accept"},
		{&CredentialsError{Err: errors.New("no EC2 IMDS role found")}, "AWS_PROFILE"},
		{&CredentialsError{}, "AWS_PROFILE"},
		{&ThrottledError{Action: "ecr:PutImage", Err: api("ThrottlingException", "")}, "throttling ecr:PutImage"},
		{&ThrottledError{Action: "ecr:PutImage"}, "throttling ecr:PutImage"},
		{&DeniedError{Action: "ecr:PutImage"}, "the IAM action ecr:PutImage"},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); !strings.Contains(got, tt.want) {
			t.Errorf("%q does not mention %q", got, tt.want)
		}
	}
}

func TestSessionOver(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want bool
	}{
		{"the token of IAM Identity Center", fmt.Errorf("refresh: %w", &ssocreds.InvalidTokenError{Err: io.EOF}), true},
		{"a refused token", api("UnauthorizedException", ""), true},
		{"a refused refresh", api("InvalidGrantException", ""), true},
		{"another error of the API", api("InternalFailure", ""), false},
		{"no role", errors.New("no EC2 IMDS role found"), false},
	}
	for _, tt := range tests {
		if got := sessionOver(tt.err); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestRetryable(t *testing.T) {
	r := newClasses().retryer(defaultDelays(), func() float64 { return 0.5 })
	tests := []struct {
		name string
		err  error
		want bool
	}{
		{"throttled", response(400, nil, api("ThrottlingException", "")), true},
		{"429", response(429, nil, errors.New("slow down")), true},
		{"500", response(500, nil, api("InternalFailure", "")), true},
		{"503", response(503, nil, api("ServiceUnavailable", "")), true},
		{"no connection", &smithyhttp.RequestSendError{Err: io.EOF}, true},
		{"cut off", response(200, nil, &smithy.DeserializationError{Err: io.ErrUnexpectedEOF}), true},
		{"an error cut off", response(400, nil, &smithy.DeserializationError{Err: io.ErrUnexpectedEOF}), true},
		{"unreadable success", response(200, nil, &smithy.DeserializationError{Err: errors.New("bad")}), true},
		{"unreadable error", response(404, nil, &smithy.DeserializationError{Err: errors.New("bad")}), false},
		{"unreadable before anything was sent", &smithy.DeserializationError{Err: errors.New("bad")}, false},
		{"a hard quota", response(400, nil, &ecrtypes.LimitExceededException{}), false},
		{"denied", response(400, nil, api("AccessDeniedException", "")), false},
		{"not valid", response(400, nil, api("InvalidParameterException", "")), false},
		{"cancelled", &aws.RequestCanceledError{Err: io.EOF}, false},
		{"no credentials", &credentialsFailure{response(500, nil, api("InternalFailure", ""))}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := r.IsErrorRetryable(tt.err); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestDelays(t *testing.T) {
	d := defaultDelays()
	tests := []struct {
		attempt   int
		throttled bool
		random    float64
		want      time.Duration
	}{
		{1, true, 0, 0},
		{1, true, 0.5, 50 * time.Millisecond},
		{3, true, 0.5, 200 * time.Millisecond},
		{1, false, 0, 100 * time.Millisecond},
		{1, false, 0.5, 150 * time.Millisecond},
		{4, false, 0, 800 * time.Millisecond},
		{30, false, 0, 2500 * time.Millisecond},
		{0, false, 0, 100 * time.Millisecond}, // as AWS_NEW_RETRIES_2026 counts
	}
	for _, tt := range tests {
		if got := d.after(tt.attempt, tt.throttled, tt.random); got != tt.want {
			t.Errorf("after attempt %d (throttled %v, random %v): %v, want %v", tt.attempt, tt.throttled, tt.random, got, tt.want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name, header, value string
		want                time.Duration
	}{
		{"seconds", "Retry-After", "7", 7 * time.Second},
		{"a date", "Retry-After", "Sun, 01 Mar 2026 12:00:30 GMT", 30 * time.Second},
		{"a date gone by", "Retry-After", "Sun, 01 Mar 2026 11:00:00 GMT", 0},
		{"milliseconds", "X-Amz-Retry-After", "250", 250 * time.Millisecond},
		{"negative", "Retry-After", "-7", 0},
		{"too large", "Retry-After", "99999999999999999999", 0},
		{"nonsense", "Retry-After", "soon", 0},
		{"none", "Other", "7", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := response(503, http.Header{tt.header: {tt.value}}, api("ServiceUnavailable", ""))
			if got := retryAfter(err, now); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	if got := retryAfter(io.EOF, now); got != 0 {
		t.Errorf("an error without an answer: got %v, want 0", got)
	}
}
