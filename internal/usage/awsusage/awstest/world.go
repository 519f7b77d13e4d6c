// Package awstest is a world for tests of the usage sources of AWS: an embedded
// AWS account without a network, and findings as lines to compare.
package awstest

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/usage"
)

// RegionName is the region of a World.
const RegionName = "eu-west-1"

// host is the registry of a World.
const host = embedded.DefaultAccount + ".dkr.ecr." + RegionName + ".amazonaws.com/"

// World is an embedded AWS account and what tests need around it.
type World struct {
	*embedded.Server
	// Region is the region that the session is in.
	Region *embedded.Region
	// Env is what sources are opened with. Its cache folder is empty at first.
	Env usage.Env

	t     *testing.T
	now   time.Time
	names []string // pairs of what lines show instead
}

// New returns a world.
func New(t *testing.T) *World {
	t.Helper()
	w := &World{t: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return w.now }
	w.Server = embedded.New(embedded.Options{Clock: clock})
	w.Region = w.Account(embedded.DefaultAccount).Region(RegionName)
	w.Env = usage.Env{
		AWS: awsapi.NewSession(awsapi.Options{
			Region:      RegionName,
			Now:         clock,
			Credentials: credentials.NewStaticCredentialsProvider(w.Account(embedded.DefaultAccount).AccessKeyID(), "secret", ""),
			Endpoint:    "http://embedded.example.com",
			HTTPClient:  w.Client(),
		}),
		Now:      clock,
		CacheDir: t.TempDir(),
	}
	return w
}

// Advance moves the world's clock.
func (w *World) Advance(d time.Duration) { w.now = w.now.Add(d) }

// Push pushes an image whose content is named by its label, tags it, and
// returns the reference by tag. Lines show its digest as "<label>".
func (w *World) Push(repository, tag, label string) string {
	w.t.Helper()
	repo, exists := w.Region.Repository(repository)
	if !exists {
		repo = w.Region.MustCreateRepository(repository, embedded.RepositoryOptions{})
	}
	manifest := embedded.NewImage(embedded.ConfigBlob(label, 10), embedded.LayerBlob(label, 90))
	w.Name(repo.MustPush(embedded.Push{Manifest: manifest.Bytes(), Tags: []string{tag}}), "<"+label+">")
	return repo.URI() + ":" + tag
}

// Digest returns the digest of an image that Push made.
func (w *World) Digest(label string) string {
	return embedded.NewImage(embedded.ConfigBlob(label, 10), embedded.LayerBlob(label, 90)).Descriptor().Digest
}

// Name makes lines show a name instead of something, such as an id.
func (w *World) Name(something, name string) { w.names = append(w.names, something, name) }

// Deny denies the session an action.
func (w *World) Deny(action string) {
	w.Server.Deny(w.Account(embedded.DefaultAccount).AccessKeyID(), action, "")
}

// Open returns the only source of a configuration.
func (w *World) Open(config usage.Config) usage.Source {
	w.t.Helper()
	sources, err := config.Open("source", w.Env)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(sources) != 1 {
		w.t.Fatalf("%d sources, want 1", len(sources))
	}
	return sources[0]
}

// Collect reads the only source of a configuration and returns what it found.
func (w *World) Collect(config usage.Config) (usage.Findings, error) {
	w.t.Helper()
	return w.Open(config).Collect(w.t.Context())
}

// MustCollect is Collect that fails the test on an error, and returns lines.
func (w *World) MustCollect(config usage.Config) []string {
	w.t.Helper()
	found, err := w.Collect(config)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.Lines(found)
}

// Lines returns the observations as lines "holder state asked got", sorted. The
// registry's host is left out.
func (w *World) Lines(found usage.Findings) []string {
	replacer := strings.NewReplacer(append([]string{host, ""}, w.names...)...)
	lines := []string{}
	for _, o := range found.Observations {
		line := o.Holder + " " + string(o.State) + " " + cmp.Or(o.Asked, "-")
		if o.Got != "" {
			line += " " + o.Got
		}
		lines = append(lines, replacer.Replace(line))
	}
	slices.Sort(lines)
	return lines
}
