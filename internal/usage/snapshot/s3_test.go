package snapshot

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/objects"
	"github.com/regsweep/regsweep/internal/usage"
)

// fromS3 reads s3://exchange/a.json, which has the content, of an account where
// calls go wrong as the fault says.
func fromS3(t *testing.T, content string, fault embedded.Fault) (usage.Findings, error) {
	t.Helper()
	now := func() time.Time { return created }
	srv := embedded.New(embedded.Options{Clock: now, Faults: embedded.FaultOn("s3", "GetObject", fault)})
	account := srv.Account(embedded.DefaultAccount)
	bucket := embedded.Must(account.Region("eu-west-1").S3().CreateBucket("exchange"))
	if content != "" {
		bucket.Put("a.json", []byte(content))
	}
	sources, err := Config{Path: "s3://exchange/a.json"}.Open("other", usage.Env{Now: now, AWS: awsapi.NewSession(awsapi.Options{
		Region: "eu-west-1", Now: now, HTTPClient: srv.Client(), Random: func() float64 { return 0 },
		Credentials: credentials.NewStaticCredentialsProvider(account.AccessKeyID(), "secret", ""),
	})})
	if err != nil {
		t.Fatal(err)
	}
	return sources[0].Collect(t.Context())
}

func TestS3(t *testing.T) {
	whole := text(t, usage.StatusOK)
	got, err := fromS3(t, whole, embedded.Fault{})
	if diff := cmp.Diff(observed, got.Observations); diff != "" || err != nil {
		t.Fatalf("%v (-want +got):\n%s", err, diff)
	}
	is := func(target error) func(error) bool { return func(err error) bool { return errors.Is(err, target) } }
	for _, tt := range []struct {
		name, content string
		fault         embedded.Fault
		want          func(error) bool
	}{
		{"missing", "", embedded.Fault{}, func(err error) bool { _, ok := errors.AsType[*objects.NotFoundError](err); return ok }},
		{"denied", whole, embedded.Fault{Kind: embedded.FaultError, Code: "AccessDenied", Status: 403}, func(err error) bool {
			denied, ok := errors.AsType[*awsapi.DeniedError](err)
			return ok && denied.Action == "s3:GetObject"
		}},
		{"truncated when it was written", whole[:len(whole)-10], embedded.Fault{}, is(io.ErrUnexpectedEOF)},
		{"an empty object", whole, embedded.Fault{Kind: embedded.FaultEmptyObject}, func(err error) bool {
			format, ok := errors.AsType[*usage.FormatError](err)
			return ok && format.Field == "schema"
		}},
		{"half of it", whole, embedded.Fault{Kind: embedded.FaultMalformed}, func(err error) bool { _, ok := errors.AsType[*usage.FormatError](err); return ok }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := fromS3(t, tt.content, tt.fault)
			if err == nil || !tt.want(err) || !strings.Contains(err.Error(), "s3://exchange/a.json") || got.Observations != nil {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}
