package app

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/planfile"
	"github.com/regsweep/regsweep/internal/policy"
	"github.com/regsweep/regsweep/internal/registry"
	"github.com/regsweep/regsweep/internal/registry/ecr"
)

// TestChangedWhileACallWaits has AWS refuse the first call that changes something,
// and ask to wait for a minute, in which an image of the call gets another tag: it
// stays. What else was to go goes, but where the first attempt may have been carried
// out, so that what became of the images is not known.
func TestChangedWhileACallWaits(t *testing.T) {
	for _, tt := range []struct {
		name, operation string
		action          policy.Action
		status          int
		answer          string
		gone            int // how many of the two images
		failed          int
	}{
		{"throttled", "BatchDeleteImage", policy.Delete, 400, `{"__type":"ThrottlingException"}`, 1, 0},
		{"a lost answer", "BatchDeleteImage", policy.Delete, 500, `{"__type":"ServerException"}`, 0, 2},
		{"throttled in the archive", "UpdateImageStorageClass", policy.Archive, 400, `{"__type":"ThrottlingException"}`, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := embedded.New(embedded.Options{Clock: time.Now})
				repo := server.Account(embedded.DefaultAccount).Region("eu-west-1").MustCreateRepository("apps/web", embedded.RepositoryOptions{})
				push := func(name, tag string) string {
					content := embedded.NewImage(embedded.ConfigBlob(name, 10), embedded.LayerBlob(name, 90)).Bytes()
					return repo.MustPush(embedded.Push{Manifest: content, Tags: []string{tag}})
				}
				a, b := push("a", "pr-1"), push("b", "pr-2")
				time.Sleep(90 * 24 * time.Hour)
				stays, goes := "", ""
				transport := tripper(func(r *http.Request) (*http.Response, error) {
					if stays != "" || !strings.HasSuffix(r.Header.Get("X-Amz-Target"), "."+tt.operation) {
						return server.Client().Transport.RoundTrip(r)
					}
					body, err := io.ReadAll(r.Body)
					if err != nil {
						return nil, err
					}
					if strings.Contains(string(body), a) {
						stays, goes = push("a", "production"), b
					} else {
						stays, goes = push("b", "production"), a
					}
					return &http.Response{
						StatusCode: tt.status, Header: http.Header{"Retry-After": {"60"}}, Body: io.NopCloser(strings.NewReader(tt.answer)), Request: r,
					}, nil
				})
				env := ecr.Env{Now: time.Now, AWS: awsapi.NewSession(awsapi.Options{
					Region: "eu-west-1", Now: time.Now, Endpoint: "http://embedded.example.com", HTTPClient: &http.Client{Transport: transport},
					Credentials: credentials.NewStaticCredentialsProvider(server.Account(embedded.DefaultAccount).AccessKeyID(), "secret", ""),
					Random:      func() float64 { return 0 },
				})}
				config := ecr.Config{Account: embedded.DefaultAccount}
				reader, err := config.OpenReader(t.Context(), "prod", env)
				if err != nil {
					t.Fatal(err)
				}
				p, problems := policy.Compile(policy.Spec{Rules: []policy.Rule{{Name: "all", Action: tt.action}}, Limits: policy.Limits{MaxDeletes: 99, MaxShare: 1}})
				if len(problems) > 0 {
					t.Fatal(problems)
				}
				run := &App{
					Readers: []registry.Reader{reader}, UsageNone: true, Policy: p, Recheck: time.Hour,
					Judge: time.Now, Now: time.Now, Store: planfile.NewStore(), Log: slog.New(slog.DiscardHandler),
				}
				run.Usage.Now = run.Now
				outcome, err := run.Plan(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				report, err := run.Apply(t.Context(), outcome.Plan, func(ctx context.Context, name string) (registry.Writer, error) {
					return config.OpenWriter(ctx, name, env)
				})
				if err != nil {
					t.Fatal(err)
				}
				active := func(digest string) bool {
					img, there := repo.Image(digest)
					return there && img.Status == "ACTIVE"
				}
				if !active(stays) {
					t.Error("an image went that got another tag while the call waited for its turn")
				}
				if gone := report.Deleted + report.Archived; gone != tt.gone || active(goes) != (tt.gone == 0) {
					t.Errorf("%d images went, the other one is there: %t", gone, active(goes))
				}
				if report.Failed != tt.failed || report.Changed != 2-tt.gone-tt.failed {
					t.Errorf("%d failed, %d changed: %+v", report.Failed, report.Changed, report.Repositories)
				}
			})
		})
	}
}

// tripper is an http.RoundTripper.
type tripper func(*http.Request) (*http.Response, error)

func (t tripper) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }
