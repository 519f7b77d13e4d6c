package journal_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/journal"
	"github.com/regsweep/regsweep/internal/objects"
)

// TestTimeIsUpInARecord ends the time of a run while a record is being written:
// the record is written to its end, the next is not begun, and the run can still
// say what came of the first and that it ended.
func TestTimeIsUpInARecord(t *testing.T) {
	srv := embedded.New(embedded.Options{Clock: func() time.Time { return began }})
	account := srv.Account(embedded.DefaultAccount)
	embedded.Must(account.Region("eu-west-1").S3().CreateBucket("journals"))
	aws := awsapi.NewSession(awsapi.Options{
		Region: "eu-west-1", Now: func() time.Time { return began }, HTTPClient: srv.Client(), Random: func() float64 { return 0 },
		Credentials: credentials.NewStaticCredentialsProvider(account.AccessKeyID(), "secret", ""),
	})
	p := open(t, "s3://journals/runs", objects.Env{AWS: aws})
	r := begin(t, p, "sha256:abc", clock())
	ctx, cancel := context.WithCancel(t.Context())
	srv.SetFaults(func(int, string, string) embedded.Fault {
		cancel()
		return embedded.Fault{}
	})
	batch := journal.Batch{Action: journal.Delete, Registry: "prod", Repository: "apps/web", Images: []journal.Image{root("index")}}
	n, err := r.Before(ctx, batch)
	if err != nil || ctx.Err() == nil {
		t.Fatalf("the record that was being written: %v", err)
	}
	if _, err := r.Before(ctx, batch); !errors.Is(err, context.Canceled) || errors.As(err, new(*journal.WriteError)) {
		t.Errorf("the next record: %v, want that the context has ended", err)
	}
	after(t, r, n, journal.Left, "index")
	end(t, r)
	h, err := p.History(t.Context(), everything)
	if err != nil || len(h.Runs) != 1 || h.Runs[0].Interrupted || len(h.Runs[0].Events) != 1 {
		t.Errorf("history: %+v, %v", h, err)
	}
}
