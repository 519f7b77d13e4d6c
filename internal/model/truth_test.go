package model_test

import (
	"encoding/json"
	"time"

	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/oracle"
)

// worldOf returns what the verdicts on a repository follow from. It looks at the
// account and not at what regsweep read of it.
func (a *account) worldOf(n int, now time.Time, gaps []gap) oracle.World {
	spec := &a.Repos[n]
	w := a.familiesOf(n)
	w.Now, w.Policy, w.Uses = now.UnixMilli(), a.Policy, a.usesOf(n)
	w.Repository.TagsUnknown = a.NoTags
	if !a.NoTags {
		w.Repository.Tags = spec.Tags
	}
	for _, g := range gaps {
		if oracle.MatchRepository(g.covers, spec.Name) {
			w.Gaps = append(w.Gaps, g.source)
		}
	}
	return w
}

// familiesOf returns what tells which images of a repository live together.
func (a *account) familiesOf(n int) oracle.World {
	w := oracle.World{Leftovers: a.leftovers[n], Repository: oracle.Repository{Name: a.Repos[n].Name, Guards: true}}
	for _, img := range a.repo(n).Images() {
		w.Repository.Images = append(w.Repository.Images, a.imageOf(n, img))
	}
	return w
}

func (a *account) imageOf(n int, img embedded.Image) oracle.Image {
	out := oracle.Image{Digest: img.Digest, Tags: img.Tags, Pushed: img.PushedAt.UnixMilli(), Size: img.Size, Archived: img.Status == "ARCHIVED", Subject: img.Subject}
	if !img.PulledAt.IsZero() {
		out.Pulled = img.PulledAt.UnixMilli()
	}
	// What others did not do regsweep did.
	read, known := a.known[img.Digest]
	since := img.PulledAt.Sub(read)
	if real := a.pulled[a.Repos[n].Name+"@"+img.Digest]; known && !real.Equal(img.PulledAt) && since >= -time.Minute && since <= 24*time.Hour {
		out.OwnPull = true
		if !real.IsZero() {
			out.PulledBefore = real.UnixMilli()
		}
	}
	var m embedded.Manifest
	must(json.Unmarshal(img.Manifest, &m))
	out.Index = isIndex(img.MediaType)
	if m.Config != nil {
		out.Config = m.Config.Digest
	}
	if out.Index && !a.readable(n, img.Digest, img.Status) {
		out.Unreadable = true
		return out
	}
	for _, d := range m.Manifests {
		out.Lists = append(out.Lists, oracle.Entry{Digest: d.Digest, Platform: d.Platform != nil})
	}
	return out
}

// readable reports whether regsweep can know what the manifest of an index says:
// it remembers it, or can pull it.
func (a *account) readable(n int, digest, status string) bool {
	if _, known := a.known[digest]; known {
		return true
	}
	for k := range a.Repos[n].Images {
		if a.Repos[n].Images[k].Fails && a.digests[n][k] == digest {
			return false
		}
	}
	return status == "ACTIVE"
}

// read notes that regsweep reads the repositories of which that is so.
func (a *account) read(which func(n int) bool) {
	for n := range a.Repos {
		if a.Repos[n].Unreadable || !which(n) {
			continue
		}
		for _, img := range a.repo(n).Images() {
			if _, known := a.known[img.Digest]; !known && isIndex(img.MediaType) && a.readable(n, img.Digest, img.Status) {
				a.known[img.Digest] = time.Now()
			}
		}
	}
}

// readSince notes which indexes regsweep read that came while it ran: whose pull
// was nobody else's.
func (a *account) readSince() {
	for n := range a.Repos {
		for _, img := range a.repo(n).Images() {
			others := a.pulled[a.Repos[n].Name+"@"+img.Digest]
			if _, known := a.known[img.Digest]; !known && isIndex(img.MediaType) && !img.PulledAt.IsZero() && !img.PulledAt.Equal(others) {
				a.known[img.Digest] = img.PulledAt
			}
		}
	}
}

func isIndex(mediaType string) bool {
	return mediaType == embedded.MediaTypeOCIIndex || mediaType == embedded.MediaTypeDockerList
}
