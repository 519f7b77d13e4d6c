package demo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/regsweep/regsweep/internal/embedded"
)

// traps puts images to use, each in a way that some tool has overlooked.
func (w *world) traps() {
	w.ecsTraps()
	w.lambdaTraps()
	w.clusterTraps()
	w.registryTraps()
}

func (w *world) uri(repo string) string { return w.repo(repo).URI() }

func (w *world) ecsTraps() {
	ecs := w.region.ECS()
	shop := embedded.Must(ecs.CreateCluster("shop"))
	run := func(name, image string, desired int) *embedded.ECSService {
		return embedded.Must(shop.CreateService(embedded.ECSServiceOptions{
			Name: name, TaskDefinition: ecs.RegisterTaskDefinition(name, image), DesiredCount: desired,
		}))
	}
	// Pinned: ECS resolved the tag when it deployed. The tag has moved since, and
	// the image that runs has none.
	pinned := w.plain("apps/web", "pinned", 150*day, "production")
	run("web", w.uri("apps/web")+":production", 3)
	w.plain("apps/web", "unpinned", 20*day, "production")
	w.explain(w.uri("apps/web")+"@"+pinned, "it is 150 days old and untagged, and a service runs it: its tag moved on after the deployment")
	// Scaled in: no task, and a task definition that was deregistered.
	w.plain("apps/reports", "scaledin", 170*day, "quarterly")
	run("reports", w.uri("apps/reports")+":quarterly", 0)
	_ = ecs.DeregisterTaskDefinition("reports:1")
	// Rolled back: the revision before is what a failed deployment goes back to.
	orders := run("orders", w.uri("apps/orders")+":v1.3.0", 2)
	if err := orders.Deploy(ecs.RegisterTaskDefinition("orders", w.uri("apps/orders")+":v1.3.1"), embedded.DeploymentRolledBack); err != nil {
		panic(err)
	}
	// Standalone: a task in no service, of a preview.
	w.plain("apps/search", "standalone", 80*day, "pr-17")
	embedded.Must(shop.RunTask(ecs.RegisterTaskDefinition("search-preview", w.uri("apps/search")+":pr-17")))
	// Tag and digest in one reference.
	both := w.plain("apps/payments", "both", 190*day, "frozen")
	run("payments", w.uri("apps/payments")+":frozen@"+both, 1)
	w.plain("apps/payments", "thawed", 100*day, "frozen")
	for _, name := range []string{"checkout", "accounts", "catalogue"} {
		run(name, w.uri("apps/"+name)+":v1.5.0", 2)
	}
	if _, err := w.region.AppRunner().CreateService("landing", w.uri("sites/landing")+":live"); err != nil {
		panic(err)
	}
}

func (w *world) lambdaTraps() {
	lambda := w.region.Lambda()
	for _, name := range []string{"thumbnails", "invoices", "export", "webhooks", "geocode"} {
		repo := "jobs/" + name
		embedded.Must(lambda.CreateFunction(name, w.uri(repo)+":build-"+w.now.Format("20060102")))
	}
	// An alias sends a tenth of the calls to a version that is half a year old.
	canary := w.plain("jobs/thumbnails", "canary", 200*day, "candidate")
	f := embedded.Must(lambda.CreateFunction("resize", w.uri("jobs/thumbnails")+"@"+canary))
	old := f.Publish()
	if err := f.UpdateCode(w.uri("jobs/thumbnails") + ":build-" + w.now.Format("20060102")); err != nil {
		panic(err)
	}
	if err := f.PutAlias("live", f.Publish(), map[string]float64{old: 0.1}); err != nil {
		panic(err)
	}
}

func (w *world) clusterTraps() {
	// A node reports the digest of its platform; the index has the tag.
	m := w.multiplatform("apps/media", "platform", 120*day, "main-0c0ffee")
	w.use("running", w.uri("apps/media")+"@"+m.arm64, "media/Deployment/media")
	w.explain(w.uri("apps/media")+":main-0c0ffee", "only the digest of its arm64 image is in use, and the whole family stays")
	// No tag is latest.
	w.plain("sites/docs", "implied", 90*day, "latest")
	w.use("declared", w.uri("sites/docs")+":latest", "web/CronJob/rebuild-docs")
	// Replication copies digests: the other registry's image is used, ours goes
	// there again at the next failover.
	replica := w.plain("apps/mail", "replica", 140*day, "main-5eed5ee")
	w.use("running", strings.Replace(w.uri("apps/mail"), Region, "us-east-1", 1)+"@"+replica, "mail/StatefulSet/mail")
	// An older ReplicaSet is what `kubectl rollout undo` goes back to.
	w.use("rollback", w.uri("apps/mail")+":v1.2.0", "mail/Deployment/api")
	w.use("running", w.uri("apps/mail")+":v1.5.0", "mail/Deployment/api")
	// In use, and not there any more: worth a warning.
	w.use("declared", w.uri("tools/migrations")+":v0", "ops/Job/migrate-2019")
}

func (w *world) registryTraps() {
	// Two tags, one of them a release's: no preview.
	w.plain("apps/checkout", "promoted", 160*day, "pr-412", "hotfix-3")
	// Two indexes share an image. One goes, the image stays with the other.
	shared := w.image("tools/runner", "shared", "amd64")
	w.push("tools/runner", shared, 130*day)
	other := w.image("tools/runner", "other", "arm64")
	w.push("tools/runner", other, 130*day)
	w.push("tools/runner", embedded.NewIndex(shared.Descriptor().On("linux", "amd64")), 130*day, "main-old0001")
	w.push("tools/runner", embedded.NewIndex(shared.Descriptor().On("linux", "amd64"), other.Descriptor().On("linux", "arm64")), 3*day, "main-new0001")
	// Signatures whose image somebody deleted.
	for i := range 25 {
		gone := w.image("apps/orders", fmt.Sprintf("gone%d", i), "amd64")
		w.sign("apps/orders", gone, time.Duration(60+i)*day)
	}
	// A registry without the referrers API: an index under a fallback tag. Each
	// new signature replaced it, and the ones before are untagged.
	subject := w.multiplatform("apps/accounts", "fallback", 30*day, "v1.9.0")
	var signatures []embedded.Descriptor
	for i := range 3 {
		s := embedded.NewArtifact("application/vnd.dev.cosign.artifact.sig.v1+json", subject.index.Descriptor(),
			embedded.LayerBlob(fmt.Sprintf("fallbacksig%d", i), 300))
		w.push("apps/accounts", s, time.Duration(29-i)*day)
		signatures = append(signatures, s.Descriptor())
		w.push("apps/accounts", embedded.NewIndex(signatures...), time.Duration(29-i)*day,
			strings.Replace(subject.digest, ":", "-", 1))
	}
	w.explain(w.uri("apps/web")+":pr-850", "a preview that nobody uses any more")
}

func (w *world) use(state, reference, holder string) {
	w.held = append(w.held, held{state, reference, "kubernetes/prod/" + holder})
}

func (w *world) explain(image, why string) {
	w.Explain = append(w.Explain, Example{Image: image, Why: why})
}

// snapshot returns the uses of the cluster as a usage snapshot.
func (w *world) snapshot() []byte {
	slices.SortFunc(w.held, func(a, b held) int {
		return strings.Compare(a.reference+a.holder+a.state, b.reference+b.holder+b.state)
	})
	uses := []map[string]string{}
	for _, h := range w.held {
		uses = append(uses, map[string]string{"source": "kubernetes/prod", "state": h.state, "reference": h.reference, "holder": h.holder})
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	err := enc.Encode(map[string]any{
		"schema": "regsweep.usage/v1", "createdAt": w.now.Format(time.RFC3339), "uses": uses,
		"sources": []map[string]any{{"name": "kubernetes/prod", "uses": len(uses), "status": "ok", "detail": ""}},
	})
	if err != nil {
		panic(err) // maps of strings always encode
	}
	return b.Bytes()
}
