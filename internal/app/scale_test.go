package app_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/regsweep/regsweep/internal/app"
	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/planfile"
	"github.com/regsweep/regsweep/internal/policy"
	"github.com/regsweep/regsweep/internal/registry"
	"github.com/regsweep/regsweep/internal/registry/ecr"
)

// fleet is an account of many repositories in virtual time, with the run over it.
type fleet struct {
	srv *embedded.Server
	app *app.App
	env ecr.Env
}

const fleetRegion = "eu-west-1"

// newFleet fills repositories with images that are 50 days old; families says
// that every third is an index over the two after it.
func newFleet(t *testing.T, repositories, images int, families bool) *fleet {
	t.Helper()
	srv := embedded.New(embedded.Options{Clock: time.Now, Latency: 20 * time.Millisecond})
	region := srv.Account(embedded.DefaultAccount).Region(fleetRegion)
	at := time.Now().Add(-50 * 24 * time.Hour)
	for r := range repositories {
		repo := region.MustCreateRepository(fmt.Sprintf("apps/a%05d", r), embedded.RepositoryOptions{})
		var pair []embedded.Descriptor
		for i := range images {
			m := embedded.NewImage(embedded.ConfigBlob(fmt.Sprint(i), 100), embedded.LayerBlob(fmt.Sprint(i), 1000))
			if families && i%3 == 2 {
				m = embedded.NewIndex(pair[len(pair)-2:]...)
			} else {
				pair = append(pair, m.Descriptor().On("linux", fmt.Sprint(i)))
			}
			repo.MustPush(embedded.Push{Manifest: m.Bytes(), At: at, Tags: []string{fmt.Sprintf("t%d", i)}})
		}
	}
	session := awsapi.NewSession(awsapi.Options{
		Region: fleetRegion, Now: time.Now, Endpoint: "http://embedded.example.com", HTTPClient: srv.Client(),
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		Random:      func() float64 { return 0.5 }, // or each run of a test would be another
	})
	p, problems := policy.Compile(policy.Spec{
		Rules:  []policy.Rule{{Keep: []policy.Keep{{YoungerThan: policy.Age{Fixed: 30 * 24 * time.Hour}}}}},
		Limits: policy.Limits{MaxDeletes: 1_000_000, MaxShare: 1},
	})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	f := &fleet{srv: srv, env: ecr.Env{AWS: session, Now: time.Now}}
	reader, err := ecr.Config{Account: embedded.DefaultAccount}.OpenReader(t.Context(), "prod", f.env)
	if err != nil {
		t.Fatal(err)
	}
	f.app = &app.App{
		Readers: []registry.Reader{reader}, UsageNone: true, Policy: p, Recheck: time.Hour, Judge: time.Now, Now: time.Now,
		Store: planfile.NewStore(), Log: slog.New(slog.DiscardHandler),
	}
	f.app.Usage.Now = time.Now
	return f
}

func (f *fleet) plan(t *testing.T) *app.Outcome {
	t.Helper()
	outcome, err := f.app.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return outcome
}

// Without a quota a run keeps at least 32 calls in flight.
func TestCallsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1500, 1, false)
		started := time.Now()
		f.plan(t)
		took, stats := time.Since(started), f.srv.Stats()
		n := stats.Calls["ecr:DescribeImages"]
		if n != 1500 {
			t.Errorf("%d calls of DescribeImages, want one for each of 1,500 repositories", n)
		}
		inFlight := float64(n) * 20e-3 / took.Seconds()
		t.Logf("%d calls of 20 ms in %v: %.1f in flight on average, %d at most", n, took, inFlight, stats.MaxInFlight)
		if inFlight < 32 {
			t.Errorf("%.1f calls were in flight on average, want at least 32", inFlight)
		}
	})
}

// At a quota that nobody told, a run takes little more than the quota makes it.
func TestQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const quota, repositories = 20, 2000
		f := newFleet(t, repositories, 1, false)
		f.srv.SetRate("ecr:DescribeImages", embedded.Rate{PerSecond: quota, Burst: quota})
		started := time.Now()
		f.plan(t)
		took, stats := time.Since(started), f.srv.Stats()
		sent, throttled := stats.Calls["ecr:DescribeImages"], stats.Throttled["ecr:DescribeImages"]
		ratio := took.Seconds() / (float64(repositories) / quota)
		t.Logf("%v for %d calls at %d/s: %.2f times the fewest seconds; %d of %d throttled", took, repositories, quota, ratio, throttled, sent)
		if ratio > 1.15 {
			t.Errorf("the run took %.2f × calls/quota, want at most 1.15", ratio)
		}
		if share := float64(throttled) / float64(sent); share >= 0.02 {
			t.Errorf("%.1f %% of the calls were throttled, want under 2 %%", share*100)
		}
		if sent-throttled != repositories {
			t.Errorf("%d calls were answered, want %d", sent-throttled, repositories)
		}
	})
}

// 50,000 deletions: full calls, families in order, and bound by the quota alone.
func TestManyDeletions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const quota, repositories, images = 20, 50, 1000
		f := newFleet(t, repositories, images, true)
		outcome := f.plan(t)
		if outcome.Plan.Totals.Delete != repositories*images {
			t.Fatalf("%d images would be deleted, want %d", outcome.Plan.Totals.Delete, repositories*images)
		}
		f.srv.SetRate("ecr:BatchDeleteImage", embedded.Rate{PerSecond: quota, Burst: quota})
		f.srv.ResetStats()
		started := time.Now()
		report, err := f.app.Apply(t.Context(), outcome.Plan, func(ctx context.Context, name string) (registry.Writer, error) {
			return ecr.Config{Account: embedded.DefaultAccount}.OpenWriter(ctx, name, f.env)
		})
		if err != nil {
			t.Fatal(err)
		}
		took, stats := time.Since(started), f.srv.Stats()
		sent, throttled := stats.Calls["ecr:BatchDeleteImage"], stats.Throttled["ecr:BatchDeleteImage"]
		t.Logf("%d images in %d calls, %d throttled, %v", report.Deleted, sent, throttled, took)
		// A child that was asked for before its index was gone would be a failure.
		if report.Deleted != repositories*images || report.Failed != 0 || report.Changed != 0 {
			t.Errorf("deleted %d, failed %d, left %d; want %d, 0, 0", report.Deleted, report.Failed, report.Changed, repositories*images)
		}
		if fewest := repositories * images / 100; sent-throttled != fewest {
			t.Errorf("%d calls, want %d full ones", sent-throttled, fewest)
		}
		if ratio := took.Seconds() / (float64(sent-throttled) / quota); ratio > 1.15 {
			t.Errorf("the deletions took %.2f × calls/quota, want at most 1.15", ratio)
		}
	})
}
