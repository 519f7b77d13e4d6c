// Package demo fills an embedded AWS account with the registry of a believable
// company, so that the whole job can be seen without an account, and every trap
// that has cost others live images can be watched being avoided.
package demo

import (
	_ "embed"
	"fmt"
	"net/http"
	"time"

	"github.com/regsweep/regsweep/internal/embedded"
)

// The account and region that the world is in.
const (
	Account = embedded.DefaultAccount
	Region  = "eu-west-1"
)

// Config is the configuration that goes with the world. It reads the usage of a
// cluster from the file SnapshotFile beside it.
//
//go:embed regsweep.yaml
var Config string

// SnapshotFile is the name of the usage snapshot that Config reads.
const SnapshotFile = "cluster.json"

// World is what Fill made, as far as others need it.
type World struct {
	// Snapshot is what `regsweep usage` wrote in a cluster that the demo cannot
	// run: the content of SnapshotFile.
	Snapshot []byte
	// Explain names images whose verdicts are instructive.
	Explain []Example
}

// Example is an image worth explaining.
type Example struct{ Image, Why string }

const day = 24 * time.Hour

// world is a World that is being filled.
type world struct {
	region *embedded.Region
	now    time.Time
	rand   rng
	repos  map[string]*embedded.Repository
	held   []held
	World
}

// held is one use that the cluster reports.
type held struct{ state, reference, holder string }

// New returns an embedded AWS account with the world in it. Its images are as
// old as they should be at the time of the clock, which the account goes by.
func New(clock func() time.Time) (http.Handler, World) {
	srv := embedded.New(embedded.Options{Clock: clock})
	return srv, Fill(srv, clock())
}

// Fill fills the account of the server. The same now gives the same world.
func Fill(srv *embedded.Server, now time.Time) World {
	w := &world{
		region: srv.Account(Account).Region(Region), now: now.UTC().Truncate(time.Hour), rand: 1,
		repos: map[string]*embedded.Repository{},
	}
	for _, name := range []string{"web", "checkout", "search", "accounts", "orders", "payments", "catalogue", "mail", "media", "reports"} {
		w.service("apps/" + name)
	}
	for _, name := range []string{"thumbnails", "invoices", "export", "webhooks", "cleanup", "geocode"} {
		w.function("jobs/" + name)
	}
	for _, name := range []string{"landing", "docs", "status"} {
		w.site("sites/" + name)
	}
	for _, name := range []string{"go", "node", "python", "java"} {
		w.base("base/" + name)
	}
	for _, name := range []string{"runner", "lint", "terraform", "migrations", "loadtest", "seed-data"} {
		w.tool("tools/" + name)
	}
	for _, name := range []string{"billing", "intranet"} {
		w.legacy("legacy/" + name)
	}
	w.traps()
	w.Snapshot = w.snapshot()
	return w.World
}

// ago returns the time so long before now.
func (w *world) ago(d time.Duration) time.Time { return w.now.Add(-d) }

func (w *world) repo(name string) *embedded.Repository {
	r := w.repos[name]
	if r == nil {
		r = w.region.MustCreateRepository(name, embedded.RepositoryOptions{
			CreatedAt: w.ago(700 * day), Tags: map[string]string{"team": team(name)},
		})
		w.repos[name] = r
	}
	return r
}

func team(repository string) string {
	return map[string]string{"apps": "product", "jobs": "product", "site": "web", "base": "platform", "tool": "platform", "lega": "none"}[repository[:4]]
}

// rng is a small generator, so that the world is the same on every machine.
type rng uint64

// upTo returns a number from 0 to n-1.
func (r *rng) upTo(n int) int {
	*r = *r*6364136223846793005 + 1442695040888963407
	return int(uint64(*r) >> 33 % uint64(n))
}

// commit returns what looks like a short commit.
func (w *world) commit() string { return fmt.Sprintf("%07x", 1<<27+w.rand.upTo(1<<27)) }
