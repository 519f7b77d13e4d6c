package crash_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/regsweep/regsweep/internal/embedded"
)

// configuration has all that an apply does: families, archiving, marks of the
// grace period. Its rules are about tags, so that they have no word for what is
// left of a family whose root is gone.
const configuration = `version: 1
registries:
  - name: prod
    ecr: {region: eu-west-1, account: "111122223333"}
usage:
  - snapshot: {path: uses.json}
rules:
  - name: cold
    repositories: ["cold/**"]
    tags: ["*"]
    action: archive
    keep: [{youngerThan: 30d}]
  - name: releases
    tags: ["v*"]
    keep: [{youngerThan: 30d}, {newest: 1}]
grace: 7d
`

// world is an account with repositories to sweep.
type world struct {
	server *embedded.Server
	region *embedded.Region
	now    time.Time
	// names has the name of each image by digest.
	names map[string]string
	// used are images that a snapshot says are in use.
	used []string
}

const host = embedded.DefaultAccount + ".dkr.ecr.eu-west-1.amazonaws.com"

func newWorld() *world {
	srv := embedded.New(embedded.Options{Clock: time.Now})
	w := &world{server: srv, region: srv.Account(embedded.DefaultAccount).Region("eu-west-1"), now: time.Now(), names: map[string]string{}}
	embedded.Must(w.region.S3().CreateBucket("journals"))
	w.families()
	w.plain()
	return w
}

// condemned is a mark of the grace period that is so many days old. Each image
// needs one of its own.
func (w *world) condemned(days, second int) string {
	return fmt.Sprintf("regsweep-condemned-%d", w.now.AddDate(0, 0, -days).Unix()+int64(second))
}

func (w *world) push(repository, name string, m embedded.Manifest, days int, tags ...string) embedded.Descriptor {
	repo, ok := w.region.Repository(repository)
	if !ok {
		repo = w.region.MustCreateRepository(repository, embedded.RepositoryOptions{})
	}
	w.names[repo.MustPush(embedded.Push{Manifest: m.Bytes(), Tags: tags, At: w.now.AddDate(0, 0, -days)})] = name
	return m.Descriptor()
}

func (w *world) image(repository, name string, days int, tags ...string) embedded.Descriptor {
	return w.push(repository, name, embedded.NewImage(embedded.ConfigBlob(name, 100), embedded.LayerBlob(name, 1000)), days, tags...)
}

func (w *world) index(repository, name string, days int, children []embedded.Descriptor, tags ...string) embedded.Descriptor {
	for i := range children {
		children[i] = children[i].On("linux", fmt.Sprint("arch", i))
	}
	return w.push(repository, name, embedded.NewIndex(children...), days, tags...)
}

// sign attaches something to an image: a bill of materials by its subject.
func (w *world) sign(repository, name string, subject embedded.Descriptor, days int) embedded.Descriptor {
	return w.push(repository, name, embedded.NewArtifact("application/spdx+json", subject, embedded.LayerBlob(name, 50)), days)
}

// families are multi-platform images, nested, signed and shared.
func (w *world) families() {
	const web = "apps/web"
	amd, arm := w.image(web, "old-amd", 60), w.image(web, "old-arm", 60)
	w.sign(web, "old-amd-sbom-signed", w.sign(web, "old-amd-sbom", amd, 60), 60)
	both := w.image(web, "both", 60) // of one that goes with its root, and of one that stays
	inner := w.index(web, "old-inner", 60, []embedded.Descriptor{amd, arm, both})
	other := w.image(web, "old-other", 60)
	w.index(web, "old", 60, []embedded.Descriptor{inner, other}, "v1", w.condemned(20, 1))
	// Two that share a child go, and one that shares another stays.
	shared, kept := w.image(web, "shared", 60), w.image(web, "kept-shared", 60)
	own := w.image(web, "own", 60)
	w.index(web, "first", 60, []embedded.Descriptor{shared, kept}, "v2", w.condemned(20, 2))
	w.index(web, "second", 60, []embedded.Descriptor{shared, own}, "v3", w.condemned(20, 3))
	young := w.image(web, "young-amd", 2)
	w.index(web, "young", 2, []embedded.Descriptor{young, kept, both}, "v9")
	// An old one of which a child is in use stays, and loses its mark.
	busy, idle := w.image(web, "busy", 60), w.image(web, "idle", 60)
	w.index(web, "in-use", 60, []embedded.Descriptor{busy, idle}, "v4", w.condemned(20, 4))
	w.used = append(w.used, host+"/other@"+busy.Digest)
	// Somebody's own untagged image is no part of anything.
	w.image(web, "untagged", 90)
}

// plain are single images, condemned and not, and some for the archive.
func (w *world) plain() {
	const api = "apps/api"
	w.image(api, "gone", 60, "v1", w.condemned(10, 1))
	w.image(api, "gone-too", 60, "v2", "v2.1", w.condemned(10, 2))
	w.image(api, "waiting", 60, "v3", w.condemned(3, 3))
	w.image(api, "unmarked", 60, "v4")
	w.image(api, "used", 60, "v5")
	w.image(api, "newest", 1, "v6")
	w.used = append(w.used, host+"/apps/api:v5")
	w.image("cold/jobs", "frozen", 60, "a")
	w.image("cold/jobs", "frozen-too", 60, "b")
	w.image("cold/jobs", "warm", 1, "c")
}

// state is what is there, by repository and name: tags and storage class. The
// time of a mark is not told, nor how many times an image was kept.
func (w *world) state() map[string]string {
	state := map[string]string{}
	for _, name := range []string{"apps/web", "apps/api", "cold/jobs"} {
		repo, _ := w.region.Repository(name)
		for _, img := range repo.Images() {
			var tags []string
			for _, tag := range img.Tags {
				for _, prefix := range []string{"regsweep-condemned-", "regsweep-kept-"} {
					if strings.HasPrefix(tag, prefix) {
						tag = prefix + "…"
					}
				}
				tags = append(tags, tag)
			}
			slices.Sort(tags)
			state[name+"/"+w.names[img.Digest]] = fmt.Sprint(slices.Compact(tags), img.Status)
		}
	}
	return state
}

// snapshot is what is in use, as the usage source reads it.
func (w *world) snapshot() string {
	var uses []string
	for _, reference := range w.used {
		uses = append(uses, fmt.Sprintf(`{"source":"prod","state":"running","reference":%q,"holder":"web"}`, reference))
	}
	return fmt.Sprintf(`{"schema":"regsweep.usage/v1","createdAt":%q,"sources":[{"name":"prod","uses":%d,"status":"ok"}],"uses":[%s]}`,
		w.now.UTC().Format(time.RFC3339), len(uses), strings.Join(uses, ","))
}
