package model_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/oracle"
)

// start is the time on the clock when a world begins.
var start = time.Date(2026, time.June, 15, 12, 0, 0, 0, time.UTC)

// The keys of the run and of others.
const (
	runner      = "AKIDRUNNER"
	runnerARN   = "arn:aws:iam::" + embedded.DefaultAccount + ":user/regsweep"
	somebody    = "AKIDSOMEBODY"
	somebodyARN = "arn:aws:iam::" + embedded.DefaultAccount + ":user/somebody"
)

// account is the embedded account of a world, with what only its maker knows.
type account struct {
	*world
	dir    string
	server *embedded.Server
	// digests has those of the images that were drawn, by repository and
	// position, and manifests what was pushed, by digest.
	digests   [][]string
	manifests map[string]embedded.Manifest
	// pulled is when others pulled an image last, by repository and digest.
	pulled map[string]time.Time
	// known says when regsweep read the manifest of an index first.
	known map[string]time.Time
	// leftovers are what runs left of families whose roots they deleted.
	leftovers []map[string]oracle.Leftover
	// held are the references that are in use, with the source that sees them.
	held []holding
	// found says which sources had a use in an earlier run.
	found map[string]bool
	names int
}

// holding is a reference that is in use, or a digest that somebody found.
type holding struct {
	source string // kind and region
	ref    ref
	// tag and digest are what the reference names, without the world's positions.
	tag, digest, id string
}

func (a *account) region(name string) *embedded.Region {
	return a.server.Account(embedded.DefaultAccount).Region(name)
}

func (a *account) repo(n int) *embedded.Repository {
	r, ok := a.region(a.Repos[n].Region).Repository(a.Repos[n].Name)
	if !ok {
		panic("no repository " + a.Repos[n].Name)
	}
	return r
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// newAccount fills an account.
func newAccount(w *world, dir string) *account {
	a := &account{
		world: w, dir: dir, server: embedded.New(embedded.Options{Clock: time.Now}),
		manifests: map[string]embedded.Manifest{}, pulled: map[string]time.Time{}, known: map[string]time.Time{}, found: map[string]bool{},
	}
	for key, arn := range map[string]string{runner: runnerARN, somebody: somebodyARN} {
		a.server.AddKey(embedded.Principal{AccessKeyID: key, Account: embedded.DefaultAccount, ARN: arn, UserID: "AIDA" + key})
	}
	for r := range w.Repos {
		a.leftovers = append(a.leftovers, map[string]oracle.Leftover{})
		a.fill(r)
	}
	if w.Excluded {
		for _, region := range w.regions() {
			a.region(region).ExcludePullTimes(runnerARN)
		}
	}
	for _, u := range w.Uses {
		a.use(u)
	}
	a.writeSnapshot()
	for _, m := range w.Moves {
		a.tag(m.Repo, a.digests[m.Repo][m.Image], m.Tag)
	}
	for r := range w.Repos {
		for n := len(w.Repos[r].Images) - 1; n >= 0; n-- {
			if w.Repos[r].Images[n].Deleted {
				a.delete(r, a.digests[r][n])
			}
		}
	}
	a.deny()
	must(os.WriteFile(filepath.Join(dir, "regsweep.yaml"), []byte(w.config()), 0o600))
	return a
}

// fill makes a repository and pushes its images.
func (a *account) fill(n int) {
	spec := &a.Repos[n]
	o := embedded.RepositoryOptions{Tags: spec.Tags, CreatedAt: start.AddDate(-1, 0, 0)}
	if spec.Immutable {
		o.Mutability = embedded.Immutable
	}
	repo := a.region(spec.Region).MustCreateRepository(spec.Name, o)
	// Digests of all are known before any is pushed with a tag that names one.
	a.digests = append(a.digests, nil)
	for i := range spec.Images {
		a.digests[n] = append(a.digests[n], a.manifest(n, i).Descriptor().Digest)
	}
	for i := range spec.Images {
		img := &spec.Images[i]
		m := a.manifests[a.digests[n][i]]
		tags := slices.Clone(img.Tags)
		if img.AttachTo == gone {
			tags = append(tags, "sha256-"+strings.Repeat("ab", 32)+img.AttachTag)
		} else if img.AttachTo != none {
			tags = append(tags, strings.Replace(a.digests[n][img.AttachTo], ":", "-", 1)+img.AttachTag)
		}
		at := start.Add(-time.Duration(img.Ago) * time.Millisecond)
		// In a repository of immutable tags the first who has a tag keeps it.
		_, err := repo.Push(embedded.Push{Manifest: m.Bytes(), At: at})
		must(err)
		for _, tag := range tags {
			_, _ = repo.Push(embedded.Push{Manifest: m.Bytes(), At: at, Tags: []string{tag}})
		}
	}
	for i := range spec.Images {
		img, digest := &spec.Images[i], a.digests[n][i]
		if img.Pulled != none {
			a.pull(n, digest, start.Add(-time.Duration(img.Pulled)*time.Millisecond))
		}
		if img.Fails {
			repo.Fail(digest, "KmsError")
		}
		if img.Archived {
			repo.Archive(digest, start.AddDate(0, 0, -1))
		}
	}
}

func (a *account) pull(n int, digest string, at time.Time) {
	a.repo(n).Pull(digest, at)
	a.pulled[a.Repos[n].Name+"@"+digest] = at
}

// manifest makes the manifest of an image, given those before it.
func (a *account) manifest(r, n int) embedded.Manifest {
	img := &a.Repos[r].Images[n]
	descriptor := func(i int) embedded.Descriptor {
		if i == gone {
			return embedded.Descriptor{MediaType: embedded.MediaTypeOCIManifest, Digest: embedded.Digest([]byte("gone")), Size: 100}
		}
		return a.manifests[a.digests[r][i]].Descriptor()
	}
	seed, size := fmt.Sprint("seed ", img.Seed), int64(100)
	if img.Big {
		size = 50_000
	}
	var m embedded.Manifest
	switch img.Kind {
	case index, dockerList:
		m = embedded.NewIndex()
		m.Manifests = []embedded.Descriptor{}
		for k, i := range img.Lists {
			d := descriptor(i)
			if img.Platforms {
				d = d.On("linux", fmt.Sprint("arch", k))
			}
			m.Manifests = append(m.Manifests, d)
		}
		if img.Kind == dockerList {
			m.MediaType = embedded.MediaTypeDockerList
		}
		if img.Subject != none {
			d := descriptor(img.Subject)
			m.Subject = &d
		}
		m.Annotations = map[string]string{"seed": seed}
	case artifact:
		m = embedded.NewArtifact("application/spdx+json", descriptor(img.Subject), embedded.LayerBlob(seed, size))
	case soci:
		m = embedded.NewArtifact("application/vnd.amazon.soci.index.v1+json", descriptor(img.Subject), embedded.LayerBlob(seed, size))
	default:
		m = embedded.NewImage(embedded.ConfigBlob(seed, 10), embedded.LayerBlob(seed, size))
		if img.Kind == docker {
			m.MediaType, m.Config.MediaType, m.Layers[0].MediaType = embedded.MediaTypeDocker, embedded.MediaTypeDockerConfig, embedded.MediaTypeDockerLayer
		}
	}
	a.manifests[m.Descriptor().Digest] = m
	return m
}

// tag puts a tag on an image, unless it may not move. It reports whether it did.
func (a *account) tag(r int, digest, tag string) bool {
	img, there := a.repo(r).Image(digest)
	if !there || slices.Contains(img.Tags, tag) {
		return false
	}
	_, err := a.repo(r).Push(embedded.Push{Manifest: img.Manifest, MediaType: img.MediaType, Tags: []string{tag}})
	return err == nil
}

// delete deletes an image as somebody else. ECR refuses what an index lists.
func (a *account) delete(r int, digest string) {
	body := fmt.Sprintf(`{"repositoryName": %q, "imageIds": [{"imageDigest": %q}]}`, a.Repos[r].Name, digest)
	for range 3 { // a flaky account refuses every third call at most
		request, err := http.NewRequest(http.MethodPost, "http://aws.example.com/", strings.NewReader(body))
		must(err)
		request.Header.Set("Content-Type", "application/x-amz-json-1.1")
		request.Header.Set("X-Amz-Target", "AmazonEC2ContainerRegistry_V20150921.BatchDeleteImage")
		request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+somebody+"/20260615/"+a.Repos[r].Region+"/ecr/aws4_request, SignedHeaders=host, Signature=0")
		response, err := a.server.Client().Do(request)
		must(err)
		answer, err := io.ReadAll(response.Body)
		must(err)
		must(response.Body.Close())
		if response.StatusCode == http.StatusOK {
			return
		}
		if response.StatusCode != http.StatusInternalServerError {
			panic(fmt.Sprintf("delete %s: %s %s", digest, response.Status, answer))
		}
	}
}

// deny takes rights away from the run.
func (a *account) deny() {
	for _, s := range a.Sources {
		if s.Broken {
			a.breakSource(s.Kind)
		}
	}
	for n, r := range a.Repos {
		if r.Unreadable {
			a.server.Deny(runner, "ecr:DescribeImages", a.repo(n).ARN())
		}
	}
	if a.NoTags {
		a.server.Deny(runner, "tag:GetResources", "")
		a.server.Deny(runner, "ecr:ListTagsForResource", "")
	}
}

// breakSource makes a source unreadable.
func (a *account) breakSource(kind string) {
	if kind == "snapshot" {
		must(os.RemoveAll(filepath.Join(a.dir, "snapshot.json")))
		return
	}
	a.server.Deny(runner, strings.ToLower(kind)+":*", "")
}
