package controller

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/regsweep/regsweep/internal/plan"
)

// metrics are what /metrics shows, on a registry of their own.
type metrics struct {
	registry *prometheus.Registry

	images                                   *prometheus.GaugeVec
	bytes, reclaimable, reclaimableAtMost    prometheus.Gauge
	gaps, configValid                        prometheus.Gauge
	lastRun, lastSuccess, nextRun            prometheus.Gauge
	deletions, archived, failures, condemned prometheus.Counter
	freed, freedAtMost                       prometheus.Counter
	runs, reloads, watchErrors               *prometheus.CounterVec
	duration                                 prometheus.Histogram
}

// namespace begins the name of every metric.
const namespace = "regsweep"

// Calls counts calls of AWS.
type Calls struct{ Calls, Throttles int64 }

func newMetrics(version string, calls func() Calls, warm func() float64, leads func() bool) *metrics {
	r := prometheus.NewRegistry()
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
		r.MustRegister(g)
		return g
	}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
		r.MustRegister(c)
		return c
	}
	counters := func(name, help, label string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, []string{label})
		r.MustRegister(c)
		return c
	}
	m := &metrics{
		registry: r,
		images: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: namespace, Name: "images", Help: "Images by verdict of the last plan.",
		}, []string{"verdict"}),
		bytes:             gauge("bytes", "Sum of the sizes of all images of the last plan."),
		reclaimable:       gauge("reclaimable_bytes", "What the last plan certainly frees."),
		reclaimableAtMost: gauge("reclaimable_bytes_at_most", "What the last plan frees where images share nothing."),
		gaps:              gauge("gaps", "Sources and repositories that could not be read in the last run."),
		configValid:       gauge("config_valid", "1 where the configuration file is as it is used, 0 where it has mistakes and the one before is used."),
		lastRun:           gauge("last_run_timestamp_seconds", "When the last run ended."),
		lastSuccess:       gauge("last_success_timestamp_seconds", "When the last run ended that did not fail."),
		nextRun:           gauge("next_run_timestamp_seconds", "When the next run is due."),
		deletions:         counter("deletions_total", "Images that were deleted."),
		archived:          counter("archived_total", "Images that were archived."),
		condemned:         counter("condemned_total", "Images that were marked for the grace period."),
		failures:          counter("failures_total", "Images that could not be deleted, archived or marked."),
		freed:             counter("freed_bytes_total", "What deletions certainly freed."),
		freedAtMost:       counter("freed_bytes_at_most_total", "What deletions freed where images shared nothing."),
		runs:              counters("runs_total", "Runs by their result: ok, held, partial, failed or stopped.", "result"),
		reloads:           counters("config_reloads_total", "Changes of the configuration file, by what became of them: ok or refused.", "result"),
		watchErrors:       counters("watch_errors_total", "Failures of watching a source.", "source"),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "run_duration_seconds", Help: "How long runs took.",
			Buckets: []float64{1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600},
		}),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "The version.", ConstLabels: prometheus.Labels{"version": version},
	})
	info.Set(1)
	total := func(name, help string, value func(Calls) int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help},
			func() float64 { return float64(value(calls())) })
	}
	r.MustRegister(m.images, m.duration, info,
		total("calls_total", "Calls of AWS.", func(c Calls) int64 { return c.Calls }),
		total("throttles_total", "Calls of AWS that were throttled.", func(c Calls) int64 { return c.Throttles }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Name: "warm_references", Help: "Image references seen by watches since the run before the last.",
		}, warm),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Name: "leader", Help: "1 where this process has the Lease, or needs none.",
		}, func() float64 { return number(leads()) }),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, result := range results {
		m.runs.WithLabelValues(string(result))
	}
	for _, result := range []string{"ok", "refused"} {
		m.reloads.WithLabelValues(result)
	}
	m.configValid.Set(1)
	return m
}

// planned sets what a plan says.
func (m *metrics) planned(t plan.Totals, gaps int) {
	for verdict, n := range map[string]int{"keep": t.Keep, "delete": t.Delete, "archive": t.Archive, "held": t.Held} {
		m.images.WithLabelValues(verdict).Set(float64(n))
	}
	m.bytes.Set(float64(t.Bytes))
	m.reclaimable.Set(float64(t.BytesFreed))
	m.reclaimableAtMost.Set(float64(t.BytesFreedAtMost))
	m.gaps.Set(float64(gaps))
}

// applied adds what an apply did.
func (m *metrics) applied(r *plan.Report) {
	m.deletions.Add(float64(r.Deleted))
	m.archived.Add(float64(r.Archived))
	m.condemned.Add(float64(r.Condemned))
	m.failures.Add(float64(r.Failed))
	m.freed.Add(float64(r.BytesFreed))
	m.freedAtMost.Add(float64(r.BytesFreedAtMost))
}

// ended counts a run.
func (m *metrics) ended(result Result, took time.Duration, at time.Time) {
	m.runs.WithLabelValues(string(result)).Inc()
	m.duration.Observe(took.Seconds())
	m.lastRun.Set(float64(at.Unix()))
	if result != Failed && result != Stopped {
		m.lastSuccess.Set(float64(at.Unix()))
	}
}

func flag(g prometheus.Gauge, on bool) { g.Set(number(on)) }

// number is how a metric says yes or no.
func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
