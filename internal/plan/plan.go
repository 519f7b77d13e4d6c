// Package plan turns the decisions on roots into a verdict for every image, and
// verdicts into a document that people and programs read. It is pure.
package plan

import (
	"fmt"
	"slices"
	"time"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/policy"
)

// Schema names the format of a plan. Fields are only ever added to it.
const Schema = "regsweep.plan/v1"

// Plan is what a run would do, and why. Package planfile writes it as JSON and
// reads it.
type Plan struct {
	Schema string
	// Tool is the version of regsweep that made it.
	Tool      string
	CreatedAt time.Time
	// Config is the hash of the configuration that it was made with.
	Config string
	// Shard is the part of the repositories that it is about; the zero value is
	// all of them.
	Shard Shard
	// Scope is what its flags made the run about.
	Scope      Scope
	Sources    []Source
	Registries []Registry
	Totals     Totals
	// Warnings are things to look at that hold nothing back, sorted.
	Warnings []string
}

// Source tells how the reading of a usage source went.
type Source struct {
	Name string `json:"name"`
	Uses int    `json:"uses"`
	// Status is "ok" or "gap".
	Status string `json:"status"`
	// Ignored says that the gap was overridden by --ignore-gap.
	Ignored bool   `json:"ignored,omitempty"`
	Detail  string `json:"detail,omitempty"`
}

// isGap reports whether the source holds images back.
func (s Source) isGap() bool { return s.Status != "ok" && !s.Ignored }

// Registry is the part of a plan about one registry.
type Registry struct {
	Name         string
	Host         string
	Repositories []Repository
}

// Repository is the part of a plan about one repository. A plan can have a
// million images, so its images may be kept elsewhere until they are needed.
type Repository struct {
	Name   string
	Totals Totals
	// Gap says why the repository could not be read; nothing of it goes then.
	Gap string

	images Images
	// over is why the whole run is held, or nil.
	over *Reason
}

// Totals counts images and compressed bytes.
type Totals struct {
	Images  int `json:"images"`
	Keep    int `json:"keep"`
	Delete  int `json:"delete"`
	Archive int `json:"archive"`
	Held    int `json:"held"`
	// Grace is how many of Held only the grace period holds.
	Grace int `json:"grace,omitempty"`
	// Condemn is how many roots apply marks for the grace period, and Unmark how
	// many images apply takes the mark from since they are kept.
	Condemn int `json:"condemn,omitempty"`
	Unmark  int `json:"unmark,omitempty"`
	// Bytes is the sum of the sizes of all images. Images of a repository share
	// layers, which ECR stores once, so it is an upper bound of what is stored.
	Bytes int64 `json:"bytes"`
	// BytesFreed is what the deletions certainly free: the blobs that only
	// deleted images reference, where the manifests of all images of the
	// repository are known, and nothing where they are not.
	BytesFreed int64 `json:"bytesFreed"`
	// BytesFreedAtMost is the sum of the sizes of the deleted images where the
	// manifests are not known, and BytesFreed where they are.
	BytesFreedAtMost int64 `json:"bytesFreedAtMost"`
	// MonthlySavings is the price of BytesFreed for a month, in the currency of
	// the configuration; of the whole plan only.
	MonthlySavings *float64 `json:"monthlySavings,omitempty"`
	// MonthlySavingsAtMost is that of BytesFreedAtMost.
	MonthlySavingsAtMost *float64 `json:"monthlySavingsAtMost,omitempty"`
}

// Image is the verdict on one image.
type Image struct {
	Digest image.Digest `json:"digest"`
	Tags   []string     `json:"tags"`
	// Kind is image, index or referrer.
	Kind string `json:"kind"`
	// Root is the root whose verdict the image shares; its own digest for a root.
	Root     image.Digest   `json:"root"`
	PushedAt image.Time     `json:"pushedAt,omitzero"`
	PulledAt image.Time     `json:"pulledAt,omitzero"`
	Size     int64          `json:"size"`
	Verdict  policy.Verdict `json:"verdict"`
	// CondemnedAt is since when the image is marked for the grace period, where
	// the mark counts.
	CondemnedAt image.Time `json:"condemnedAt,omitzero"`
	// Mark is what apply does about marks of the grace period, or "".
	Mark Mark `json:"mark,omitempty"`
	// Rule is the rule that governs the root, or "".
	Rule    string   `json:"rule,omitempty"`
	Reasons []Reason `json:"reasons"`
}

// Reason is one reason for a verdict.
type Reason struct {
	Code   policy.Code `json:"code"`
	Detail string      `json:"detail"`
	// Path is the place in the configuration that the reason comes from.
	Path string `json:"path,omitempty"`
}

func reason(r policy.Reason) Reason {
	return Reason{Code: r.Code, Detail: r.Detail(), Path: r.Path}
}

// add sums totals.
func (t *Totals) add(o Totals) {
	t.Images += o.Images
	t.Keep += o.Keep
	t.Delete += o.Delete
	t.Archive += o.Archive
	t.Held += o.Held
	t.Grace += o.Grace
	t.Condemn += o.Condemn
	t.Unmark += o.Unmark
	t.Bytes += o.Bytes
	t.BytesFreed += o.BytesFreed
	t.BytesFreedAtMost += o.BytesFreedAtMost
}

// count adds n images of a verdict.
func (t *Totals) count(v policy.Verdict, n int) {
	switch v {
	case policy.VerdictDelete:
		t.Delete += n
	case policy.VerdictArchive:
		t.Archive += n
	case policy.VerdictHeld:
		t.Held += n
	default:
		t.Keep += n
	}
}

// Acts reports whether the plan would change anything: take images away, or
// write and remove marks.
func (t Totals) Acts() bool { return t.Takes() || t.Condemn+t.Unmark > 0 }

// Takes reports whether the plan would delete or archive images.
func (t Totals) Takes() bool { return t.Delete+t.Archive > 0 }

// HeldBack is how many images something else than the grace period holds: a gap
// or a limit, or that they cannot be marked.
func (t Totals) HeldBack() int { return t.Held - t.Grace }

// Unread returns the entry of a repository that could not be read, and why.
func Unread(name, why string) Repository {
	return Repository{Name: name, Gap: why}
}

// HasGaps reports whether a repository, or a source that was not overridden, is
// a gap.
func (p *Plan) HasGaps() bool {
	return slices.ContainsFunc(p.Sources, Source.isGap) ||
		slices.ContainsFunc(p.Registries, func(reg Registry) bool {
			return slices.ContainsFunc(reg.Repositories, func(r Repository) bool { return r.Gap != "" })
		})
}

// Gaps says what HasGaps is about: the sources, and the repositories.
func (p *Plan) Gaps() (sources, repositories []string) {
	for _, s := range p.Sources {
		if s.isGap() {
			sources = append(sources, s.Name+": "+s.Detail)
		}
	}
	for _, reg := range p.Registries {
		for _, r := range reg.Repositories {
			if r.Gap != "" {
				repositories = append(repositories, fmt.Sprintf("%s/%s could not be read: %s", reg.Name, r.Name, r.Gap))
			}
		}
	}
	return sources, repositories
}

// Enforce applies the limits to a plan that was read, and sums it up anew: what
// a file says of itself is not taken for granted. A repository that is in it
// twice is a *MergeError.
func (p *Plan) Enforce(limits policy.Limits, price Price) error {
	for i := range p.Registries {
		if err := p.Registries[i].checkOnce(); err != nil {
			return err
		}
	}
	return p.finish(limits, price, true)
}
