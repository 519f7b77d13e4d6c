package faults_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/kinds"
)

// configuration is what the world is swept with. Every source covers all
// repositories but appRunner, whose gap holds sites/** alone.
const configuration = `version: 1
registries:
  - name: prod
    ecr: {region: eu-west-1}
usage:
  - ecs: {revisions: 1}
  - lambda: {versions: "1"}
  - appRunner: {}
    covers: ["sites/**"]
  - snapshot: {path: "s3://snapshots/other-account.json"}
protect:
  - tags: ["release-*"]
rules:
  - name: cold
    repositories: ["cold/**"]
    action: archive
    keep: [{youngerThan: 14d}]
  - name: jobs
    repositories: ["jobs/**"]
    keep: [{youngerThan: {repositoryTag: keep-days, unit: d, default: 30d}}]
  - name: previews
    tags: ["pr-*"]
    keep: [{youngerThan: 14d}, {newest: 1}]
  - name: leftovers
    untagged: true
    keep: [{youngerThan: 14d}]
  - name: orphans
    orphans: true
    keep: [{youngerThan: 1d}]
`

// parse returns the configuration, as the command reads it.
func parse(t testing.TB) *config.Config {
	t.Helper()
	cfg, err := config.Parse("regsweep.yaml", []byte(configuration), func(string) (string, bool) { return "", false }, kinds.All())
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// fate is what becomes of an image in a run in which nothing goes wrong. It is
// written down where the image is pushed, and no code of the module is asked.
type fate int

const (
	stays fate = iota
	goes
	archived
)

// start is the time on the clock when a run in virtual time begins.
var start = time.Date(2026, time.June, 15, 12, 0, 0, 0, time.UTC)

// world is an account, and what must become of each image in it.
type world struct {
	server *embedded.Server
	region *embedded.Region
	start  time.Time
	// fates and names are by repository and digest.
	fates map[string]fate
	names map[string]string
	// images has the manifest of each name.
	images map[string]embedded.Manifest
}

// push pushes a manifest that is so many days old.
func (w *world) push(repository, name string, m embedded.Manifest, days int, f fate, tags ...string) embedded.Descriptor {
	repo, ok := w.region.Repository(repository)
	if !ok {
		repo = w.region.MustCreateRepository(repository, embedded.RepositoryOptions{})
	}
	digest := repo.MustPush(embedded.Push{Manifest: m.Bytes(), Tags: tags, At: w.start.AddDate(0, 0, -days)})
	id := repository + "@" + digest
	if _, twice := w.images[name]; twice {
		panic("two images are called " + name)
	}
	w.fates[id], w.names[id], w.images[name] = f, repository+"/"+name, m
	return m.Descriptor()
}

// image pushes an image of its own layers.
func (w *world) image(repository, name string, days int, f fate, tags ...string) embedded.Descriptor {
	return w.push(repository, name, embedded.NewImage(embedded.ConfigBlob(name, 100), embedded.LayerBlob(name, 1000)), days, f, tags...)
}

// index pushes a multi-platform image over images that were pushed before.
func (w *world) index(repository, name string, days int, f fate, tag string, children ...embedded.Descriptor) embedded.Descriptor {
	for i := range children {
		children[i] = children[i].On("linux", fmt.Sprint("arch", i))
	}
	return w.push(repository, name, embedded.NewIndex(children...), days, f, tag)
}

// attach pushes what is attached to an image: a bill of materials by its
// subject, and a signature by cosign's tag.
func (w *world) attach(repository, name string, days int, f fate) {
	subject := w.images[name].Descriptor()
	w.push(repository, name+"-sbom", embedded.NewArtifact("application/spdx+json", subject, embedded.LayerBlob("sbom"+name, 50)), days, f)
	w.image(repository, name+"-signature", days, f, strings.Replace(subject.Digest, ":", "-", 1)+".sig")
}

// digest returns the digest of the image of a name.
func (w *world) digest(name string) string { return w.images[name].Descriptor().Digest }

// uri returns how an image of the registry is referred to.
func (w *world) uri(repositoryAndTag string) string {
	return embedded.DefaultAccount + ".dkr.ecr.eu-west-1.amazonaws.com/" + repositoryAndTag
}

// newWorld fills an account. Images are as old as they should be now.
func newWorld(clock func() time.Time) *world {
	srv := embedded.New(embedded.Options{Clock: clock})
	w := &world{
		start: clock(), server: srv, region: srv.Account(embedded.DefaultAccount).Region("eu-west-1"),
		fates: map[string]fate{}, names: map[string]string{}, images: map[string]embedded.Manifest{},
	}
	embedded.Must(w.region.S3().CreateBucket("journals"))
	w.apps()
	w.jobs()
	w.others()
	return w
}

// apps fills the repositories that ECS and clusters of another account use.
func (w *world) apps() {
	const web, api = "apps/web", "apps/api"
	w.region.MustCreateRepository(api, embedded.RepositoryOptions{Tags: map[string]string{"team": "x"}})
	ecs := w.region.ECS()
	front, back := embedded.Must(ecs.CreateCluster("front")), embedded.Must(ecs.CreateCluster("back"))
	service := func(cluster *embedded.ECSCluster, name, definition string, tasks int) *embedded.ECSService {
		return embedded.Must(cluster.CreateService(embedded.ECSServiceOptions{Name: name, TaskDefinition: definition, DesiredCount: tasks}))
	}

	// A service runs a digest whose tag has moved since.
	w.image(web, "pinned", 150, stays, "pr-1")
	service(front, "web", ecs.RegisterTaskDefinition("web", w.uri(web)+":pr-1"), 1)
	w.image(web, "moved", 100, stays, "pr-1")
	// A service without tasks can be rolled back to what it was deployed from, by
	// a task definition that is INACTIVE since.
	w.image(web, "before", 140, stays, "pr-2")
	w.image(web, "after", 130, stays, "pr-3")
	before := ecs.RegisterTaskDefinition("shop", w.uri(web)+":pr-2")
	shop := service(front, "shop", before, 0)
	must(shop.Deploy(ecs.RegisterTaskDefinition("shop", w.uri(web)+":pr-3"), embedded.DeploymentSuccessful))
	must(ecs.DeregisterTaskDefinition(before))
	// A task of no service, and a task definition that anyone may start.
	w.image(api, "task", 120, stays, "pr-2")
	embedded.Must(back.RunTask(ecs.RegisterTaskDefinition("once", w.uri(api)+":pr-2")))
	w.image(api, "startable", 110, stays, "pr-3")
	ecs.RegisterTaskDefinition("later", w.uri(api)+":pr-3")

	// Families that go, one of them with all that can be attached.
	amd64, arm64 := w.image(web, "gone-amd64", 90, goes), w.image(web, "gone-arm64", 90, goes)
	w.index(web, "gone", 90, goes, "pr-20", amd64, arm64)
	w.attach(web, "gone", 89, goes)
	// Another account runs the arm64 image of this one.
	amd64, arm64 = w.image(web, "used-amd64", 85, stays), w.image(web, "used-arm64", 85, stays)
	w.index(web, "used", 85, stays, "pr-21", amd64, arm64)
	w.attach(web, "used", 84, stays)
	// Two indexes list one image, and one of them is a release.
	shared, own := w.image(web, "shared", 80, stays), w.image(web, "own", 80, goes)
	w.index(web, "release", 80, stays, "release-1", shared)
	w.index(web, "preview", 80, goes, "pr-22", shared, own)
	// A signature whose image was deleted by hand.
	w.image(web, "orphan", 70, goes, "sha256-"+strings.Repeat("ab", 32)+".sig")
	w.image(web, "untagged", 60, goes)
	w.image(web, "newest", 20, stays, "pr-30")

	for i := range 3 {
		w.image(api, fmt.Sprint("preview", i), 60+i, goes, fmt.Sprint("pr-1", i))
	}
	// Another account runs a replica of the one, of another registry.
	w.image(api, "mirrored", 90, stays)
	w.image(api, "unmirrored", 90, goes)
	w.image(api, "young", 3, stays, "pr-20")
}

// jobs fills the repositories whose rule reads resource tags.
func (w *world) jobs() {
	const fn, slow = "jobs/fn", "jobs/slow"
	lambda := w.region.Lambda()
	w.region.MustCreateRepository(slow, embedded.RepositoryOptions{Tags: map[string]string{"keep-days": "365"}})

	// An alias routes a little to the first of three versions, and versions
	// count by number only where they are the newest.
	w.image(fn, "canary", 200, stays, "one")
	f := embedded.Must(lambda.CreateFunction("resize", w.uri(fn)+":one"))
	first := f.Publish()
	w.image(fn, "second", 100, goes, "two")
	must(f.UpdateCode(w.uri(fn) + ":two"))
	f.Publish()
	w.image(fn, "third", 90, stays, "three")
	must(f.UpdateCode(w.uri(fn) + ":three"))
	must(f.PutAlias("live", f.Publish(), map[string]float64{first: 0.05}))
	w.image(fn, "unused", 70, goes, "five")
	w.image(fn, "new", 10, stays, "six")

	// Kept for a year, as the repository's own tag says; without it for 30 days.
	w.image(slow, "ancient", 400, goes, "a")
	for i := range 3 {
		w.image(slow, fmt.Sprint("old", i), 100+i, stays, fmt.Sprint("b", i))
	}
	w.image(slow, "index-child", 50, stays)
	w.index(slow, "index", 50, stays, "c", w.images["index-child"].Descriptor())
}

// others fills what App Runner and another account use, and what is archived.
func (w *world) others() {
	const site, cold = "sites/landing", "cold/store"
	for _, tagged := range []string{site, cold} {
		w.region.MustCreateRepository(tagged, embedded.RepositoryOptions{Tags: map[string]string{"team": "y"}})
	}
	runner := w.region.AppRunner()
	w.image(site, "live", 150, stays, "pr-7")
	embedded.Must(runner.CreateService("landing", w.uri(site)+":pr-7"))
	w.image(site, "paused", 140, stays, "pr-6")
	embedded.Must(runner.CreateService("campaign", w.uri(site)+":pr-6")).SetStatus(embedded.AppRunnerPaused)
	w.image(site, "site-preview", 130, goes, "pr-8")
	w.image(site, "site-newest", 40, stays, "pr-9")
	w.image(site, "site-other", 300, stays, "kept-by-no-rule")

	w.image(cold, "cold", 90, archived, "v1")
	w.image(cold, "cold-used", 70, stays, "v2")
	w.image(cold, "warm", 5, stays, "v3")

	var uses []string
	for _, reference := range []string{
		w.uri("apps/web") + "@" + w.digest("used-arm64"),
		w.uri(cold) + ":v2",
		"444455556666.dkr.ecr.us-east-1.amazonaws.com/team/mirrored@" + w.digest("mirrored"),
	} {
		uses = append(uses, fmt.Sprintf(`{"source": "kubernetes", "state": "running", "reference": %q, "holder": "kubernetes/shop/Deployment/web"}`, reference))
	}
	slices.Sort(uses)
	bucket := embedded.Must(w.region.S3().CreateBucket("snapshots"))
	bucket.Put("other-account.json", fmt.Appendf(nil, `{"schema": "regsweep.usage/v1", "createdAt": %q, "sources": [{"name": "kubernetes", "uses": %d, "status": "ok"}], "uses": [%s]}`,
		w.start.Add(-time.Hour).UTC().Format(time.RFC3339), len(uses), strings.Join(uses, ",\n")))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// state is what is in a registry: the status and the tags of each image, by
// repository and name.
type state map[string]string

// now returns what there is.
func (w *world) now() state {
	s := state{}
	for _, repo := range w.region.Repositories() {
		for _, img := range repo.Images() {
			s[w.names[repo.Name()+"@"+img.Digest]] = strings.Join(append([]string{img.Status}, img.Tags...), " ")
		}
	}
	return s
}

// clean returns what there is after a run in which nothing goes wrong, given
// what there was.
func (w *world) clean(before state) state {
	s := maps.Clone(before)
	for id, f := range w.fates {
		switch name := w.names[id]; f {
		case goes:
			delete(s, name)
		case archived:
			s[name] = strings.Replace(s[name], "ACTIVE", "ARCHIVED", 1)
		case stays:
		}
	}
	return s
}

// lost returns what is not as it was, of the images that must stay.
func (w *world) lost(before, after state) (lost []string) {
	for id, f := range w.fates {
		name := w.names[id]
		switch is, there := after[name]; {
		case f == stays && is != before[name], f == archived && !there:
			lost = append(lost, fmt.Sprintf("%s is %q and was %q", name, is, before[name]))
		}
	}
	slices.Sort(lost)
	return lost
}
