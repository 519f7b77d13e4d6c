package clusters

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/regsweep/regsweep/internal/embedded"
)

var leases = schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}

// TestCronJob runs examples/kubernetes-cronjob: of one repository the two newest
// images by push time stay, and what runs. The original sorted digests, so that it
// deleted any, and knew nothing of what runs, of platforms and of other runs.
func TestCronJob(t *testing.T) {
	w := newWorld(t, nil, []string{"tasks-srv", "other-srv"})
	e := w.deploy("kubernetes-cronjob")
	// By digest the newest are neither first nor last.
	var images []embedded.Manifest
	for i := range 12 {
		images = append(images, manifest(fmt.Sprintf("task-%d", i)))
	}
	slices.SortFunc(images, func(a, b embedded.Manifest) int { return strings.Compare(a.Descriptor().Digest, b.Descriptor().Digest) })
	ages := []int{50, 90, 10, 80, 70, 20, 60, 40, 100, 30, 110, 120} // 10 and 20 are the newest
	for i, m := range images {
		w.push("tasks-srv", fmt.Sprintf("age-%03d", ages[i]), m, ages[i]*day, fmt.Sprintf("v%d", i))
	}
	amd64 := manifest("amd64")
	w.push("tasks-srv", "amd64", amd64, 200*day)
	index := w.push("tasks-srv", "index", embedded.NewIndex(amd64.Descriptor().On("linux", "amd64")), 200*day)
	w.image("other-srv", 500*day, "old")
	uri := w.repo("tasks-srv").URI()
	w.cluster.Apply(t, "default", pod("pinned", uri+"@"+index, "")+pod("tagged", uri+":v8", "")) // v8 is 100 days old
	everything := w.left("tasks-srv")
	e.allow("apply")

	// Another cluster's retry of the Job has the Lease: this one does nothing.
	w.cluster.Apply(t, e.namespace, fmt.Sprintf("{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: regsweep}, spec: {holderIdentity: somebody, leaseDurationSeconds: 600, acquireTime: %[1]q, renewTime: %[1]q}}",
		time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")))
	if code, _, errs := e.run(e.args...); code != 1 || !strings.Contains(errs, "somebody") {
		t.Errorf("while somebody else has the Lease: exit code %d, want 1\n%s", code, errs)
	}
	if diff := cmp.Diff(everything, w.left("tasks-srv")); diff != "" {
		t.Errorf("without the Lease (-want +left):\n%s", diff)
	}
	if err := w.cluster.Dynamic().Resource(leases).Namespace(e.namespace).Delete(t.Context(), "regsweep", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}

	if code, out, errs := e.run(e.args...); code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, out, errs)
	}
	if diff := cmp.Diff([]string{"age-010", "age-020", "age-100", "amd64", "index"}, w.left("tasks-srv")); diff != "" {
		t.Errorf("tasks-srv (-want +left):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"old"}, w.left("other-srv")); diff != "" {
		t.Errorf("other-srv (-want +left):\n%s", diff)
	}
	// The Lease is given back, and what was done is in the journal.
	lease, err := w.cluster.Dynamic().Resource(leases).Namespace(e.namespace).Get(t.Context(), "regsweep", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if holder, _, _ := unstructured.NestedString(lease.Object, "spec", "holderIdentity"); holder != "" {
		t.Errorf("the Lease is still held by %s", holder)
	}
	b, ok := w.aws.Bucket(bucket)
	if !ok || len(b.Keys()) == 0 {
		t.Error("there is no journal in the bucket")
	}
	// Nothing is left to do three days later.
	if code, out, errs := e.run(e.args...); code != 0 {
		t.Errorf("the next run: exit code %d\n%s%s", code, out, errs)
	}
	if got := len(w.left("tasks-srv")); got != 5 {
		t.Errorf("%d images are left after the next run, want 5", got)
	}
}

// TestCronJobFailsClosed lets credentials end and usage be unknown: nothing goes,
// and the exit codes tell the Job's policy whether to try again.
func TestCronJobFailsClosed(t *testing.T) {
	w := newWorld(t, nil, []string{"tasks-srv"})
	e := w.deploy("kubernetes-cronjob")
	for i := range 5 {
		w.image("tasks-srv", (i+1)*day, fmt.Sprintf("v%d", i))
	}
	everything := w.left("tasks-srv")
	unchanged := func(when string) {
		t.Helper()
		if diff := cmp.Diff(everything, w.left("tasks-srv")); diff != "" {
			t.Errorf("%s (-want +left):\n%s", when, diff)
		}
	}
	bindings := schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterrolebindings"}
	list, err := w.cluster.Dynamic().Resource(bindings).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=regsweep"})
	if err != nil || len(list.Items) != 1 {
		t.Fatalf("%d bindings: %v", len(list.Items), err)
	}
	binding := list.Items[0].GetName()
	if err := w.cluster.Dynamic().Resource(bindings).Delete(t.Context(), binding, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string { return "the right is still there" }, func() bool {
		code, _, _ := e.run("usage")
		return code == 4
	})
	code, out, errs := e.run(e.args...)
	if code != 4 || !strings.Contains(out+errs, "pods") { // FailJob: held
		t.Errorf("without the right to list pods: exit code %d, want 4\n%s%s", code, out, errs)
	}
	unchanged("without the right to list pods")

	w.aws.ExpireKey("test")
	if code, _, errs := e.run(e.args...); code != 1 || !strings.Contains(errs, "expired") { // tried again
		t.Errorf("with credentials that have expired: exit code %d, want 1\n%s", code, errs)
	}
	unchanged("with credentials that have expired")
}
