package demo

import (
	"fmt"
	"strings"
	"time"

	"github.com/regsweep/regsweep/internal/embedded"
)

// megabyte is 10^6 bytes, as registries count.
const megabyte = 1_000_000

// image returns the manifest of one build for one architecture: the layers of a
// base image that many builds share, dependencies that a few builds share, and
// the program.
func (w *world) image(repo, build, arch string) embedded.Manifest {
	generation := build[:min(4, len(build))]
	return embedded.NewImage(
		embedded.ConfigBlob(repo+build+arch, 4_000+int64(w.rand.upTo(3_000))),
		embedded.LayerBlob("base"+repo[:4]+arch, 31*megabyte),
		embedded.LayerBlob(repo+generation+arch, 12*megabyte+int64(len(repo))*megabyte),
		embedded.LayerBlob(repo+build+arch, int64(4+w.rand.upTo(24))*megabyte),
	)
}

// push pushes a manifest.
func (w *world) push(repo string, m embedded.Manifest, age time.Duration, tags ...string) string {
	return w.repo(repo).MustPush(embedded.Push{Manifest: m.Bytes(), Tags: tags, At: w.ago(age)})
}

// plain pushes an image for one architecture.
func (w *world) plain(repo, build string, age time.Duration, tags ...string) string {
	d := w.push(repo, w.image(repo, build, "amd64"), age, tags...)
	w.repo(repo).Pull(d, w.ago(age-time.Hour))
	return d
}

// multi is a multi-platform image: an index, its images, and the build's
// attestation, which the index lists for no platform that exists.
type multi struct {
	index             embedded.Manifest
	digest            string
	amd64, arm64, att string
}

// multiplatform pushes a multi-platform image.
func (w *world) multiplatform(repo, build string, age time.Duration, tags ...string) multi {
	var m multi
	amd64, arm64 := w.image(repo, build, "amd64"), w.image(repo, build, "arm64")
	att := embedded.NewImage(embedded.ConfigBlob("attestation"+repo+build, 900), embedded.LayerBlob("provenance"+repo+build, 14_000))
	m.amd64 = w.push(repo, amd64, age)
	m.arm64 = w.push(repo, arm64, age)
	m.att = w.push(repo, att, age)
	m.index = embedded.NewIndex(amd64.Descriptor().On("linux", "amd64"), arm64.Descriptor().On("linux", "arm64"),
		att.Descriptor().On("unknown", "unknown"))
	m.digest = w.push(repo, m.index, age, tags...)
	w.repo(repo).Pull(m.digest, w.ago(age-time.Hour))
	w.repo(repo).Pull(m.amd64, w.ago(age-time.Hour))
	return m
}

// sign attaches a cosign signature by its tag.
func (w *world) sign(repo string, of embedded.Manifest, age time.Duration) {
	sig := embedded.NewImage(embedded.ConfigBlob("sig"+repo+of.Descriptor().Digest, 233),
		embedded.LayerBlob("sig"+repo+of.Descriptor().Digest, 251))
	w.push(repo, sig, age, strings.Replace(of.Descriptor().Digest, ":", "-", 1)+".sig")
}

// sbom attaches a bill of materials by the OCI subject.
func (w *world) sbom(repo string, of embedded.Manifest, age time.Duration) string {
	return w.push(repo, embedded.NewArtifact("application/spdx+json", of.Descriptor(),
		embedded.LayerBlob("sbom"+repo+of.Descriptor().Digest, 180_000)), age)
}

// service fills a repository as a service's CI does: signed releases for two
// platforms, builds of every merge, and previews of pull requests.
func (w *world) service(repo string) {
	for i := range 16 {
		minor, patch := i/3, i%3
		age := time.Duration(16-i) * 11 * day
		version := fmt.Sprintf("v1.%d.%d", minor, patch)
		m := w.multiplatform(repo, version+w.commit(), age, version)
		w.sign(repo, m.index, age-time.Minute)
		w.sbom(repo, m.index, age-time.Minute)
	}
	for i := range 90 {
		age := time.Duration(i)*26*time.Hour + time.Duration(w.rand.upTo(20))*time.Hour
		c := w.commit()
		w.plain(repo, c, age, "main-"+c)
	}
	for i := range 60 {
		age := time.Duration(i)*38*time.Hour + time.Duration(w.rand.upTo(30))*time.Hour
		w.plain(repo, w.commit(), age, fmt.Sprintf("pr-%d", 900-i))
	}
	w.plain(repo, "latest"+w.commit(), 2*day, "latest")
}

// function fills a repository of a Lambda function: plain images by date.
func (w *world) function(repo string) {
	for i := range 45 {
		age := time.Duration(i) * 5 * day
		w.plain(repo, w.commit(), age, "build-"+w.ago(age).Format("20060102"))
	}
}

// site fills a repository where every push moves one tag, so that what has no
// other tag is untagged.
func (w *world) site(repo string) {
	for i := range 70 {
		tags := []string{"live"}
		if i%6 == 0 {
			tags = append(tags, fmt.Sprintf("edition-%d", i/6))
		}
		w.plain(repo, w.commit(), time.Duration(70-i)*3*day, tags...)
	}
}

// base fills a repository of base images, which the configuration protects.
func (w *world) base(repo string) {
	for i := range 12 {
		w.multiplatform(repo, fmt.Sprintf("%d", i)+w.commit(), time.Duration(12-i)*30*day, fmt.Sprintf("1.%d", i))
	}
}

// tool fills a repository of things that CI runs.
func (w *world) tool(repo string) {
	for i := range 40 {
		c := w.commit()
		w.plain(repo, c, time.Duration(i)*6*day, "main-"+c)
	}
}

// legacy fills a repository that no rule touches.
func (w *world) legacy(repo string) {
	for i := range 8 {
		w.plain(repo, fmt.Sprintf("legacy%d", i), time.Duration(600-i)*day, fmt.Sprintf("%d.0", i))
	}
}
