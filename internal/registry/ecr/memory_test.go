package ecr

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/manifests"
)

// replay answers from memory what a server answered once, so that what is
// measured is the client alone.
type replay struct {
	to http.RoundTripper // nil once everything is recorded

	mu      sync.Mutex
	answers map[string][]byte
}

func (r *replay) RoundTrip(request *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	key := request.Header.Get("X-Amz-Target") + string(body)
	r.mu.Lock()
	answer, ok := r.answers[key]
	r.mu.Unlock()
	if ok {
		return &http.Response{
			StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Request: request,
			Header:        http.Header{"Content-Type": {"application/x-amz-json-1.1"}},
			ContentLength: int64(len(answer)), Body: io.NopCloser(bytes.NewReader(answer)),
		}, nil
	}
	if r.to == nil {
		return nil, fmt.Errorf("no answer was recorded for %.100s", key)
	}
	request.Body = io.NopCloser(bytes.NewReader(body))
	response, err := r.to.RoundTrip(request)
	if err != nil || response.StatusCode != http.StatusOK {
		return response, err
	}
	answer, err = io.ReadAll(response.Body)
	response.Body = io.NopCloser(bytes.NewReader(answer))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers[key] = answer
	return response, err
}

// largeRepository returns a way to read a repository of n images, a fifth of
// which are indexes, whose manifests the store knows already.
func largeRepository(tb testing.TB, n int) *Reader {
	tb.Helper()
	w := newBubble()
	repo := w.own().MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	for i := range n / 5 {
		var children []embedded.Manifest
		for c := range 4 {
			m := plain(fmt.Sprintf("%d-%d", i, c))
			push(repo, m)
			children = append(children, m)
		}
		digest := push(repo, indexOf(fmt.Sprint(i), children...), fmt.Sprintf("main-2026.03.%d-%07x", i%31+1, i*7919))
		repo.Pull(digest, start.Add(time.Duration(i)*time.Second))
	}
	recorder := &replay{to: w.client.Transport, answers: map[string][]byte{}}
	w.client = &http.Client{Transport: recorder}
	r := w.reader(tb, Config{Account: ownAccount}, tb.TempDir())
	read(tb, r, "apps/web", false)
	recorder.to, w.Server = nil, nil
	return r
}

// liveBytes returns how many bytes of live objects reading takes, for each
// image, while the contents are in use.
func liveBytes(tb testing.TB, r *Reader) float64 {
	tb.Helper()
	before := heapAfterGC()
	c := read(tb, r, "apps/web", false)
	after := heapAfterGC()
	n := len(c.Images)
	runtime.KeepAlive(c)
	return (float64(after) - float64(before)) / float64(n)
}

// TestMemoryOfALargeRepository bounds what the images of a repository take while
// they are judged. A fifth of them are indexes. The benchmark measures the same
// for 100,000.
func TestMemoryOfALargeRepository(t *testing.T) {
	const bound = 250
	if perImage := liveBytes(t, largeRepository(t, 10_000)); perImage > bound {
		t.Errorf("an image takes %.0f bytes, want at most %d", perImage, bound)
	}
}

// Garbage that is much of the heap is collected at once, and a little is not.
func TestCollect(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // nothing else collects
	collections := func() uint32 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.NumGC
	}
	runtime.GC()
	before := collections()
	if collect(1<<20 - 1); collections() != before {
		t.Error("a megabyte was collected")
	}
	if collect(1 << 40); collections() == before {
		t.Error("a terabyte was not collected")
	}
}

// heapAfterGC returns the bytes of live objects.
func heapAfterGC() uint64 {
	runtime.GC()
	runtime.GC() // a second time for what sync.Pool holds
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkRead reads a repository of 100,000 images with a cache that knows
// its 20,000 indexes; the server's part is not measured.
func BenchmarkRead(b *testing.B) {
	const n = 100_000
	r := largeRepository(b, n)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for b.Loop() {
		if c := read(b, r, "apps/web", false); len(c.Images) != n {
			b.Fatalf("%d images", len(c.Images))
		}
	}
	runtime.ReadMemStats(&after)
	total := float64(b.N) * n
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/total, "ns/image")
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/total, "B/image")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/total, "allocs/image")
	b.ReportMetric(liveBytes(b, r), "live-B/image")
}

// BenchmarkListImages is the client's side of DescribeImages alone: sending the
// calls, reading and parsing the pages, and building the records.
func BenchmarkListImages(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := largeRepository(b, n)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for b.Loop() {
				if images, err := r.listImages(b.Context(), "apps/web"); err != nil || len(images) != n {
					b.Fatalf("%d images, %v", len(images), err)
				}
			}
			runtime.ReadMemStats(&after)
			total := float64(b.N) * float64(n)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/total, "ns/image")
			b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/total, "B/image")
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/total, "allocs/image")
		})
	}
}

// BenchmarkRecall reads 20,000 manifests back from the store.
func BenchmarkRecall(b *testing.B) {
	const n = 100_000
	r := largeRepository(b, n)
	reading := &reading{
		Reader: r, repository: image.Repository{Name: "apps/web"}, origin: manifests.OriginOf(r.id.Host, "apps/web"),
	}
	images, err := r.listImages(b.Context(), "apps/web")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		c := &image.Contents{
			Images: images, Manifests: make([]*image.Manifest, n),
			Unreadable: map[int]string{}, OwnPulls: map[int]image.Time{},
		}
		if missing := reading.recall(c); len(missing) > 0 {
			b.Fatalf("%d manifests are missing", len(missing))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/image")
}

// BenchmarkParseIndex parses the manifest of an index of four platforms, which
// the store saves.
func BenchmarkParseIndex(b *testing.B) {
	var list []string
	for i := range 4 {
		list = append(list, fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":1234,"platform":{"architecture":"arm64","os":"linux"}}`,
			image.MediaTypeOCIManifest, image.DigestOf([]byte{byte(i)})))
	}
	content := []byte(fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, image.MediaTypeOCIIndex, strings.Join(list, ",")))
	if !json.Valid(content) {
		b.Fatal("not JSON")
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := image.ParseManifest(content, image.MediaTypeOCIIndex); err != nil {
			b.Fatal(err)
		}
	}
}
