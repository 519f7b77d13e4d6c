package embedded_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/embedded"
)

// overHTTP returns a client that calls through the loopback network.
func (w *world) overHTTP(t *testing.T) *ecr.Client {
	t.Helper()
	server := httptest.NewServer(w)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	t.Cleanup(server.Close)
	return ecr.New(ecr.Options{
		Region: west, BaseEndpoint: &server.URL, HTTPClient: client, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(w.Account(home).AccessKeyID(), "secret", ""),
	})
}

func TestFaults(t *testing.T) {
	deleteAll := func(ctx context.Context, client *ecr.Client) error {
		_, err := client.BatchDeleteImage(ctx, &ecr.BatchDeleteImageInput{
			RepositoryName: aws.String("apps/web"), ImageIds: byTag("v1"),
		})
		return err
	}
	tests := []struct {
		name  string
		fault embedded.Fault
		code  string // "" with fails: an error that is no answer of the API
		fails bool
		acted bool
	}{
		{"none", embedded.Fault{}, "", false, true},
		{"error", embedded.Fault{Kind: embedded.FaultError, Code: "KmsException", Message: "no key"}, "KmsException", true, false},
		{"default error", embedded.Fault{Kind: embedded.FaultError}, "ServerException", true, false},
		{"HTTP 500", embedded.Fault{Kind: embedded.FaultInternal}, "InternalFailure", true, false},
		{"dropped before", embedded.Fault{Kind: embedded.FaultDropBefore}, "", true, false},
		{"dropped after", embedded.Fault{Kind: embedded.FaultDropAfter}, "", true, true},
		{"truncated", embedded.Fault{Kind: embedded.FaultTruncate}, "", true, true},
		{"malformed", embedded.Fault{Kind: embedded.FaultMalformed}, "", true, true},
		{"empty object", embedded.Fault{Kind: embedded.FaultEmptyObject}, "", false, false},
		{"hang a while", embedded.Fault{Kind: embedded.FaultHang, For: time.Millisecond}, "", false, true},
	}
	for _, test := range tests {
		for _, transport := range []string{"direct", "http"} {
			t.Run(test.name+" "+transport, func(t *testing.T) {
				w := newWorld(embedded.Options{Faults: embedded.FaultOn("ecr", "BatchDeleteImage", test.fault)})
				repo := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
				push(repo, image("a"), "v1")
				client := w.client()
				if transport == "http" {
					client = w.overHTTP(t)
				}
				err := deleteAll(t.Context(), client)
				if (err != nil) != test.fails {
					t.Fatalf("got error %v, want one: %v", err, test.fails)
				}
				if got := code(err); got != test.code && test.code != "" {
					t.Errorf("error %v has code %q, want %q", err, got, test.code)
				}
				if acted := len(repo.Images()) == 0; acted != test.acted {
					t.Errorf("acted: %v, want %v", acted, test.acted)
				}
			})
		}
	}
}

func TestFaultHangUntilTheClientGoesAway(t *testing.T) {
	w := newWorld(embedded.Options{Faults: embedded.FaultAt(1, embedded.Fault{Kind: embedded.FaultHang})})
	w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := w.client().DescribeImages(ctx, &ecr.DescribeImagesInput{RepositoryName: aws.String("apps/web")})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got error %v, want the deadline", err)
		}
		_, err = w.client().DescribeImages(t.Context(), &ecr.DescribeImagesInput{RepositoryName: aws.String("apps/web")})
		wantCode(t, err, "")
	})
}

func TestFaultRepeatsToken(t *testing.T) {
	w := newWorld(embedded.Options{Faults: embedded.FaultAt(2, embedded.Fault{Kind: embedded.FaultRepeatToken})})
	pushImages(w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{}), 5)
	page := func(token *string) *ecr.DescribeImagesOutput {
		out, err := w.client().DescribeImages(t.Context(), &ecr.DescribeImagesInput{
			RepositoryName: aws.String("apps/web"), MaxResults: aws.Int32(2), NextToken: token,
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	first := page(nil)
	second := page(first.NextToken)
	if *second.NextToken != *first.NextToken || len(second.ImageDetails) != 2 {
		t.Errorf("second page has token %s, want that of the first, %s", *second.NextToken, *first.NextToken)
	}
	if third := page(first.NextToken); *third.NextToken == *first.NextToken {
		t.Errorf("third call repeats the token too")
	}
}

func TestRateLimit(t *testing.T) {
	w := newWorld(embedded.Options{})
	w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	w.Account(home).Region("us-east-1").MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	w.SetRate("ecr:DescribeImages", embedded.Rate{PerSecond: 2, Burst: 3})
	call := func() string { return code(describe(t, w.client(), "", "apps/web")) }
	var got []string
	for _, wait := range []time.Duration{0, 0, 0, 0, time.Second / 2, 0, time.Hour, 0, 0, 0} {
		w.clock.Advance(wait)
		got = append(got, call())
	}
	const throttled = "ThrottlingException"
	if diff := cmp.Diff([]string{"", "", "", throttled, "", throttled, "", "", "", throttled}, got); diff != "" {
		t.Errorf("codes differ (-want +got):\n%s", diff)
	}
	stats := w.Stats()
	if stats.Calls["ecr:DescribeImages"] != 10 || stats.Throttled["ecr:DescribeImages"] != 3 {
		t.Errorf("stats %+v, want 10 calls and 3 throttled", stats)
	}
	w.SetRate("ecr:DescribeImages", embedded.Rate{})
	for range 5 {
		if got := call(); got != "" {
			t.Errorf("throttled without a limit: %s", got)
		}
	}
}

func TestLatencyAndCallsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := embedded.New(embedded.Options{Clock: time.Now, Latency: 3 * time.Second})
		w := &world{Server: srv}
		srv.Account(home).Region(west).MustCreateRepository("apps/web", embedded.RepositoryOptions{})
		began := time.Now()
		var wg sync.WaitGroup
		for range 7 {
			wg.Go(func() {
				if err := describe(t, w.client(), "", "apps/web"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("seven calls at once took %v, want 3s", took)
		}
		if got := srv.Stats().MaxInFlight; got != 7 {
			t.Errorf("%d calls in flight, want 7", got)
		}
		srv.SetLatency(0)
		began = time.Now()
		if err := describe(t, w.client(), "", "apps/web"); err != nil || time.Since(began) != 0 {
			t.Errorf("a call without latency took %v: %v", time.Since(began), err)
		}
	})
}

func TestCallLog(t *testing.T) {
	w := newWorld(embedded.Options{LogCalls: true})
	w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	wantCode(t, describe(t, w.client(), "", "apps/web"), "")
	w.clock.Advance(time.Minute)
	wantCode(t, describe(t, w.client(), "", "apps/none"), "RepositoryNotFoundException")
	want := []embedded.CallRecord{
		{Number: 1, Action: "ecr:DescribeImages", AccessKeyID: "AKIA1111222233330000", Account: home, Region: west, At: start, Body: []byte(`{"repositoryName":"apps/web"}`)},
		{Number: 2, Action: "ecr:DescribeImages", AccessKeyID: "AKIA1111222233330000", Account: home, Region: west, At: start.Add(time.Minute), Body: []byte(`{"repositoryName":"apps/none"}`)},
	}
	if diff := cmp.Diff(want, w.Calls()); diff != "" {
		t.Errorf("log differs (-want +got):\n%s", diff)
	}
	w.ResetStats()
	if len(w.Calls()) != 0 || len(w.Stats().Calls) != 0 {
		t.Errorf("there are calls after ResetStats")
	}
}

// Requests that are none of AWS's get answers in the form of the protocol.
func TestStrangeRequests(t *testing.T) {
	w := newWorld(embedded.Options{})
	const signed = "AWS4-HMAC-SHA256 Credential=AKIAX/20260301/eu-west-1/ecr/aws4_request, SignedHeaders=host, Signature=00"
	tests := []struct {
		name, target, auth, form, body string
		status                         int
		code                           string
	}{
		{"unknown service", "Nothing_1.Do", signed, "", "{}", 400, "UnknownOperationException"},
		{"unknown operation", "AmazonEC2ContainerRegistry_V20150921.Do", signed, "", "{}", 400, "UnknownOperationException"},
		{"not signed", "AmazonEC2ContainerRegistry_V20150921.DescribeRegistry", "", "", "{}", 403, "MissingAuthenticationTokenException"},
		{"broken JSON", "AmazonEC2ContainerRegistry_V20150921.ListImages", signed, "", `{"repositoryName":`, 400, "SerializationException"},
		{"wrong type", "AmazonEC2ContainerRegistry_V20150921.ListImages", signed, "", `{"repositoryName":7}`, 400, "SerializationException"},
		{"no repository", "AmazonEC2ContainerRegistry_V20150921.ListImages", signed, "", `{}`, 400, "InvalidParameterException"},
		{"unknown action", "", signed, "Action=Do", "", 400, "InvalidAction"},
		{"broken form", "", signed, "%", "", 400, "MalformedQueryString"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(test.body+test.form))
			r.Header.Set("X-Amz-Target", test.target)
			r.Header.Set("Authorization", test.auth)
			rec := httptest.NewRecorder()
			w.ServeHTTP(rec, r)
			body, err := io.ReadAll(rec.Body)
			if err != nil {
				t.Fatal(err)
			}
			if rec.Code != test.status || !strings.Contains(string(body), test.code) {
				t.Errorf("HTTP %d %s, want %d with %s", rec.Code, body, test.status, test.code)
			}
			if test.form == "" && !json.Valid(body) {
				t.Errorf("answer %s is not JSON", body)
			}
		})
	}
}

// Many callers at once, for the race detector.
func TestConcurrentUse(t *testing.T) {
	w := newWorld(embedded.Options{})
	repo := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 20 {
				tag := fmt.Sprintf("t%d-%d", i, j)
				digest := push(repo, image(tag), tag)
				batchGet(t, w.client(), nil, byTag(tag)...)
				if err := describe(t, w.client(), "", "apps/web"); err != nil {
					t.Error(err)
				}
				w.region.MustCreateRepository("apps/"+strings.ToLower(tag), embedded.RepositoryOptions{})
				if j%2 == 0 {
					if _, err := w.client().BatchDeleteImage(t.Context(), &ecr.BatchDeleteImageInput{
						RepositoryName: aws.String("apps/web"), ImageIds: byDigest(digest),
					}); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if got := len(repo.Images()); got != 80 {
		t.Errorf("%d images, want 80", got)
	}
	if got := len(w.region.Repositories()); got != 161 {
		t.Errorf("%d repositories, want 161", got)
	}
}

// Older clients end some paths with a slash.
func TestTrailingSlash(t *testing.T) {
	w := newWorld(embedded.Options{})
	for _, path := range []string{"/2015-03-31/functions", "/2015-03-31/functions/"} {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAX/20260301/eu-west-1/lambda/aws4_request")
		rec := httptest.NewRecorder()
		w.ServeHTTP(rec, r)
		if rec.Code != http.StatusOK {
			t.Errorf("GET %s: HTTP %d %s", path, rec.Code, rec.Body)
		}
	}
	if got := w.Stats().Calls["lambda:ListFunctions"]; got != 2 {
		t.Errorf("%d calls of ListFunctions, want 2", got)
	}
}
