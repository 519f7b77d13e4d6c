package clusters

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/embedded"
)

// marks returns what is marked in a repository: the names of the images, with how
// many tags they have that match. No two images have the same tag in ECR, so each
// mark is of one image.
func (w *world) marks(repo, expression string) map[string]int {
	found := map[string]int{}
	for _, img := range w.repo(repo).Images() {
		for _, tag := range img.Tags {
			if regexp.MustCompile(expression).MatchString(tag) {
				found[w.names[img.Digest]]++
			}
		}
	}
	return found
}

// shelf is what TestTagger and TestOneTag run against: what prod runs, what
// another namespace runs, and what nobody runs.
func shelf(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, []string{"prod"}, []string{"shop/web", "shop/api"})
	if _, err := w.region().CreateRepository("shop/fixed", embedded.RepositoryOptions{Mutability: embedded.Immutable}); err != nil {
		t.Fatal(err)
	}
	for i, tag := range []string{"1.0.1", "1.0.2", "1.0.3", "1.0.4", "1.0.5", "1.1.0"} {
		w.image("shop/web", (50-i)*day, tag)
	}
	w.image("shop/web", 5*day, "1.0.9")
	w.image("shop/fixed", 40*day, "1.0.1")
	amd64 := manifest("amd64")
	platform := w.push("shop/api", "amd64", amd64, 60*day)
	w.push("shop/api", "index", embedded.NewIndex(amd64.Descriptor().On("linux", "amd64")), 60*day, "1.0.0")
	web, fixed := w.repo("shop/web"), w.repo("shop/fixed")
	second := web.Images()[w.at("shop/web", "1.0.2")].Digest
	w.cluster.Apply(t, "prod", pod("one", web.URI()+":1.0.1", "")+
		pod("two", web.URI()+"@"+second, "")+
		pod("both", web.URI()+":1.0.3@"+second, "")+
		pod("fixed", fixed.URI()+":1.0.1", "")+
		pod("multi", w.repo("shop/api").URI()+"@"+platform, ""))
	w.cluster.Apply(t, "default", pod("staging", web.URI()+":1.0.4", ""))
	return w
}

// TestTagger runs examples/kube-ecr-tagger: what runs in prod is marked, and what
// comes to run there too, and ECR by its lifecycle policy keeps just that. The
// original's faults: it never matched an image; two images of a repository at the
// same second got the same tag; no digests; no repositories with immutable tags;
// marks without end. What is marked keeps its digest, so its media type too.
func TestTagger(t *testing.T) {
	w := shelf(t)
	e := w.deploy("kube-ecr-tagger")
	e.allow("tag")
	before := w.left("shop/web")
	p := e.start()
	p.says(`"msg":"tagged"`)
	const mark = `^production-[0-9]{10}$`
	all := func() []map[string]int {
		return []map[string]int{w.marks("shop/web", mark), w.marks("shop/api", mark), w.marks("shop/fixed", mark)}
	}
	want := []map[string]int{{"1.0.1": 1, "1.0.2": 1, "1.0.3": 1}, {"index": 1}, {"1.0.1": 1}}
	eventually(t, func() string { return cmp.Diff(want, all()) + p.said() }, func() bool { return cmp.Equal(want, all()) })

	w.cluster.Apply(t, "prod", pod("later", w.repo("shop/web").URI()+":1.0.5", ""))
	want[0]["1.0.5"] = 1
	eventually(t, func() string { return cmp.Diff(want, all()) + p.said() }, func() bool { return cmp.Equal(want, all()) })
	if code := p.end(); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.said())
	}
	if diff := cmp.Diff(before, w.left("shop/web")); diff != "" {
		t.Errorf("tagging took images away (-before +after):\n%s", diff)
	}
	// A run after it marks nothing again.
	if code, out, errs := e.run(append(slices.DeleteFunc(slices.Clone(e.args), watching), "-o", "json")...); code != 0 || !strings.Contains(out, `"tagged": 0`) {
		t.Errorf("tag again: exit code %d\n%s%s", code, out, errs)
	}
	if diff := cmp.Diff(want, all()); diff != "" {
		t.Errorf("after another run (-want +marks):\n%s", diff)
	}

	// ECR removes what was not deployed and is older than 30 days.
	w.repo("shop/web").SetLifecyclePolicy(readFile(t, examples, e.name, "lifecycle-policy.json"))
	if _, err := w.region().ApplyLifecyclePolicies(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"1.0.1", "1.0.2", "1.0.3", "1.0.5", "1.0.9", "1.1.0"}, w.left("shop/web")); diff != "" {
		t.Errorf("shop/web after its lifecycle policy (-want +left):\n%s", diff)
	}
}

// watching tells the flags that only go with --watch.
func watching(arg string) bool { return arg == "--watch" || strings.HasPrefix(arg, "--interval") }

// TestOneTag is the same with one tag by name: one image of each repository has it,
// the newest that runs, and it moves. Where tags are immutable it cannot move, and
// the other repositories get theirs.
func TestOneTag(t *testing.T) {
	w := shelf(t)
	e := w.deploy("kube-ecr-tagger")
	e.write(readFile(t, examples, e.name, "regsweep-one-tag.yaml"))
	e.allow("tag")
	once := slices.DeleteFunc(slices.Clone(e.args), watching)
	tag := func() {
		t.Helper()
		if code, out, errs := e.run(once...); code != 0 {
			t.Fatalf("exit code %d\n%s%s", code, out, errs)
		}
	}
	all := func() string {
		return fmt.Sprint(w.marks("shop/web", "^production$"), w.marks("shop/api", "^production$"), w.marks("shop/fixed", "^production$"))
	}
	// What runs is 1.0.2: that is the digest of the pod that names 1.0.3 too.
	tag()
	if diff := cmp.Diff("map[1.0.2:1] map[index:1] map[1.0.1:1]", all()); diff != "" {
		t.Errorf("images with the tag (-want +got):\n%s", diff)
	}
	w.cluster.Apply(t, "prod", pod("later", w.repo("shop/web").URI()+":1.0.5", ""))
	tag()
	if diff := cmp.Diff("map[1.0.5:1] map[index:1] map[1.0.1:1]", all()); diff != "" {
		t.Errorf("images with the tag after a newer one runs (-want +got):\n%s", diff)
	}
}
