package ecr

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/manifests"
)

const (
	ownAccount   = embedded.DefaultAccount
	otherAccount = "444455556666"
	region       = "eu-west-1"

	restoreTime = 20 * time.Minute
	layerTime   = 24 * time.Hour
)

// start is when the tests begin by their own clock.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// clock is a clock that tests set.
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

// world is an embedded account and the way to it.
type world struct {
	*embedded.Server
	clock    *clock
	endpoint string
	client   *http.Client
	now      func() time.Time
	// answered counts the calls that answer has answered, one at a time.
	answered int
}

// newWorld makes an embedded account on a clock that stands still, without a
// network.
func newWorld(t testing.TB) *world {
	t.Helper()
	c := &clock{now: start}
	srv := embedded.New(embedded.Options{Clock: c.Now, LogCalls: true, RestoreTime: restoreTime, LayerTime: layerTime})
	return &world{Server: srv, clock: c, endpoint: "http://embedded.example.com", client: srv.Client(), now: c.Now}
}

// newServedWorld is newWorld over HTTP.
func newServedWorld(t testing.TB) *world {
	t.Helper()
	w := newWorld(t)
	h := httptest.NewServer(w.Server)
	t.Cleanup(h.Close)
	w.endpoint, w.client = h.URL, nil
	return w
}

// newBubble makes an embedded account without a network, on the clock of a
// synctest bubble, in which waiting takes no time.
func newBubble() *world {
	srv := embedded.New(embedded.Options{Clock: time.Now})
	return &world{Server: srv, endpoint: "http://embedded.example.com", client: srv.Client(), now: time.Now}
}

// env returns what a registry needs, with a cache in the folder, or none for "".
func (w *world) env(t testing.TB, cacheDir string) Env {
	t.Helper()
	o := awsapi.Options{
		Region: region, Now: w.now, Endpoint: w.endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(w.Account(ownAccount).AccessKeyID(), "secret", ""),
		Random:      func() float64 { return 0.5 }, // or each run of a test would be another
	}
	if w.client != nil {
		o.HTTPClient = w.client
	}
	env := Env{AWS: awsapi.NewSession(o), Now: w.now}
	if cacheDir != "" {
		env.Manifests = manifests.Open(cacheDir)
		if err := env.Manifests.Warning(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = env.Manifests.Close() })
	}
	return env
}

// reader opens a registry for reading.
func (w *world) reader(t testing.TB, c Config, cacheDir string) *Reader {
	t.Helper()
	r, err := c.OpenReader(t.Context(), "prod", w.env(t, cacheDir))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// writer opens a registry for changes.
func (w *world) writer(t testing.TB, c Config) *Writer {
	t.Helper()
	writer, err := c.OpenWriter(t.Context(), "prod", w.env(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	return writer
}

// tagger opens a registry for tags.
func (w *world) tagger(t testing.TB, c Config) *Tagger {
	t.Helper()
	tagger, err := c.OpenTagger(t.Context(), "prod", w.env(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	return tagger
}

// answer makes an operation always have the same answer. It is for readers that
// are opened afterwards.
func (w *world) answer(operation string, status int, body string) {
	to := w.client.Transport
	w.client = &http.Client{Transport: roundTripper(func(request *http.Request) (*http.Response, error) {
		if !strings.HasSuffix(request.Header.Get("X-Amz-Target"), "."+operation) {
			return to.RoundTrip(request)
		}
		w.answered++
		_ = request.Body.Close()
		return &http.Response{
			StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Request: request,
			Header:        http.Header{"Content-Type": {"application/x-amz-json-1.1"}},
			ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)),
		}, nil
	})}
}

// roundTripper is a transport.
type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip answers a request.
func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// own returns the caller's registry.
func (w *world) own() *embedded.Region { return w.Account(ownAccount).Region(region) }

// bodies returns the requests of an action, in their order.
func (w *world) bodies(action string) (all []string) {
	for _, call := range w.Calls() {
		if call.Action == action {
			all = append(all, string(call.Body))
		}
	}
	return all
}

// count returns how often an action was called.
func (w *world) count(action string) int { return w.Stats().Calls[action] }

// read reads a repository, which must succeed.
func read(t testing.TB, r *Reader, repository string, allManifests bool) *image.Contents {
	t.Helper()
	c, err := r.Read(t.Context(), image.Repository{Name: repository}, allManifests)
	if err != nil {
		t.Fatalf("read %s: %v", repository, err)
	}
	return c
}

// at returns the position of the image with a digest.
func at(t testing.TB, c *image.Contents, digest string) int {
	t.Helper()
	i := slices.IndexFunc(c.Images, func(img image.Image) bool { return img.Digest.String() == digest })
	if i < 0 {
		t.Fatalf("image %s is not there", digest)
	}
	return i
}

// plain returns an image whose content is named by seed.
func plain(seed string) embedded.Manifest {
	return embedded.NewImage(embedded.ConfigBlob(seed, 1000), embedded.LayerBlob(seed, 1_000_000))
}

// indexOf returns an index of the images that is like no other seed's.
func indexOf(seed string, children ...embedded.Manifest) embedded.Manifest {
	var list []embedded.Descriptor
	for _, c := range children {
		list = append(list, c.Descriptor().On("linux", "amd64"))
	}
	m := embedded.NewIndex(list...)
	m.Annotations = map[string]string{"seed": seed}
	return m
}

// push pushes an image and returns its digest.
func push(r *embedded.Repository, m embedded.Manifest, tags ...string) string {
	return r.MustPush(embedded.Push{Manifest: m.Bytes(), MediaType: m.MediaType, Tags: tags})
}

// pushIndexes makes a repository of one image and n indexes that list it, and
// returns the digests of the indexes.
func pushIndexes(w *world, repository string, n int) (repo *embedded.Repository, indexes []string) {
	repo = w.own().MustCreateRepository(repository, embedded.RepositoryOptions{})
	child := plain("child")
	push(repo, child)
	for i := range n {
		indexes = append(indexes, push(repo, indexOf(fmt.Sprint(i), child), fmt.Sprintf("v%d", i)))
	}
	return repo, indexes
}
