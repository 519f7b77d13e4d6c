package clusters

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/regsweep/regsweep/internal/embedded"
)

// day is as many minutes.
const day = 24 * 60

// TestCleanupController runs examples/kube-ecr-cleanup-controller: a repository
// with more than 900 images comes down to 900 in the first run. What the original
// lost or stumbled over stays and is no obstacle:
//
//   - references by digest, by tag and digest, without a tag, to a FIPS and to a
//     dual-stack host; init containers; a Deployment at zero replicas; what only a
//     node tells (status.imageID)
//   - more than 100 old images that the filters keep
//   - platform images and signatures, which count and stay with what they belong to
//   - a repository that is not there, and an image that cannot be deleted
func TestCleanupController(t *testing.T) {
	w := newWorld(t, []string{"shop"}, []string{"shop/web", "other"}) // shop/api is missing
	e := w.deploy("kube-ecr-cleanup-controller")
	uri := w.repo("shop/web").URI()
	host := func(service, domain string) string {
		return embedded.DefaultAccount + "." + service + "." + region + "." + domain + "/shop/web"
	}

	var kept []string // in all, 140 images for reasons of their own
	for i := range 130 {
		name := fmt.Sprintf("release-%03d", i)
		w.image("shop/web", 400*day-i, name)
		kept = append(kept, name)
	}
	byDigest := manifest("by-digest")
	digest := w.push("shop/web", "by-digest", byDigest, 300*day, "app-1")
	w.push("shop/web", "signature", manifest("signature"), 300*day, strings.Replace(digest, ":", "-", 1)+".sig")
	moved := w.push("shop/web", "moved", manifest("moved"), 300*day, "stable")
	w.push("shop/web", "stable", manifest("stable"), 299*day, "stable")
	w.image("shop/web", 350*day, "latest")
	w.image("shop/web", 300*day, "fips")
	w.image("shop/web", 300*day, "dual")
	amd64, arm64 := manifest("amd64"), manifest("arm64")
	w.push("shop/web", "amd64", amd64, 300*day)
	platform := w.push("shop/web", "arm64", arm64, 300*day)
	w.push("shop/web", "index", embedded.NewIndex(amd64.Descriptor().On("linux", "amd64"), arm64.Descriptor().On("linux", "arm64")), 300*day, "multi")
	kept = append(kept, "by-digest", "signature", "moved", "stable", "latest", "fips", "dual", "amd64", "arm64", "index")

	w.cluster.Apply(t, "shop", pod("digest", uri+"@"+digest, "")+
		pod("both", uri+":stable@"+moved, "")+
		pod("untagged", uri, "")+
		pod("init", "registry.example.com/x:1", fmt.Sprintf(", initContainers: [{name: init, image: %q}]", host("dkr-ecr", "on.aws")+":dual"))+
		fmt.Sprintf("---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: fips}\nspec: {replicas: 0, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: app, image: %q}]}}}\n",
			host("dkr.ecr-fips", "amazonaws.com")+":fips"))
	w.cluster.Apply(t, "default", pod("node", uri+":gone", "")+
		fmt.Sprintf("status: {phase: Running, containerStatuses: [{name: app, image: %q, imageID: %q, ready: true, restartCount: 0, state: {}, lastState: {}}]}\n", uri+":gone", uri+"@"+platform))
	// Pods of namespaces that are not named do not count, as with -namespaces.
	w.cluster.Apply(t, "kube-system", pod("elsewhere", uri+":build-000", ""))

	for i := range 810 { // 760 of them fit
		name, tags := fmt.Sprintf("build-%03d", i), []string{}
		if i%7 != 3 { // the others have no tag
			tags = append(tags, name)
		}
		w.push("shop/web", name, manifest(name), 200*day-i, tags...)
		if i >= 50 {
			kept = append(kept, name)
		}
	}
	w.repo("shop/web").Fail(w.repo("shop/web").Images()[w.at("shop/web", "build-003")].Digest, "KmsError")
	kept = append(kept, "build-003")
	slices.Sort(kept)
	var others []string
	for i := range 3 {
		w.image("other", 500*day, "old-"+strconv.Itoa(i))
		others = append(others, "old-"+strconv.Itoa(i))
	}

	e.allow("apply")
	p := e.start("--lease-namespace", e.namespace, "--jitter=0s")
	address := p.says(`"address":"([^"]*)"`)
	metric := func(name string) string {
		text := get(t, "http://"+address+"/metrics")
		found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (.*)$`).FindStringSubmatch(text)
		if found == nil {
			return "0"
		}
		return found[1]
	}
	eventually(t, p.said, func() bool { return metric(`regsweep_runs_total{result="partial"}`) == "1" })

	if diff := cmp.Diff(kept, w.left("shop/web")); diff != "" {
		t.Errorf("shop/web (-want +left):\n%s", diff)
	}
	if len(kept) != 900+1 {
		t.Errorf("%d images are left, want 900 and the one that cannot be deleted", len(kept))
	}
	if diff := cmp.Diff(others, w.left("other")); diff != "" {
		t.Errorf("a repository that is not named (-want +left):\n%s", diff)
	}
	if deleted, failed := metric("regsweep_deletions_total"), metric("regsweep_failures_total"); deleted != "49" || failed != "1" {
		t.Errorf("%s deleted and %s failed, want 49 and 1", deleted, failed)
	}
	page := func() string { return get(t, "http://"+address+"/") }
	eventually(t, page, func() bool { return strings.Contains(page(), "shop/web") }) // it has the plan a little later
	if code := p.end(); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.said())
	}
	// Who looks why is told.
	if code, out, _ := e.run("explain", uri+"@"+digest); code != 0 || !strings.Contains(out, "shop/Pod/digest") {
		t.Errorf("explain: exit code %d\n%s", code, out)
	}
}

// at returns where an image is among those of a repository.
func (w *world) at(repo, name string) int {
	return slices.IndexFunc(w.repo(repo).Images(), func(i embedded.Image) bool { return w.names[i.Digest] == name })
}

func get(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestCleanupControllerWithoutRights takes away a right in one namespace: nothing
// that its pods could use goes, and the missing right is named. A pattern with a
// mistake is an answer, and not the end of the process.
func TestCleanupControllerWithoutRights(t *testing.T) {
	w := newWorld(t, []string{"shop"}, []string{"shop/web"})
	e := w.deploy("kube-ecr-cleanup-controller")
	few := strings.Replace(readFile(t, examples, e.name, "regsweep.yaml"), "maxImages: 900", "maxImages: 2", 1)
	e.write(few)
	for i := range 4 {
		w.image("shop/web", 100-i, "build-"+strconv.Itoa(i))
	}
	bindings := schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"}
	if err := w.cluster.Dynamic().Resource(bindings).Namespace("shop").Delete(t.Context(), "regsweep", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string { return "the right is still there" }, func() bool {
		code, out, _ := e.run("plan")
		return code == 4 && strings.Contains(out, "pods")
	})
	code, out, errs := e.run("apply", "--yes")
	if code != 4 {
		t.Errorf("apply without a right: exit code %d, want 4\n%s%s", code, out, errs)
	}
	if diff := cmp.Diff([]string{"build-0", "build-1", "build-2", "build-3"}, w.left("shop/web")); diff != "" {
		t.Errorf("shop/web (-want +left):\n%s", diff)
	}

	e.write(strings.Replace(few, `"release-*"`, `"/release-(/"`, 1))
	if code, _, errs := e.run("plan"); code != 2 || !strings.Contains(errs, "protect[1].tags[0]") {
		t.Errorf("a pattern with a mistake: exit code %d, want 2\n%s", code, errs)
	}
}
