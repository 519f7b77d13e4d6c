package embedded_test

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/smithy-go"
	"go.uber.org/goleak"

	"github.com/regsweep/regsweep/internal/embedded"
)

const (
	home  = embedded.DefaultAccount
	other = "444455556666"
	west  = "eu-west-1"
)

// start is when the clock of every test world starts.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestMain(m *testing.M) {
	// The SDK refuses a machine-wide bundle together with a custom client.
	if err := os.Unsetenv("AWS_CA_BUNDLE"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// clock is a clock that only the test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is a server with a clock and one region.
type world struct {
	*embedded.Server
	clock  *clock
	region *embedded.Region
	dir    string // for the files of the aws command
}

// newWorld returns a server at the start time. The options' clock is replaced.
func newWorld(o embedded.Options) *world {
	c := &clock{now: start}
	o.Clock = c.Now
	srv := embedded.New(o)
	return &world{Server: srv, clock: c, region: srv.Account(home).Region(west)}
}

// ecr returns a client that signs with the access key, and never retries.
func (w *world) ecr(accessKeyID string) *ecr.Client {
	return ecr.New(ecr.Options{
		Region:       west,
		BaseEndpoint: aws.String("http://aws.example.com"),
		HTTPClient:   w.Client(),
		Credentials:  credentials.NewStaticCredentialsProvider(accessKeyID, "secret", ""),
		Retryer:      aws.NopRetryer{},
	})
}

// client returns a client of the administrator of the home account.
func (w *world) client() *ecr.Client { return w.ecr(w.Account(home).AccessKeyID()) }

// image returns an image manifest whose content is named by the seed: a config
// of 10 bytes and a layer of 90.
func image(seed string) embedded.Manifest {
	return embedded.NewImage(embedded.ConfigBlob(seed, 10), embedded.LayerBlob(seed, 90))
}

// push pushes the manifest at the world's time.
func push(repo *embedded.Repository, m embedded.Manifest, tags ...string) string {
	return repo.MustPush(embedded.Push{Manifest: m.Bytes(), Tags: tags})
}

// pushImages pushes n untagged images and returns their digests.
func pushImages(repo *embedded.Repository, n int) []string {
	var digests []string
	for i := range n {
		digests = append(digests, push(repo, image(fmt.Sprint("image ", i))))
	}
	return digests
}

// byDigest and byTag make the ids of requests.
func byDigest(digests ...string) []types.ImageIdentifier {
	var ids []types.ImageIdentifier
	for _, d := range digests {
		ids = append(ids, types.ImageIdentifier{ImageDigest: aws.String(d)})
	}
	return ids
}

func byTag(tags ...string) []types.ImageIdentifier {
	var ids []types.ImageIdentifier
	for _, t := range tags {
		ids = append(ids, types.ImageIdentifier{ImageTag: aws.String(t)})
	}
	return ids
}

// code returns the API's error code, or "" for no error or one of another kind.
func code(err error) string {
	var apiErr smithy.APIError
	if errors.As(err, &apiErr) {
		return apiErr.ErrorCode()
	}
	return ""
}

// wantCode fails the test unless the error has the API code; "" means no error.
func wantCode(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" && err != nil {
		t.Fatalf("got error %v, want none", err)
	}
	if got := code(err); got != want {
		t.Fatalf("got error %v (code %q), want code %q", err, got, want)
	}
}
