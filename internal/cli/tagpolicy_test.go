package cli_test

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/kubetest"
)

// documented returns a block of docs/tag.md that is marked as used by a test.
func documented(t *testing.T, name string) string {
	t.Helper()
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "tag.md"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)<!-- " + name + ": [^>]*-->\n```[a-z]+\n(.*?)\n```").FindSubmatch(doc)
	if m == nil {
		t.Fatalf("docs/tag.md has no block %s", name)
	}
	return string(m[1])
}

// TestTagAndLifecyclePolicy keeps the last 1,000 images that were deployed in
// production and removes those tagged 1.0* that are older than 30 days, by the
// recipe of the documentation: the command tags what the namespace prod of a real
// API server runs, and the account evaluates the lifecycle policy by itself.
func TestTagAndLifecyclePolicy(t *testing.T) {
	setEnvironment(t)
	server := kubetest.Start(t, kubetest.Options{})
	srv := embedded.New(embedded.Options{Clock: func() time.Time { return scriptNow }})
	region := srv.Account(embedded.DefaultAccount).Region("eu-west-1")
	web := region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	names := map[string]string{} // by digest
	image := func(name string) embedded.Manifest {
		return embedded.NewImage(embedded.ConfigBlob(name, 10), embedded.LayerBlob(name, 90))
	}
	push := func(name string, m embedded.Manifest, days int, tags ...string) string {
		digest := embedded.Must(web.Push(embedded.Push{Manifest: m.Bytes(), Tags: tags, At: scriptNow.AddDate(0, 0, -days)}))
		names[digest] = name
		return digest
	}
	var stay []string
	// What earlier runs marked: with the six that run, 994 of them are the last 1,000,
	// and the nine before these are not.
	for i := range 1003 {
		name := fmt.Sprintf("deployed-%d", i)
		push(name, image(name), 100+i, fmt.Sprintf("1.0.%d", 5000-i), fmt.Sprintf("production-%d", scriptNow.AddDate(0, 0, -60).Unix()+int64(i)))
		if i < 994 {
			stay = append(stay, name)
		}
	}
	// What runs now: an old image, one by its digest whose tag moved on, one in two
	// places, a Job's, and an index by the digest of a platform.
	push("old", image("old"), 90, "1.0.old")
	moved := push("moved", image("moved"), 80)
	push("mover", image("mover"), 20, "1.0.moved")
	push("twice", image("twice"), 70, "1.0.twice")
	push("job", image("job"), 60, "1.0.job")
	amd64 := push("amd64", image("amd64"), 50)
	push("multi", embedded.NewIndex(image("amd64").Descriptor().On("linux", "amd64")), 50, "1.0.multi")
	stay = append(stay, "old", "moved", "mover", "twice", "job", "amd64", "multi")
	// What was never deployed in production: too old, young enough, exactly 30 days
	// old, and of no rule; and what only another namespace runs.
	push("failed", image("failed"), 31, "1.0.failed")
	push("young", image("young"), 29, "1.0.young")
	push("limit", image("limit"), 30, "1.0.limit")
	push("next", image("next"), 400, "1.1.0")
	push("untagged", image("untagged"), 400)
	push("staged", image("staged"), 40, "1.0.staged")
	stay = append(stay, "young", "limit", "next", "untagged")

	reference := web.URI()
	for _, namespace := range []string{"prod", "staging"} {
		server.Apply(t, "", "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+namespace+"}\n")
	}
	pod := func(name, image, id string) string {
		return fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec: {containers: [{name: app, image: %q}]}\nstatus:\n  phase: Running\n"+
			"  containerStatuses: [{name: app, image: %[2]q, imageID: %[3]q, ready: true, restartCount: 0, state: {}, lastState: {}}]\n", name, image, id)
	}
	for _, manifest := range []string{
		workload("Deployment", "old", reference+":1.0.old"),
		pod("moved", reference+":1.0.moved", reference+"@"+moved),
		workload("Deployment", "twice", reference+":1.0.twice"),
		workload("CronJob", "twice", reference+":1.0.twice"),
		workload("Job", "job", reference+":1.0.job"),
		pod("multi", reference+":1.0.multi", reference+"@"+amd64),
	} {
		server.Apply(t, "prod", manifest)
	}
	server.Apply(t, "staging", workload("Deployment", "staged", reference+":1.0.staged"))
	server.Apply(t, "staging", workload("Deployment", "twice", reference+":1.0.twice"))

	aws := httptest.NewServer(srv)
	defer aws.Close()
	t.Setenv("AWS_ENDPOINT_URL", aws.URL)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("KUBECONFIG", server.Kubeconfig())
	config := strings.TrimPrefix(documented(t, "pair-config"), "version: 1\n")
	command := strings.Fields(documented(t, "pair-command"))
	o := runCLI(t, config, command[1:]...)
	if o.Code != 0 || !strings.Contains(o.Stdout, "6 images in use: 6 tagged.") {
		t.Fatalf("%v: exit code %d\n%s%s", command, o.Code, o.Stdout, o.Stderr)
	}

	web.SetLifecyclePolicy(documented(t, "pair-policy"))
	if _, err := web.ApplyLifecyclePolicy(); err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, img := range web.Images() {
		left = append(left, names[img.Digest])
	}
	slices.Sort(left)
	slices.Sort(stay)
	if diff := cmp.Diff(stay, left); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
}
