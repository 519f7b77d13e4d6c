package model_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/oracle"
)

// wire lies between a run and the account. It notes what is deleted, and lets
// things happen when a deletion is sent.
type wire struct {
	account *account
	direct  http.RoundTripper
	// happen is called for the n-th deletion of a repository, from 0, with what it
	// deletes, before it reaches the account.
	happen func(repo, n int, digests []string)

	// kill is called when the process is killed, if that is to be. What it does to
	// the account then goes no further.
	kill func()

	mu   sync.Mutex
	sent []deletion
	nth  map[int]int
	// killed says that the process is no more.
	killed bool
}

// deletion is a call that deletes or archives images.
type deletion struct {
	repo    int
	digests []string
	archive bool
	// tags are those that are taken from images, which stay.
	tags []string
	at   time.Time
	// there are the images of the repository when the call was sent, and families
	// how they lived together then.
	there    map[string]string
	families oracle.World
}

func newWire(a *account, happen func(repo, n int, digests []string)) *wire {
	if a.Flaky > 0 {
		a.server.SetFaults(func(n int, _, _ string) embedded.Fault {
			if n%a.Flaky == 0 {
				return embedded.Fault{Kind: embedded.FaultInternal}
			}
			return embedded.Fault{}
		})
	}
	return &wire{account: a, direct: a.server.Client().Transport, happen: happen, nth: map[int]int{}}
}

// RoundTrip answers a request without a network.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if w.isKilled() {
		return expired(r), nil
	}
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if operation != "BatchDeleteImage" && operation != "UpdateImageStorageClass" {
		return w.direct.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	var in struct {
		RepositoryName string
		ImageIDs       []struct{ ImageDigest, ImageTag string }
		ImageID        struct{ ImageDigest, ImageTag string }
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	d := deletion{archive: operation != "BatchDeleteImage", at: time.Now()}
	for n := range w.account.Repos {
		if w.account.Repos[n].Name == in.RepositoryName {
			d.repo = n
		}
	}
	for _, id := range in.ImageIDs {
		if id.ImageTag != "" {
			d.tags = append(d.tags, id.ImageTag)
		} else {
			d.digests = append(d.digests, id.ImageDigest)
		}
	}
	if d.archive {
		d.digests = []string{in.ImageID.ImageDigest}
	}
	d.there, d.families = w.account.stateOf(d.repo), w.account.familiesOf(d.repo)
	// Nobody waits for a lock while time passes.
	w.mu.Lock()
	w.sent = append(w.sent, d)
	n := w.nth[d.repo]
	if len(d.digests) > 0 {
		w.nth[d.repo]++
	}
	end := w.kill != nil && d.repo == w.account.Kill.Repo && n == w.account.Kill.Nth && !w.killed
	w.killed = w.killed || end
	w.mu.Unlock()
	if end {
		if w.account.Kill.Acted {
			response, err := w.direct.RoundTrip(r)
			if err != nil {
				return nil, err
			}
			must(response.Body.Close())
		}
		w.kill()
		return expired(r), nil
	}
	if w.happen != nil && len(d.digests) > 0 {
		w.happen(d.repo, n, d.digests)
	}
	return w.direct.RoundTrip(r)
}

func (w *wire) isKilled() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.killed
}

// expired is the answer that ends a run at once: to a process that was killed
// nothing is said any more, and what it would still do in vain does not matter.
func expired(r *http.Request) *http.Response {
	const body = `{"__type": "ExpiredTokenException", "message": "killed"}`
	return &http.Response{
		Status: "400 Bad Request", StatusCode: http.StatusBadRequest, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}
}
