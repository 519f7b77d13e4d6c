package controller

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/render"
)

const (
	// pageImages is how many images the page lists.
	pageImages = 2000
	// leaseDoubt is how long a call for the Lease that failed is a reason to be not
	// ready.
	leaseDoubt = 30 * time.Second
)

// Handler serves the page, metrics and checks.
func (c *Controller) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(c.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", c.readyz)
	mux.HandleFunc("GET /{$}", c.page)
	if c.Pprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// check is one line of /readyz.
type check struct {
	name, detail string
	// bad marks a detail that somebody should look at, and fails that nothing can
	// be done with it.
	bad, fails bool
}

// checks returns how things stand.
func (c *Controller) checks() (list []check) {
	c.mu.Lock()
	s, cfg := c.status, c.config
	c.mu.Unlock()
	switch {
	case cfg == nil:
		list = append(list, check{"config", "not read yet", true, true})
	case s.refused != nil:
		list = append(list, check{"config", "refused, and the one of " + clock(s.loadedAt) + " stays: " + mistakes(s.refused), true, false})
	default:
		list = append(list, check{name: "config", detail: "of " + clock(s.loadedAt)})
	}
	var lost error
	if s.holds != nil {
		lost = s.holds()
	}
	switch {
	case c.Lock == nil:
		list = append(list, check{name: "lease", detail: "none is needed"})
	case lost != nil: // and the call in flight is waited for
		list = append(list, check{"lease", mistakes(lost), true, true})
	case s.holds != nil:
		list = append(list, check{name: "lease", detail: "held, " + c.Lock.Name})
	case s.leaseErr != nil && c.Now().Sub(s.leaseAt) < leaseDoubt:
		list = append(list, check{"lease", mistakes(s.leaseErr), true, true})
	default:
		list = append(list, check{name: "lease", detail: "waiting for " + c.Lock.Name})
	}
	failures := c.warm.failures()
	for _, name := range slices.Sorted(maps.Keys(failures)) {
		list = append(list, check{"watch " + name, mistakes(failures[name]), true, false})
	}
	if s.stopping {
		list = append(list, check{"stopping", "the process ends", true, true})
	}
	return list
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// readyz says whether this process can work, with details.
func (c *Controller) readyz(w http.ResponseWriter, _ *http.Request) {
	var b strings.Builder
	code := http.StatusOK
	for _, check := range c.checks() {
		sign := "+"
		if check.bad {
			sign = "-"
		}
		if check.fails {
			code = http.StatusServiceUnavailable
		}
		fmt.Fprintf(&b, "[%s] %s: %s\n", sign, check.name, check.detail)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(b.String())) // the client may be gone
}

// facts are the head of the page.
func (c *Controller) facts() (facts []render.Fact) {
	c.mu.Lock()
	s, cfg := c.status, c.config
	c.mu.Unlock()
	if cfg != nil {
		facts = append(facts, render.Fact{Name: "mode", Value: string(cfg.Mode)})
	}
	for _, check := range c.checks() {
		facts = append(facts, render.Fact{Name: check.name, Value: check.detail, Bad: check.bad})
	}
	last := render.Fact{Name: "last run", Value: "none yet"}
	if e := s.last; e != nil {
		last.Value = fmt.Sprintf("%s, %s, took %s", e.Result, clock(e.Started), e.Took.Round(time.Millisecond))
		if e.Deleted+e.Archived > 0 {
			last.Value += fmt.Sprintf(", %s deleted, %s archived", render.Count(e.Deleted, "image"), render.Number(e.Archived))
		}
		if last.Bad = e.Result != OK; e.Err != nil {
			last.Value += ": " + mistakes(e.Err)
		}
	}
	next := "unknown"
	switch {
	case s.running:
		next = "running now"
	case !s.next.IsZero():
		next = clock(s.next)
	}
	return append(facts, last, render.Fact{Name: "next run", Value: next})
}

// page shows the last plan and how things stand.
func (c *Controller) page(w http.ResponseWriter, _ *http.Request) {
	opts := render.HTMLOptions{Title: "regsweep", Facts: c.facts(), MaxImages: pageImages}
	opts.Now = image.At(c.Now())
	// The page is made before it is sent: the plan is locked meanwhile, and a slow
	// reader must not hold up the next run.
	var b bytes.Buffer
	c.shown.Lock()
	if c.shown.job != nil {
		opts.Currency = c.shown.job.Currency
	}
	err := render.HTML(&b, c.shown.plan, opts)
	c.shown.Unlock()
	if err != nil {
		c.Log.Warn("page", "error", err)
		http.Error(w, "the page cannot be made; the log says why", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(b.Bytes()) // the client may be gone
}
