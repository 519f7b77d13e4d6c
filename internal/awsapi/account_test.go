package awsapi_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	static "github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/embedded"
)

const (
	here, there = embedded.DefaultAccount, "444455556666"
	role        = "arn:aws:iam::" + there + ":role/regsweep"
	region      = "eu-west-1"
)

// bubble runs a test against an account in virtual time.
func bubble(t *testing.T, test func(t *testing.T, server *embedded.Server, session *awsapi.Session)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server := embedded.New(embedded.Options{Clock: time.Now, Latency: 20 * time.Millisecond})
		server.Account(there).Trust(here)
		test(t, server, awsapi.NewSession(awsapi.Options{
			Region: region, Now: time.Now, Endpoint: "http://aws.example.com", HTTPClient: server.Client(),
			Credentials: static.NewStaticCredentialsProvider(server.Account(here).AccessKeyID(), "secret", ""),
			Random:      func() float64 { return 0.5 }, // or each run of a test would be another
		}))
	})
}

// describe makes one call to a target.
func describe(ctx context.Context, session *awsapi.Session, target awsapi.Target) error {
	cfg, err := session.Config(ctx, target)
	if err != nil {
		return err
	}
	_, err = ecr.NewFromConfig(cfg).DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{})
	return err
}

// describeAll makes so many calls from so many goroutines.
func describeAll(t *testing.T, session *awsapi.Session, callers, calls int) time.Duration {
	t.Helper()
	cfg, err := session.Config(t.Context(), awsapi.Target{})
	if err != nil {
		t.Fatal(err)
	}
	client := ecr.NewFromConfig(cfg)
	begin := time.Now()
	work := make(chan struct{})
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range work {
				if _, err := client.DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range calls {
		work <- struct{}{}
	}
	close(work)
	wg.Wait()
	return time.Since(begin)
}

// TestQuotaOfAccount is the promise again, with the real SDK against an account.
func TestQuotaOfAccount(t *testing.T) {
	for _, burst := range []int{1, 20} {
		bubble(t, func(t *testing.T, server *embedded.Server, session *awsapi.Session) {
			const quota, calls = 20, 2000
			server.SetRate("ecr:DescribeRepositories", embedded.Rate{PerSecond: quota, Burst: burst})
			took := describeAll(t, session, 100, calls)
			if ratio := took.Seconds() * quota / calls; ratio > 1.15 {
				t.Errorf("burst %d: took %.3f × calls ÷ Q", burst, ratio)
			}
			total := session.Stats().Total()
			if share := float64(total.Throttled) / float64(total.Calls); share >= 0.02 {
				t.Errorf("burst %d: %d of %d calls were throttled", burst, total.Throttled, total.Calls)
			}
			seen := server.Stats()
			if int64(seen.Calls["ecr:DescribeRepositories"]) != total.Calls || int64(seen.Throttled["ecr:DescribeRepositories"]) != total.Throttled {
				t.Errorf("burst %d: AWS saw %v calls, %v throttled; the session says %+v", burst, seen.Calls, seen.Throttled, total)
			}
		})
	}
}

func TestNoQuota(t *testing.T) {
	bubble(t, func(t *testing.T, server *embedded.Server, session *awsapi.Session) {
		const calls = 2000
		took := describeAll(t, session, 200, calls)
		if mean := calls * 0.020 / took.Seconds(); mean < 32 {
			t.Errorf("%.1f calls in flight on average, want 32 or more", mean)
		}
		if most := server.Stats().MaxInFlight; most > 64 {
			t.Errorf("%d calls in flight, want 64 at most", most)
		}
	})
}

func TestIdentity(t *testing.T) {
	bubble(t, func(t *testing.T, server *embedded.Server, session *awsapi.Session) {
		type who struct{ Account, ARN, Region string }
		tests := []struct {
			target awsapi.Target
			want   who
		}{
			{awsapi.Target{}, who{here, "arn:aws:iam::" + here + ":user/admin", region}},
			{awsapi.Target{Region: "us-east-1"}, who{here, "arn:aws:iam::" + here + ":user/admin", "us-east-1"}},
			{awsapi.Target{AssumeRole: role}, who{there, "arn:aws:sts::" + there + ":assumed-role/regsweep/regsweep", region}},
			{awsapi.Target{Region: "us-east-1", AssumeRole: role}, who{there, "arn:aws:sts::" + there + ":assumed-role/regsweep/regsweep", "us-east-1"}},
		}
		var wg sync.WaitGroup
		for _, tt := range tests {
			for range 10 {
				wg.Go(func() {
					account, arn, where, err := session.Identity(t.Context(), tt.target)
					if err != nil {
						t.Errorf("%+v: %v", tt.target, err)
					}
					if diff := cmp.Diff(tt.want, who{account, arn, where}); diff != "" {
						t.Errorf("%+v (-want +got):\n%s", tt.target, diff)
					}
				})
			}
		}
		wg.Wait()
		// One call for each target, and one session of the role for all regions.
		want := map[string]int{"sts:GetCallerIdentity": 4, "sts:AssumeRole": 1}
		if diff := cmp.Diff(want, server.Stats().Calls); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	})
}

// TestSTSWithoutAnAnswer has STS answer 200 with nothing in it: that is neither
// an identity nor a role assumed.
func TestSTSWithoutAnAnswer(t *testing.T) {
	for operation, target := range map[string]awsapi.Target{"GetCallerIdentity": {}, "AssumeRole": {AssumeRole: role}} {
		t.Run(operation, func(t *testing.T) {
			bubble(t, func(t *testing.T, server *embedded.Server, session *awsapi.Session) {
				server.SetFaults(embedded.FaultOn("sts", operation, embedded.Fault{Kind: embedded.FaultEmptyObject}))
				account, arn, _, err := session.Identity(t.Context(), target)
				if err == nil || account != "" || arn != "" {
					t.Errorf("account %q, ARN %q, error %v; want an error alone", account, arn, err)
				}
			})
		})
	}
}

func TestIdentityIsAskedAgainAfterAnError(t *testing.T) {
	bubble(t, func(t *testing.T, server *embedded.Server, session *awsapi.Session) {
		server.SetFaults(embedded.FaultOn("sts", "GetCallerIdentity", embedded.Fault{Kind: embedded.FaultInternal}))
		if _, _, _, err := session.Identity(t.Context(), awsapi.Target{}); err == nil {
			t.Fatal("no error")
		}
		server.SetFaults(nil)
		if account, _, _, err := session.Identity(t.Context(), awsapi.Target{}); err != nil || account != here {
			t.Errorf("got %q, %v", account, err)
		}
	})
}

func TestStatsByAccountAndRegion(t *testing.T) {
	bubble(t, func(t *testing.T, _ *embedded.Server, session *awsapi.Session) {
		for _, target := range []awsapi.Target{{}, {Region: "us-east-1"}, {AssumeRole: role}, {AssumeRole: role}} {
			if err := describe(t.Context(), session, target); err != nil {
				t.Fatal(err)
			}
		}
		want := awsapi.Stats{Operations: []awsapi.OperationStats{
			{Region: region, Service: "ECR", Operation: "DescribeRepositories", Calls: 1, PeakInFlight: 1},
			{Region: region, Service: "STS", Operation: "AssumeRole", Calls: 1, PeakInFlight: 1},
			{Region: "us-east-1", Service: "ECR", Operation: "DescribeRepositories", Calls: 1, PeakInFlight: 1},
			{Account: there, Region: region, Service: "ECR", Operation: "DescribeRepositories", Calls: 2, PeakInFlight: 1},
		}}
		got := session.Stats()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("stats (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(awsapi.OperationStats{Calls: 5, PeakInFlight: 1}, got.Total()); diff != "" {
			t.Errorf("total (-want +got):\n%s", diff)
		}
	})
}

// TestRoleIsRenewed works for two hours with sessions of a quarter of one.
func TestRoleIsRenewed(t *testing.T) {
	bubble(t, func(t *testing.T, server *embedded.Server, session *awsapi.Session) {
		for range 24 {
			if err := describe(t.Context(), session, awsapi.Target{AssumeRole: role}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Minute)
		}
		if n := server.Stats().Calls["sts:AssumeRole"]; n < 8 || n > 13 {
			t.Errorf("the role was assumed %d times in two hours", n)
		}
	})
}

func TestDenied(t *testing.T) {
	user := "arn:aws:iam::" + here + ":user/admin"
	everything := "arn:aws:ecr:" + region + ":" + here + ":repository/*"
	tests := []struct {
		name, action string
		target       awsapi.Target
		want         awsapi.DeniedError
	}{
		{"the call", "ecr:DescribeRepositories", awsapi.Target{}, awsapi.DeniedError{Action: "ecr:DescribeRepositories", Resource: everything, Principal: user}},
		{"the role", "sts:AssumeRole", awsapi.Target{AssumeRole: role}, awsapi.DeniedError{Action: "sts:AssumeRole", Resource: role, Principal: user}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, server *embedded.Server, session *awsapi.Session) {
				server.Deny(user, tt.action, "*")
				err := describe(t.Context(), session, tt.target)
				var denied *awsapi.DeniedError
				if !errors.As(err, &denied) {
					t.Fatalf("got %v, want a DeniedError", err)
				}
				got := awsapi.DeniedError{Action: denied.Action, Resource: denied.Resource, Principal: denied.Principal}
				if got.Action != tt.want.Action || got.Resource != tt.want.Resource || got.Principal != tt.want.Principal {
					t.Errorf("got %+v, want %+v", got, tt.want)
				}
				var credentials *awsapi.CredentialsError
				if errors.As(err, &credentials) {
					t.Errorf("%v is taken for an error of credentials", err)
				}
				if n := server.Stats().Calls[tt.action]; n != 1 {
					t.Errorf("%d attempts, want 1", n)
				}
			})
		})
	}
}

func TestExpiredKey(t *testing.T) {
	bubble(t, func(t *testing.T, server *embedded.Server, session *awsapi.Session) {
		server.ExpireKey(server.Account(here).AccessKeyID())
		for _, target := range []awsapi.Target{{}, {AssumeRole: role}} {
			err := describe(t.Context(), session, target)
			var credentials *awsapi.CredentialsError
			if !errors.As(err, &credentials) || !credentials.Expired {
				t.Errorf("%+v: got %v, want an expired CredentialsError", target, err)
			}
		}
		if n := session.Stats().Total().Calls; n != 2 {
			t.Errorf("%d calls, want 2: nothing gets better by repeating", n)
		}
	})
}

// TestThrottledRole has no attempt at the role get through. The call that needs
// it is not repeated for that, nor is its own quota blamed.
func TestThrottledRole(t *testing.T) {
	bubble(t, func(t *testing.T, server *embedded.Server, session *awsapi.Session) {
		server.SetFaults(embedded.FaultOn("sts", "AssumeRole", embedded.Fault{Kind: embedded.FaultError, Code: "Throttling"}))
		err := describe(t.Context(), session, awsapi.Target{AssumeRole: role})
		var throttled *awsapi.ThrottledError
		if !errors.As(err, &throttled) || throttled.Action != "sts:AssumeRole" {
			t.Fatalf("got %v, want a ThrottledError of sts:AssumeRole", err)
		}
		if n := server.Stats().Calls["sts:AssumeRole"]; n != 10 {
			t.Errorf("%d attempts at the role, want 10", n)
		}
		for _, o := range session.Stats().Operations {
			if o.Service == "ECR" && (o.Throttled != 0 || o.Rate != 0) {
				t.Errorf("%+v: taken for throttled", o)
			}
		}
	})
}

// failing is a provider that has no credentials.
type failing struct{ err error }

func (f failing) Retrieve(context.Context) (aws.Credentials, error) { return aws.Credentials{}, f.err }

func TestNoCredentials(t *testing.T) {
	reason := errors.New("nothing in the drawer")
	session := awsapi.NewSession(awsapi.Options{Region: region, Now: time.Now, Credentials: failing{reason}, Endpoint: "http://127.0.0.1:1"})
	err := describe(t.Context(), session, awsapi.Target{})
	var credentials *awsapi.CredentialsError
	if !errors.As(err, &credentials) || credentials.Expired || !errors.Is(err, reason) {
		t.Errorf("got %v, want a CredentialsError with the reason", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := describe(ctx, session, awsapi.Target{}); !errors.Is(err, context.Canceled) || errors.As(err, &credentials) {
		t.Errorf("got %v, want context.Canceled alone", err)
	}
}
