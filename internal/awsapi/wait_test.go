package awsapi

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	static "github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
)

// transport answers requests without a network.
type transport func(*http.Request) *http.Response

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r), nil }

// TestCallsWaitAsAWSAsks has AWS refuse a call and say when to come back: from
// the header of the answer to the next request, of this call and of others.
func TestCallsWaitAsAWSAsks(t *testing.T) {
	for _, tt := range []struct {
		name, header, value, code string
		status                    int
		want                      time.Duration
	}{
		{"a throttle with seconds", "Retry-After", "7", "ThrottlingException", 400, 7 * time.Second},
		{"a throttle with milliseconds", "X-Amz-Retry-After", "2500", "ThrottlingException", 400, 2500 * time.Millisecond},
		{"too many requests", "Retry-After", "30", "TooManyRequestsException", 429, 30 * time.Second},
		{"not available", "Retry-After", "12", "ServiceUnavailable", 503, 12 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				var sent []time.Duration
				answer := func(r *http.Request) *http.Response {
					sent = append(sent, time.Since(begin))
					status, body, header := http.StatusOK, `{"repositories":[]}`, http.Header{}
					if len(sent) == 1 {
						status, body = tt.status, `{"__type":"`+tt.code+`"}`
						header.Set(tt.header, tt.value)
					}
					return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: r}
				}
				session := NewSession(Options{
					Region: "eu-west-1", Now: time.Now, Endpoint: "http://aws.example.com", Random: func() float64 { return 0 },
					Credentials: static.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
					HTTPClient:  &http.Client{Transport: transport(answer)},
				})
				cfg, err := session.Config(t.Context(), Target{})
				if err != nil {
					t.Fatal(err)
				}
				client := ecr.NewFromConfig(cfg)
				for range 2 {
					if _, err := client.DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{}); err != nil {
						t.Fatal(err)
					}
				}
				if len(sent) != 3 || sent[1] < tt.want || sent[1] > tt.want+time.Second {
					t.Errorf("requests after %v, want the second after %v", sent, tt.want)
				}
			})
		})
	}
}
