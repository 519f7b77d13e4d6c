package model_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/oracle"
)

// What regsweep promises to see while an apply lasts: usage is read again when
// it is five minutes old, and the images of a repository after 30 seconds.
const (
	usageWindow  = 5 * time.Minute
	imagesWindow = 30 * time.Second
)

// shelter is what must not be deleted any more by a call that is sent at some
// time or later, as long as the image is there because of which.
type shelter struct {
	repo          int
	digest, cause string
	from          time.Time
	why           string
	// tag is the one by which the cause is in use, if nobody knows it by digest:
	// whoever has it then is in use instead.
	tag string
}

// happening is what an event did.
type happening struct {
	what     string
	shelters []shelter
	// asked are the images that a call under way deletes. What only they hold
	// together is apart when they are gone.
	asked []string
}

// happen lets an event happen now. condemned are the images of its repository
// that are to go, and asked those of them that a call has asked for.
func (a *account) happen(e event, condemned, asked []string) (h happening) {
	h.what, h.asked = e.What, asked
	pick := func(of []string, n int) string { return of[n%len(of)] }
	all := []string{}
	for _, img := range a.repo(e.Repo).Images() {
		all = append(all, img.Digest)
	}
	here := slices.DeleteFunc(slices.Clone(condemned), func(d string) bool { return !slices.Contains(all, d) || slices.Contains(asked, d) })
	if uses := e.What == "use tag" || e.What == "use digest"; uses && e.Flag {
		here = a.shared(e.Repo, here)
	}
	if len(here) == 0 {
		here = all
	}
	switch e.What {
	case "days":
		a.setDays(e.Repo, e.Target)
		return h
	case "break":
		a.Sources = slices.Clone(a.Sources)
		if len(a.Sources) > 0 {
			s := &a.Sources[e.Target%len(a.Sources)]
			s.Broken = true
			a.breakSource(s.Kind)
		}
		return h
	case "empty snapshot":
		if a.sees("snapshot") {
			a.held = slices.DeleteFunc(a.held, func(h holding) bool { return h.source == "snapshot "+homeRegion })
			a.writeSnapshot()
		}
		return h
	case "push":
		a.names++
		m := embedded.NewImage(embedded.ConfigBlob(fmt.Sprint("new", a.names), 10), embedded.LayerBlob("new", 100))
		_, _ = a.repo(e.Repo).Push(embedded.Push{Manifest: m.Bytes(), Tags: []string{e.Tag}})
		return h
	}
	if len(here) == 0 {
		h.what = ""
		return h
	}
	target, other := pick(here, e.Target), pick(all, e.Other)
	a.change(e, target, other, condemned, &h)
	return h
}

// together returns the images that live with one that is there, when those that
// are asked for are gone.
func (a *account) together(repo int, digest string, asked []string) map[string]bool {
	w := a.worldOf(repo, time.Now(), nil)
	w.Repository.Images = slices.DeleteFunc(w.Repository.Images, func(i oracle.Image) bool { return slices.Contains(asked, i.Digest) })
	if !slices.ContainsFunc(w.Repository.Images, func(i oracle.Image) bool { return i.Digest == digest }) {
		return nil
	}
	return oracle.Together(w, digest)
}

// shared returns what of the families of condemned images is not condemned,
// since other roots keep it.
func (a *account) shared(repo int, condemned []string) (list []string) {
	w := a.worldOf(repo, time.Now(), nil)
	for _, d := range condemned {
		for m := range oracle.Family(w, d) {
			if !slices.Contains(condemned, m) && !slices.Contains(list, m) {
				list = append(list, m)
			}
		}
	}
	slices.Sort(list)
	return list
}

// change lets an event happen to an image. What becomes of an image that stays
// anyway is no reason to keep another root that holds it, unless it is used.
func (a *account) change(e event, target, other string, condemned []string, h *happening) {
	images := time.Now().Add(imagesWindow)
	together := func(digest string) map[string]bool {
		if !slices.Contains(condemned, digest) {
			return nil
		}
		return a.together(e.Repo, digest, h.asked)
	}
	why := map[bool]string{true: "used", false: h.what}[e.What == "use tag" || e.What == "use digest"]
	save := func(repo int, from time.Time, cause string, digests map[string]bool) {
		for _, d := range slices.Sorted(maps.Keys(digests)) {
			h.shelters = append(h.shelters, shelter{repo: repo, digest: d, cause: cause, from: from, why: why})
		}
	}
	switch e.What {
	case "use tag", "use digest":
		a.comeIntoUse(e, target, h, save)
	case "retag", "steal tag":
		if e.What == "steal tag" {
			if img, _ := a.repo(e.Repo).Image(target); len(img.Tags) > 0 {
				e.Tag = img.Tags[e.Other%len(img.Tags)]
			}
			target = other
		}
		loser, had := a.repo(e.Repo).Image(e.Tag)
		if !a.tag(e.Repo, target, e.Tag) {
			h.what = ""
			return
		}
		save(e.Repo, images, target, together(target))
		if had {
			save(e.Repo, images, loser.Digest, together(loser.Digest))
		}
	case "list":
		a.names++
		img, _ := a.repo(e.Repo).Image(target)
		m := embedded.NewIndex(embedded.Descriptor{MediaType: img.MediaType, Digest: img.Digest, Size: int64(len(img.Manifest))}.On("linux", "amd64"))
		m.Annotations = map[string]string{"new": fmt.Sprint(a.names)}
		tags := []string(nil)
		if e.Flag {
			tags = []string{fmt.Sprint("new-", a.names)}
		}
		if _, err := a.repo(e.Repo).Push(embedded.Push{Manifest: m.Bytes(), Tags: tags}); err == nil {
			if slices.Contains(condemned, target) {
				save(e.Repo, images, target, a.together(e.Repo, m.Descriptor().Digest, h.asked))
			}
		}
	case "sign", "cosign":
		a.names++
		m := embedded.NewArtifact("application/spdx+json", embedded.Descriptor{MediaType: embedded.MediaTypeOCIManifest, Digest: target, Size: 100}, embedded.LayerBlob(fmt.Sprint("new", a.names), 100))
		tags := []string(nil)
		if e.What == "cosign" {
			m.Subject = nil
			tags = []string{strings.Replace(target, ":", "-", 1) + ".sig"}
		}
		if _, err := a.repo(e.Repo).Push(embedded.Push{Manifest: m.Bytes(), Tags: tags}); err == nil {
			save(e.Repo, images, target, together(target))
		}
	case "delete":
		a.delete(e.Repo, target)
	case "push again":
		img, _ := a.repo(e.Repo).Image(target)
		a.delete(e.Repo, target)
		if _, listed := a.repo(e.Repo).Image(target); listed {
			h.what = ""
			return
		}
		delete(a.pulled, a.Repos[e.Repo].Name+"@"+target)
		tags := slices.DeleteFunc(slices.Clone(img.Tags), oracle.IsMark)
		_, err := a.repo(e.Repo).Push(embedded.Push{Manifest: img.Manifest, MediaType: img.MediaType, Tags: tags})
		if again, _ := a.repo(e.Repo).Image(target); err == nil && again.PushedAt.UnixMilli() != img.PushedAt.UnixMilli() {
			save(e.Repo, images, target, together(target))
		}
	case "archive":
		// Whether an index was read before depends on when it is read again.
		if img, _ := a.repo(e.Repo).Image(target); !isIndex(img.MediaType) || !a.known[target].IsZero() {
			a.repo(e.Repo).Archive(target, time.Now())
		}
	}
}

// comeIntoUse makes somebody use an image whom a source sees.
func (a *account) comeIntoUse(e event, target string, h *happening, save func(int, time.Time, string, map[string]bool)) {
	img, _ := a.repo(e.Repo).Image(target)
	r := ref{Repo: e.Repo, Digest: none, ID: none}
	if e.What == "use tag" && len(img.Tags) > 0 {
		r.Tag = img.Tags[e.Other%len(img.Tags)]
	}
	in := a.region(a.Repos[e.Repo].Region)
	a.names++
	name := fmt.Sprint("user", a.names)
	region := " " + a.Repos[e.Repo].Region
	mine := func(source string, pins bool) string { // the reference, noted as in use
		h := holding{source: source, ref: r, tag: r.Tag}
		if r.Tag == "" {
			h.digest = target
		}
		a.held = append(a.held, h)
		if pins {
			a.held = append(a.held, holding{source: source, ref: ref{Repo: gone, Host: foreign}, digest: target})
		}
		return a.write(&h)
	}
	everywhere := r.Tag == ""
	switch {
	case a.sees("ecs"):
		text := mine("ecs"+region, true)
		embedded.Must(embedded.Must(in.ECS().CreateCluster("tasks")).RunTask(in.ECS().RegisterTaskDefinition(name, text)))
		everywhere = true
	case a.sees("lambda"):
		embedded.Must(in.Lambda().CreateFunction(name, mine("lambda"+region, true)))
		everywhere = true
	case a.sees("appRunner") && r.Tag != "":
		embedded.Must(in.AppRunner().CreateService(name, mine("appRunner"+region, false)))
	case a.sees("snapshot"):
		mine("snapshot "+homeRegion, false)
		a.writeSnapshot()
	default:
		h.what = ""
		return
	}
	from := time.Now().Add(usageWindow)
	for n := range a.Repos {
		asked := h.asked
		if n != e.Repo {
			asked = nil
		}
		if n == e.Repo || everywhere {
			save(n, from, target, a.together(n, target, asked))
		}
	}
	for n := range h.shelters {
		if !everywhere {
			h.shelters[n].tag = r.Tag
		}
	}
}

// setDays changes the resource tag that rules read.
func (a *account) setDays(repo, n int) {
	value := []string{"365", "1", "many", "30d", "5w"}[n%5]
	a.Repos = slices.Clone(a.Repos)
	tags := maps.Clone(a.Repos[repo].Tags)
	if tags == nil {
		tags = map[string]string{}
	}
	tags["Days"] = value
	a.Repos[repo].Tags = tags
	a.repo(repo).SetTags(tags)
}
