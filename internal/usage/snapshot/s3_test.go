package snapshot

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/usage"
)

// s3Stub answers requests with what it is given, one after the other, and keeps
// what was asked.
type s3Stub struct {
	answers []*http.Response
	asked   []*http.Request
}

func (s *s3Stub) Do(r *http.Request) (*http.Response, error) {
	s.asked = append(s.asked, r)
	if len(s.answers) == 0 {
		return nil, io.ErrClosedPipe
	}
	answer := s.answers[0]
	s.answers = s.answers[1:]
	return answer, nil
}

func answer(status int, body string, header ...string) *http.Response {
	w := httptest.NewRecorder()
	for i := 0; i+1 < len(header); i += 2 {
		w.Header().Set(header[i], header[i+1])
	}
	w.WriteHeader(status)
	_, _ = w.WriteString(body)
	return w.Result()
}

func credentials() aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "example-secret", SessionToken: "example-token"}, nil
	})
}

// fromS3 is a source that reads path through the stub.
func fromS3(t *testing.T, path string, cfg aws.Config) *source {
	t.Helper()
	o, err := parseObject(path)
	if err != nil {
		t.Fatal(err)
	}
	r := &s3Reader{object: o, now: func() time.Time { return created }, config: func(context.Context) (aws.Config, error) { return cfg, nil }}
	return &source{name: "other", path: path, now: r.now, open: r.open}
}

func config(stub *s3Stub) aws.Config {
	return aws.Config{Region: "eu-west-1", Credentials: credentials(), HTTPClient: stub}
}

func TestS3Object(t *testing.T) {
	stub := &s3Stub{answers: []*http.Response{answer(200, text(t, usage.StatusOK))}}
	got, err := fromS3(t, "s3://usage-exchange/team a/üsage+1~.json", config(stub)).Collect(t.Context())
	if diff := cmp.Diff(observed, got.Observations); diff != "" || err != nil {
		t.Fatalf("%v (-want +got):\n%s", err, diff)
	}
	r := stub.asked[0]
	if want := "https://usage-exchange.s3.eu-west-1.amazonaws.com/team%20a/%C3%BCsage%2B1~.json"; r.Method != "GET" || r.URL.String() != want {
		t.Errorf("asked %s %s, want %s", r.Method, r.URL, want)
	}
	// Computed with botocore 1.43.11 (S3SigV4Auth) for the same request.
	want := "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261120/eu-west-1/s3/aws4_request, " +
		"SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token, " +
		"Signature=42a50776c83b6910edead129d4dcedc0aa95a3f72752710fbf336dd720e946bf"
	if diff := cmp.Diff(want, r.Header.Get("Authorization")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestS3Address(t *testing.T) {
	tests := []struct{ name, path, region, base, endpoint, want string }{
		{"host name", "s3://exchange/a/b.json", "eu-west-1", "", "", "https://exchange.s3.eu-west-1.amazonaws.com/a/b.json"},
		{"dot in the bucket", "s3://my.exchange/a", "eu-west-1", "", "", "https://s3.eu-west-1.amazonaws.com/my.exchange/a"},
		{"China", "s3://exchange/a", "cn-north-1", "", "", "https://exchange.s3.cn-north-1.amazonaws.com.cn/a"},
		{"isolated", "s3://exchange/a", "us-isob-east-1", "", "", "https://exchange.s3.us-isob-east-1.sc2s.sgov.gov/a"},
		{"Europe", "s3://exchange/a", "eusc-de-east-1", "", "", "https://exchange.s3.eusc-de-east-1.amazonaws.eu/a"},
		{"endpoint of everything", "s3://exchange/a", "eu-west-1", "http://127.0.0.1:4566/", "", "http://127.0.0.1:4566/exchange/a"},
		{"endpoint of S3", "s3://exchange/a", "eu-west-1", "http://127.0.0.1:4566", "http://127.0.0.1:9000/s3/", "http://127.0.0.1:9000/s3/exchange/a"},
		{"dots in the key", "s3://exchange/../a//b", "eu-west-1", "", "", "https://exchange.s3.eu-west-1.amazonaws.com/../a//b"},
		{"key like a query", "s3://exchange/a?b#c%2F", "eu-west-1", "", "", "https://exchange.s3.eu-west-1.amazonaws.com/a%3Fb%23c%252F"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o, err := parseObject(tt.path)
			if err != nil {
				t.Fatal(err)
			}
			cfg := aws.Config{}
			if tt.base != "" {
				cfg.BaseEndpoint = &tt.base
			}
			got, err := (&s3Reader{object: o, endpoint: tt.endpoint}).address(cfg, tt.region)
			if err != nil || got.String() != tt.want {
				t.Errorf("got %v, %v, want %s", got, err, tt.want)
			}
		})
	}
}

func TestS3BucketInAnotherRegion(t *testing.T) {
	moved := `<?xml version="1.0"?><Error><Code>PermanentRedirect</Code><Message>elsewhere</Message></Error>`
	stub := &s3Stub{answers: []*http.Response{
		answer(301, moved, "X-Amz-Bucket-Region", "us-east-2"),
		answer(200, text(t, usage.StatusOK)),
	}}
	got, err := fromS3(t, "s3://exchange/a", config(stub)).Collect(t.Context())
	if err != nil || len(got.Observations) != 1 {
		t.Fatalf("got %v, %v", got, err)
	}
	second := stub.asked[1]
	if second.URL.Host != "exchange.s3.us-east-2.amazonaws.com" || !strings.Contains(second.Header.Get("Authorization"), "/us-east-2/s3/") {
		t.Errorf("asked %s with %s", second.URL, second.Header.Get("Authorization"))
	}
	// A bucket that is nowhere is asked for twice at most.
	stub = &s3Stub{answers: []*http.Response{
		answer(301, moved, "X-Amz-Bucket-Region", "us-east-2"),
		answer(301, moved, "X-Amz-Bucket-Region", "eu-west-1"),
	}}
	if _, err := fromS3(t, "s3://exchange/a", config(stub)).Collect(t.Context()); err == nil || len(stub.asked) != 2 {
		t.Errorf("asked %d times, got %v", len(stub.asked), err)
	}
}

func TestS3Errors(t *testing.T) {
	tests := []struct {
		name     string
		response *http.Response
		want     S3Error
	}{
		{"no such key", answer(404, `<Error><Code>NoSuchKey</Code><Message>The key does not exist.</Message></Error>`), S3Error{404, "NoSuchKey", "The key does not exist.", ""}},
		{"denied", answer(403, `<Error><Code>AccessDenied</Code><Message>No.</Message></Error>`), S3Error{403, "AccessDenied", "No.", ""}},
		{"no explanation", answer(503, ""), S3Error{503, "Service Unavailable", "", ""}},
		{"another explanation", answer(500, "<html>sorry</html>"), S3Error{500, "Internal Server Error", "", ""}},
		{"the bucket is here", answer(404, `<Error><Code>NoSuchKey</Code></Error>`, "X-Amz-Bucket-Region", "eu-west-1"), S3Error{404, "NoSuchKey", "", "eu-west-1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stub := &s3Stub{answers: []*http.Response{tt.response}}
			_, err := fromS3(t, "s3://exchange/a.json", config(stub)).Collect(t.Context())
			got, ok := errors.AsType[*S3Error](err)
			if !ok || !strings.Contains(err.Error(), "s3://exchange/a.json") {
				t.Fatalf("got %v", err)
			}
			if diff := cmp.Diff(tt.want, *got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			denied, isDenied := errors.AsType[*awsapi.DeniedError](err)
			if isDenied != (tt.name == "denied") {
				t.Errorf("a DeniedError: %v", isDenied)
			}
			if isDenied && (denied.Action != "s3:GetObject" || denied.Resource != "arn:aws:s3:::exchange/a.json") {
				t.Errorf("denied %s on %s", denied.Action, denied.Resource)
			}
		})
	}
}

func TestS3CannotBeAsked(t *testing.T) {
	broken := errors.New("broken")
	stub := &s3Stub{}
	noCredentials := config(stub)
	noCredentials.Credentials = nil
	badCredentials := config(stub)
	badCredentials.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, broken })
	badEndpoint := config(stub)
	badEndpoint.BaseEndpoint = aws.String("http://[::1")
	for name, cfg := range map[string]aws.Config{"no credentials": noCredentials, "bad credentials": badCredentials, "bad endpoint": badEndpoint} {
		if _, err := fromS3(t, "s3://exchange/a", cfg).Collect(t.Context()); err == nil || len(stub.asked) != 0 {
			t.Errorf("%s: %v after %d requests", name, err, len(stub.asked))
		}
	}
	if _, err := fromS3(t, "s3://exchange/a", config(stub)).Collect(t.Context()); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("no answer: %v", err)
	}
	s := fromS3(t, "s3://exchange/a", config(stub))
	s.open = (&s3Reader{config: func(context.Context) (aws.Config, error) { return aws.Config{}, broken }}).open
	if _, err := s.Collect(t.Context()); !errors.Is(err, broken) {
		t.Errorf("no configuration: %v", err)
	}
}

// A connection that breaks is not the end of the snapshot.
func TestS3ObjectCutOff(t *testing.T) {
	whole := text(t, usage.StatusOK)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100000")
		_, _ = io.WriteString(w, whole[:len(whole)/2])
	}))
	defer server.Close()
	cfg := aws.Config{Region: "eu-west-1", Credentials: credentials(), BaseEndpoint: &server.URL, HTTPClient: server.Client()}
	got, err := fromS3(t, "s3://exchange/a", cfg).Collect(t.Context())
	if !errors.Is(err, io.ErrUnexpectedEOF) || got.Observations != nil {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestS3SourceIsOpenedFromTheConfiguration(t *testing.T) {
	asked := ""
	env := usage.Env{AWS: awsapi.NewSession(awsapi.Options{Now: func() time.Time { return created }}), Now: func() time.Time { return created },
		Getenv: func(name string) string { asked = name; return "" }}
	sources, err := Config{Path: "s3://exchange/a.json"}.Open("other", env)
	if err != nil || len(sources) != 1 {
		t.Fatalf("got %v, %v", sources, err)
	}
	if got := sources[0].(*source); got.path != "s3://exchange/a.json" || asked != "AWS_ENDPOINT_URL_S3" {
		t.Errorf("path %q, asked for %q", got.path, asked)
	}
}
