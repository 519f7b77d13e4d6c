package kubernetes

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
)

// answers is an API server that says what a real one cannot be made to say. A
// path that it has no answer for is an empty list.
type answers map[string]string

// Prefixes of answers that are not a plain 200.
const (
	status403 = "403 "
	status404 = "404 "
	status500 = "500 "
	status503 = "503 "
	// cutOff promises more than it sends.
	cutOff = "cut "
)

const (
	emptyList      = `{"kind":"List","metadata":{},"items":[]}`
	emptyDiscovery = `{"kind":"APIGroupDiscoveryList","items":[]}`
)

// start starts the server and returns how to reach it and what it was asked.
func (a answers) start(t *testing.T) (*rest.Config, func() []string) {
	t.Helper()
	var mu sync.Mutex
	var paths []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		paths = append(paths, r.URL.Path)
		mu.Unlock()
		body, ok := a[r.URL.Path]
		switch {
		case ok:
		case r.URL.Path == "/apis":
			body = emptyDiscovery
		default:
			body = emptyList
		}
		w.Header().Set("Content-Type", "application/json")
		for prefix, code := range map[string]int{status403: 403, status404: 404, status500: 500, status503: 503} {
			if message, is := strings.CutPrefix(body, prefix); is {
				reason := map[int]string{403: "Forbidden", 404: "NotFound", 500: "InternalError", 503: "ServiceUnavailable"}[code]
				w.WriteHeader(code)
				fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"code":%d,"message":%q}`, reason, code, message)
				return
			}
		}
		if start, is := strings.CutPrefix(body, cutOff); is {
			w.Header().Set("Content-Length", fmt.Sprint(len(start)+100))
			body = start
		}
		fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	return &rest.Config{Host: s.URL}, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Sorted(slices.Values(paths))
	}
}

// list returns a list of objects.
func list(items ...string) string {
	return `{"kind":"List","apiVersion":"v1","metadata":{"resourceVersion":"7"},"items":[` + strings.Join(items, ",") + `]}`
}

// podJSON returns a pod in the namespace shop.
func podJSON(name, image string) string {
	return fmt.Sprintf(`{"metadata":{"namespace":"shop","name":%q,"uid":%q},"spec":{"containers":[{"name":"c","image":%q}]}}`, name, name, image)
}

// Each answer is an error that names what could not be read, and what else
// there is is found beside it.
func TestCollectUnexpectedAnswers(t *testing.T) {
	const pods, deployments = "/api/v1/pods", "/apis/apps/v1/deployments"
	web := list(podJSON("web", "registry.example.com/web:1"))
	manyBad := strings.TrimSuffix(strings.Repeat(`{"metadata":{"namespace":"shop","name":"bad"},"spec":7},`, 8), ",")
	for name, test := range map[string]struct {
		answers answers
		custom  bool
		want    []string // in the error; none: no error
		found   []string // nil: the pod web
	}{
		"everything is fine":    {answers: answers{pods: web}},
		"null instead of items": {answers: answers{pods: web, deployments: `{"metadata":{},"items":null}`}},
		"unknown fields before and after": {answers: answers{pods: strings.Replace(web, `"kind"`, `"x":{"items":[1]},"kind"`, 1),
			deployments: `{"items":[],"metadata":{},"y":[{}]}`}},
		"a server error":         {answers: answers{pods: web, deployments: status500 + "leader changed"}, want: []string{"list deployments.apps: ", "leader changed"}},
		"a kind is not served":   {answers: answers{pods: web, deployments: status404 + "no such thing"}, want: []string{"list deployments.apps: "}},
		"an empty object":        {answers: answers{pods: web, deployments: `{}`}, want: []string{"list deployments.apps: the answer is not a list"}},
		"items without metadata": {answers: answers{pods: web, deployments: `{"items":[]}`}, want: []string{"list deployments.apps: the answer is not a list"}},
		"items is an object":     {answers: answers{pods: web, deployments: `{"metadata":{},"items":{}}`}, want: []string{"list deployments.apps: the answer is not a list"}},
		"metadata is a number":   {answers: answers{pods: web, deployments: `{"metadata":7,"items":[]}`}, want: []string{"list deployments.apps: the answer is not a list"}},
		"a page of HTML":         {answers: answers{pods: web, deployments: `<html>hello</html>`}, want: []string{"list deployments.apps: the answer is not a list"}},
		"an array":               {answers: answers{pods: web, deployments: `[]`}, want: []string{"list deployments.apps: the answer is not a list"}},
		"two lists":              {answers: answers{pods: web, deployments: emptyList + emptyList}, want: []string{"list deployments.apps: the answer is not a list"}},
		"nothing":                {answers: answers{pods: web, deployments: cutOff}, want: []string{"connection lost while reading deployments.apps"}},
		"cut off between items":  {answers: answers{pods: cutOff + web[:len(web)-2] + ","}, want: []string{"connection lost while reading pods"}},
		"cut off after the list": {answers: answers{pods: web, deployments: cutOff + emptyList}, want: []string{"connection lost while reading deployments.apps"}},
		"an object of another form": {answers: answers{pods: list(
			`{"metadata":{"namespace":"shop","name":"odd"},"spec":{"volumes":"none","containers":[{"name":"c","image":"registry.example.com/odd:1"}]}}`,
			podJSON("web", "registry.example.com/web:1"))},
			want: []string{"read Pod shop/odd: "}, found: []string{"registry.example.com/odd:1", "registry.example.com/web:1"}},
		"many of them": {answers: answers{pods: list(manyBad, podJSON("web", "registry.example.com/web:1"))},
			want: []string{"read Pod shop/bad: ", "and 3 more objects of kind Pod"}},
		"a Deployment without a template": {answers: answers{pods: web, deployments: list(`{"metadata":{"namespace":"shop","name":"odd"},"spec":{}}`)},
			want: []string{"read Deployment shop/odd: there is no spec.template"}},
		"a CronJob without a template": {answers: answers{pods: web, "/apis/batch/v1/cronjobs": list(`{"metadata":{"namespace":"shop","name":"odd"},"spec":{}}`)},
			want: []string{"read CronJob shop/odd: there is no spec.jobTemplate.spec.template"}},
		"a Rollout of an unknown workload": {answers: answers{pods: web, "/apis": discovered("argoproj.io", "v1alpha1", "rollouts", "Current"),
			"/apis/argoproj.io/v1alpha1/rollouts": list(`{"metadata":{"namespace":"shop","name":"r"},"spec":{"workloadRef":{"kind":"Gadget","name":"g"}}}`)},
			want: []string{"read Rollout shop/r: workloadRef names the Gadget g"}},
		"discovery is denied": {answers: answers{pods: web, "/apis": status403 + "no"},
			want: []string{"discover API groups: access denied: bind ClusterRole system:discovery"}},
		"discovery fails":        {answers: answers{pods: web, "/apis": status503 + "later"}, want: []string{"discover API groups: ", "later"}},
		"discovery is HTML":      {answers: answers{pods: web, "/apis": `<html>`}, want: []string{"discover API groups: "}},
		"discovery is a list":    {answers: answers{pods: web, "/apis": emptyList}, want: []string{"discover API groups: ", `its kind is "List"`}},
		"discovery has no items": {answers: answers{pods: web, "/apis": `{"kind":"APIGroupDiscoveryList"}`}, want: []string{"discover API groups: the answer is not a list of objects: it lacks items"}},
		"discovery of no groups": {answers: answers{pods: web, "/apis": `{"kind":"APIGroupList"}`}, want: []string{"discover API groups: the answer is not a list of objects: it lacks groups"}},
		"metadata is null":       {answers: answers{pods: web, deployments: `{"metadata":null,"items":[]}`}, want: []string{"list deployments.apps: the answer is not a list"}},
		"a group is stale":       {custom: true, answers: answers{pods: web, "/apis": discovered("away.example.com", "v1", "", "Stale")}, want: []string{"discover away.example.com/v1: "}},
		"the metrics are stale":  {custom: true, answers: answers{pods: web, "/apis": discovered("metrics.k8s.io", "v1", "", "Stale")}},
		"Rollouts may be stale":  {answers: answers{pods: web, "/apis": discovered("argoproj.io", "v1alpha1", "", "Stale")}, want: []string{"discover argoproj.io/v1alpha1: "}},
		"another group is stale": {answers: answers{pods: web, "/apis": discovered("away.example.com", "v1", "", "Stale")}},
	} {
		t.Run(name, func(t *testing.T) {
			config, _ := test.answers.start(t)
			findings, err := sourceFor(config, Config{CustomResources: test.custom}).Collect(t.Context())
			if (err != nil) != (len(test.want) > 0) {
				t.Errorf("error %v", err)
			}
			for _, want := range test.want {
				if err != nil && !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not hold %q", err, want)
				}
			}
			if test.found == nil {
				test.found = []string{"registry.example.com/web:1"}
			}
			if diff := cmp.Diff(test.found, asked(findings.Observations)); diff != "" {
				t.Errorf("found (-want +got):\n%s", diff)
			}
		})
	}
}

// discovered is an aggregated discovery with one version of one group.
func discovered(group, version, resource, freshness string) string {
	resources := ""
	if resource != "" {
		resources = fmt.Sprintf(`{"resource":%q,"responseKind":{"kind":"Thing"},"scope":"Namespaced","verbs":["get","list"]}`, resource)
	}
	return fmt.Sprintf(`{"kind":"APIGroupDiscoveryList","items":[{"metadata":{"name":%q},"versions":[{"version":%q,"freshness":%q,"resources":[%s]}]}]}`,
		group, version, freshness, resources)
}

// A server before aggregated discovery is asked group by group, and each kind
// is listed once, in the preferred version.
func TestCollectPlainDiscovery(t *testing.T) {
	resources := func(names ...string) string {
		var r []string
		for _, n := range names {
			r = append(r, fmt.Sprintf(`{"name":%q,"kind":"Thing","namespaced":true,"verbs":["list"]}`, n))
		}
		return `{"kind":"APIResourceList","resources":[` + strings.Join(append(r, `{"name":"things/status","verbs":["list"]},{"name":"reviews","verbs":["create"]}`), ",") + `]}`
	}
	thing := `{"metadata":{"namespace":"shop","name":"t"},"image":"registry.example.com/thing:1"}`
	config, paths := answers{
		"/apis": `{"kind":"APIGroupList","groups":[
			{"name":"apps","versions":[{"version":"v1"}],"preferredVersion":{"version":"v1"}},
			{"name":"away.example.com","versions":[{"version":"v1"}],"preferredVersion":{"version":"v1"}},
			{"name":"odd.example.com","versions":[{"version":"v1"}],"preferredVersion":{"version":"v1"}},
			{"name":"example.com","versions":[{"version":"v1beta1"},{"version":"v1"}],"preferredVersion":{"version":"v1"}}]}`,
		"/apis/away.example.com/v1":       status503 + "away",
		"/apis/odd.example.com/v1":        `{}`,
		"/apis/example.com/v1":            resources("things"),
		"/apis/example.com/v1beta1":       resources("things", "oldthings"),
		"/apis/example.com/v1/things":     list(thing),
		"/apis/example.com/v1beta1/olds":  emptyList,
		"/apis/example.com/v1beta1/thing": emptyList,
	}.start(t)
	findings, err := sourceFor(config, Config{CustomResources: true}).Collect(t.Context())
	for _, want := range []string{"discover away.example.com/v1: away", "discover odd.example.com/v1: the answer is not a list"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not hold %q", err, want)
		}
	}
	if diff := cmp.Diff("declared shop/Thing/t registry.example.com/thing:1\n", lines(findings.Observations)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var custom []string
	for _, p := range paths() {
		if strings.Contains(p, "example.com") {
			custom = append(custom, p)
		}
	}
	want := []string{"/apis/away.example.com/v1", "/apis/example.com/v1", "/apis/example.com/v1/things",
		"/apis/example.com/v1beta1", "/apis/example.com/v1beta1/oldthings", "/apis/odd.example.com/v1"}
	if diff := cmp.Diff(want, custom); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// An API server that is busy says when to come again.
func TestCollectWaitsWhenTold(t *testing.T) {
	var mu sync.Mutex
	asked := map[string]int{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[r.URL.Path]++
		first := asked[r.URL.Path] == 1
		mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		switch {
		case first:
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
		case r.URL.Path == "/apis":
			fmt.Fprint(w, emptyDiscovery)
		default:
			fmt.Fprint(w, emptyList)
		}
	}))
	defer s.Close()
	if _, err := sourceFor(&rest.Config{Host: s.URL}, Config{}).Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	for path, n := range asked {
		if n != 2 {
			t.Errorf("%s: asked %d times, want 2", path, n)
		}
	}
}

// Hundreds of denied kinds are one error.
func TestJoinErrors(t *testing.T) {
	forbidden, reset, expired := errors.New("forbidden"), errors.New("reset"), errors.New("expired")
	other := errors.New("other")
	err := joinErrors([]error{
		nil,
		&AccessError{Verb: "list", Resources: []string{"pods"}, Err: forbidden},
		other,
		&UnreachableError{Cluster: "c", Reading: []string{"jobs.batch"}, Err: reset},
		&AccessError{Verb: "list", Resources: []string{"deployments.apps"}, Err: forbidden},
		&AccessError{Verb: "list", Resources: []string{"pods"}, Namespace: "shop", Err: forbidden},
		&CredentialsError{Cluster: "c", Err: expired},
		&UnreachableError{Cluster: "c", Reading: []string{"cronjobs.batch"}, Err: reset},
		&CredentialsError{Cluster: "c", Err: expired},
	})
	want := `list deployments.apps, pods in all namespaces: access denied: bind a ClusterRole with verb list on them (regsweep permissions rbac prints it): forbidden
other
c: connection lost while reading cronjobs.batch, jobs.batch: reset
list pods in namespace shop: access denied: bind a Role there with verb list on them (regsweep permissions rbac prints it): forbidden
c does not accept the credentials (wrong or expired): expired`
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, cause := range []error{forbidden, reset, expired, other} {
		if !errors.Is(err, cause) {
			t.Errorf("the error does not wrap %v", cause)
		}
	}
	if err := joinErrors([]error{nil, nil}); err != nil {
		t.Errorf("no errors joined: %v", err)
	}
}
