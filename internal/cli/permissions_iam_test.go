package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/cli"
	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/kinds"
	"github.com/regsweep/regsweep/internal/permissions"
)

const (
	callersKey   = "test" // an unknown key is the administrator's of the first account
	otherAccount = "444455556666"
	registryRole = "arn:aws:iam::" + otherAccount + ":role/sweep/registry"
	sourcesRole  = "arn:aws:iam::" + otherAccount + ":role/sources"
)

// leastPrivilege are configurations that together have every registry, every
// source that calls AWS, and every setting that permissions depend on.
var leastPrivilege = []struct {
	name, config string
	roles        []string
	// apply says that the rules let something go.
	apply bool
}{
	{"deletes", `
registries: [{ecr: {region: eu-west-1}}]
usage: none
rules: [{keep: [{youngerThan: 30d}]}]
`, nil, true},
	{"archives, by the region of the environment", `
registries: [{ecr: {}}]
usage: none
rules: [{action: archive, untagged: true}, {action: archive, tags: ["*"], keep: [{youngerThan: 30d}]}]
`, nil, true},
	{"reads the tags of repositories", `
registries: [{ecr: {account: "111122223333"}}]
usage: none
rules:
  - {repositoryTags: {team: web}, keep: [{youngerThan: 30d}]}
  - {tags: ["v*"], action: archive, keep: [{youngerThan: 30d}]}
`, nil, true},
	{"marks for a grace period", `
registries: [{ecr: {region: eu-west-1}}]
usage: none
rules: [{keep: [{youngerThan: 30d}]}]
grace: 7d
`, nil, true},
	{"keeps everything", `
registries: [{ecr: {region: eu-west-1, hosts: [images.example.com]}}]
usage: none
`, nil, false},
	{"every source, in two regions", `
registries: [{ecr: {region: eu-west-1}}]
usage:
  - ecs: {regions: [eu-west-1, us-east-1]}
  - lambda: {versions: 1}
  - appRunner: {regions: [us-east-1]}
  - snapshot: {path: "s3://exchange/team */uses?.json"}
  - command: {run: [echo, apps/none:v1]}
rules: [{keep: [{youngerThan: 30d}]}]
`, nil, true},
	{"roles of another account", fmt.Sprintf(`
registries: [{ecr: {assumeRole: %q}}]
usage:
  - ecs: {assumeRole: %[2]q, revisions: 1}
  - lambda: {regions: [eu-west-1], assumeRole: %[2]q}
  - appRunner: {assumeRole: %[2]q}
rules: [{repositoryTags: {team: web}, keep: [{youngerThan: 30d}]}]
`, registryRole, sourcesRole), []string{registryRole, sourcesRole}, true},
	{"another account by its policies", `
registries:
  - {name: ours, ecr: {region: us-east-1}}
  - {name: theirs, ecr: {account: "444455556666"}}
usage: none
rules: [{repositoryTags: {team: web}, keep: [{youngerThan: 30d}]}]
`, nil, true},
	{"one role for two registries and a source", fmt.Sprintf(`
registries:
  - {name: a, ecr: {region: eu-west-1, account: "444455556666", assumeRole: %q}}
  - {name: b, ecr: {region: us-east-1, assumeRole: %[1]q}}
usage: [{lambda: {assumeRole: %[1]q}}]
rules: [{keep: [{youngerThan: 30d}]}]
`, registryRole), []string{registryRole}, true},
}

// fillRegion gives a region something for every call: images that go, an index
// among them, and services with a past.
func fillRegion(t *testing.T, r *embedded.Region) {
	t.Helper()
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	push := func(repo *embedded.Repository, m embedded.Manifest, days int, tags ...string) string {
		digest, err := repo.Push(embedded.Push{Manifest: m.Bytes(), Tags: tags, At: scriptNow.AddDate(0, 0, -days)})
		check(err)
		return digest
	}
	image := func(name string) embedded.Manifest {
		return embedded.NewImage(embedded.ConfigBlob(r.Account.ID+r.Name+name, 10), embedded.LayerBlob(name, 90))
	}
	web := r.MustCreateRepository("apps/web", embedded.RepositoryOptions{Tags: map[string]string{"team": "web"}})
	push(web, image("amd64"), 50)
	push(web, image("arm64"), 50)
	push(web, embedded.NewIndex(image("amd64").Descriptor().On("linux", "amd64"), image("arm64").Descriptor().On("linux", "arm64")), 50, "v1")
	push(web, image("old"), 40, "v2")
	push(web, image("new"), 1, "v3", "in-use-1700000000")
	// One that was condemned long ago, and one that is kept by now.
	push(web, image("condemned"), 45, fmt.Sprintf("regsweep-condemned-%d", scriptNow.AddDate(0, 0, -10).Unix()))
	push(web, image("kept"), 2, fmt.Sprintf("regsweep-condemned-%d", scriptNow.AddDate(0, 0, -1).Unix()))
	for _, name := range []string{"jobs/mail", "jobs/bills"} { // never had a resource tag
		push(r.MustCreateRepository(name, embedded.RepositoryOptions{}), image(name+" old"), 40, "v1")
		push(mustRepository(t, r, name), image(name), 1, "v2")
	}
	reference := web.URI() + ":v3"

	cluster := embedded.Must(r.ECS().CreateCluster("prod"))
	first := r.ECS().RegisterTaskDefinition("web", web.URI()+":v2")
	service := embedded.Must(cluster.CreateService(embedded.ECSServiceOptions{Name: "web", TaskDefinition: first, DesiredCount: 1}))
	check(service.Deploy(r.ECS().RegisterTaskDefinition("web", reference), embedded.DeploymentSuccessful))
	check(cluster.StopTask(embedded.Must(cluster.RunTask(r.ECS().RegisterTaskDefinition("job", reference)))))

	function := embedded.Must(r.Lambda().CreateFunction("orders", reference))
	check(function.PutAlias("live", function.Publish(), nil))
	embedded.Must(r.AppRunner().CreateService("shop", reference))
}

func mustRepository(t *testing.T, r *embedded.Region, name string) *embedded.Repository {
	t.Helper()
	repo, ok := r.Repository(name)
	if !ok {
		t.Fatalf("no repository %s", name)
	}
	return repo
}

// outcome is what came of a run.
type outcome struct {
	Code           int
	Stdout, Stderr string
	Calls          map[string]int
	// Images are how many there are after it, but for archived ones, in all
	// repositories.
	Images int
}

// runUnder runs a command with the configuration on a new account, under the
// policies by principal; nil is no policy for anybody.
func runUnder(t *testing.T, config string, policies map[string]permissions.Policy, args ...string) outcome {
	t.Helper()
	return runAfter(t, config, func(*embedded.Region) {}, policies, args...)
}

// runAfter is runUnder after something else was done, by the administrator.
func runAfter(t *testing.T, config string, before func(*embedded.Region), policies map[string]permissions.Policy, args ...string) outcome {
	t.Helper()
	srv := embedded.New(embedded.Options{Clock: func() time.Time { return scriptNow }, LayerTime: time.Hour})
	srv.Account(otherAccount).Trust(embedded.DefaultAccount)
	var regions []*embedded.Region
	for _, account := range []string{embedded.DefaultAccount, otherAccount} {
		for _, name := range []string{"eu-west-1", "us-east-1"} {
			regions = append(regions, srv.Account(account).Region(name))
			fillRegion(t, regions[len(regions)-1])
		}
	}
	embedded.Must(regions[0].S3().CreateBucket("exchange")).Put("team */uses?.json", []byte(`{"schema": "regsweep.usage/v1", "createdAt": "2026-06-15T11:00:00Z",
		"sources": [{"name": "x", "uses": 1, "status": "ok", "detail": ""}],
		"uses": [{"source": "x", "state": "running", "reference": "images.example.com/x:1", "holder": "x/y"}]}`))
	server := httptest.NewServer(srv)
	defer server.Close()
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	before(regions[0])
	for principal, policy := range policies {
		if len(policy.Statement) == 0 {
			// IAM has no policy without a statement; who has none may do nothing.
			policy.Statement = []permissions.Statement{{Effect: "Deny", Action: []string{"*"}, Resource: []string{"*"}}}
		}
		if err := srv.SetPolicy(principal, string(embedded.Must(json.Marshal(policy)))); err != nil {
			t.Fatal(err)
		}
	}
	o := runCLI(t, config, args...)
	o.Calls = srv.Stats().Calls
	// The SDK has the real clock, by which the sessions of roles ended long ago.
	delete(o.Calls, "sts:AssumeRole")
	for _, r := range regions {
		for _, repo := range r.Repositories() {
			for _, img := range repo.Images() {
				if img.Status == "ACTIVE" {
					o.Images++
				}
			}
		}
	}
	return o
}

// runCLI runs a command with the configuration in this process.
func runCLI(t *testing.T, config string, args ...string) (o outcome) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "regsweep.yaml")
	if err := os.WriteFile(path, []byte("version: 1\n"+config), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	o.Code = cli.Main(cli.World{
		Args: append(args, "--config", path), Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr,
		LookupEnv: os.LookupEnv, Now: func() time.Time { return scriptNow }, Kinds: kinds.All(),
	})
	o.Stdout, o.Stderr = stdout.String(), stderr.String()
	return o
}

// setEnvironment makes the SDK find the test's credentials and nothing else.
func setEnvironment(t *testing.T) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": callersKey, "AWS_SECRET_ACCESS_KEY": "test", "AWS_SESSION_TOKEN": "",
		"AWS_PROFILE": "", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
}

// printed returns the policies that the command prints, by principal.
func printed(t *testing.T, config string, roles []string, purpose string) map[string]permissions.Policy {
	t.Helper()
	policies := map[string]permissions.Policy{}
	for _, role := range append([]string{""}, roles...) {
		args := []string{"permissions", "iam", "--for", purpose}
		if role != "" {
			args = append(args, "--role", role)
		}
		o := runCLI(t, config, args...)
		if o.Code != 0 {
			t.Fatalf("%v: exit code %d\n%s", args, o.Code, o.Stderr)
		}
		for _, other := range roles {
			if role == "" && !strings.Contains(o.Stderr, "--role "+other) {
				t.Errorf("stderr does not tell of the role %s:\n%s", other, o.Stderr)
			}
		}
		var policy permissions.Policy
		if err := json.Unmarshal([]byte(o.Stdout), &policy); err != nil {
			t.Fatalf("%v\n%s", err, o.Stdout)
		}
		if role == "" {
			role = callersKey
		}
		policies[role] = policy
	}
	return policies
}

// grant is one action on one resource that a policy allows a principal.
type grant struct{ principal, action, resource string }

// grants returns all of them, in order.
func grants(policies map[string]permissions.Policy) (all []grant) {
	for principal, policy := range policies {
		for _, s := range policy.Statement {
			for _, action := range s.Action {
				for _, resource := range s.Resource {
					all = append(all, grant{principal, action, resource})
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b grant) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return all
}

// without returns the policies without one grant.
func without(policies map[string]permissions.Policy, left grant) map[string]permissions.Policy {
	less := map[string]permissions.Policy{}
	for principal := range policies {
		less[principal] = permissions.Policy{Version: policies[principal].Version}
	}
	for _, g := range grants(policies) {
		if g != left {
			p := less[g.principal]
			p.Statement = append(p.Statement, permissions.Statement{Effect: "Allow", Action: []string{g.action}, Resource: []string{g.resource}})
			less[g.principal] = p
		}
	}
	return less
}

// TestLeastPrivilege runs plan and apply under exactly what the command prints,
// with the same result and the same calls as without any policy. Then it leaves
// out one action on one resource after the other, and each time something fails,
// or is held as a gap.
func TestLeastPrivilege(t *testing.T) {
	setEnvironment(t)
	plan, apply := []string{"plan", "-o", "json", "--all"}, []string{"apply", "--yes", "-o", "json"}
	for _, test := range leastPrivilege {
		t.Run(test.name, func(t *testing.T) {
			config := test.config
			forPlan := printed(t, config, test.roles, "plan")
			free := runUnder(t, config, nil, plan...)
			if free.Code != 0 {
				t.Fatalf("plan without policies: exit code %d\n%s", free.Code, free.Stderr)
			}
			if diff := cmp.Diff(free, runUnder(t, config, forPlan, plan...)); diff != "" {
				t.Errorf("plan (-without policies +with):\n%s", diff)
			}
			for _, args := range [][]string{{"usage"}, {"explain", "apps/web:v1"}, {"plan", "--exact-sizes"}} {
				if o := runUnder(t, config, forPlan, args...); o.Code != 0 {
					t.Errorf("%v: exit code %d\n%s", args, o.Code, o.Stderr)
				}
			}
			for _, g := range grants(forPlan) {
				breaks(t, free, runUnder(t, config, without(forPlan, g), plan...), g)
			}

			forApply := printed(t, config, test.roles, "apply")
			free = runUnder(t, config, nil, apply...)
			if free.Code != 0 {
				t.Fatalf("apply without policies: exit code %d\n%s", free.Code, free.Stderr)
			}
			if diff := cmp.Diff(free, runUnder(t, config, forApply, apply...)); diff != "" {
				t.Errorf("apply (-without policies +with):\n%s", diff)
			}
			var more []grant // than for plan
			for _, g := range grants(forApply) {
				if !slices.Contains(grants(forPlan), g) {
					more = append(more, g)
				}
				breaks(t, free, runUnder(t, config, without(forApply, g), apply...), g)
			}
			if test.apply != (len(more) > 0) {
				t.Errorf("apply needs more than plan: %v", more)
			}
			if test.apply {
				before := runUnder(t, config, forPlan, plan...).Images
				if o := runUnder(t, config, forPlan, apply...); o.Code == 0 || o.Images != before {
					t.Errorf("apply with the policy of plan: exit code %d, %d images of %d are left", o.Code, o.Images, before)
				}
			}
		})
	}
}

// breaks checks that a run without a grant is not as good as one with it.
func breaks(t *testing.T, whole, o outcome, g grant) {
	t.Helper()
	if g.action == "tag:GetResources" {
		// It only saves calls: the tags of each repository are read one by one.
		if o.Code != 0 || o.Stdout != whole.Stdout || o.Calls["ecr:ListTagsForResource"] <= whole.Calls["ecr:ListTagsForResource"] {
			t.Errorf("without %v: exit code %d, %d calls of ListTagsForResource instead of %d\n%s",
				g, o.Code, o.Calls["ecr:ListTagsForResource"], whole.Calls["ecr:ListTagsForResource"], o.Stderr)
		}
		return
	}
	if o.Code == 0 {
		t.Errorf("without %v nothing is missing:\n%s", g, o.Stdout)
	}
	if !strings.Contains(o.Stdout+o.Stderr, g.action) {
		t.Errorf("without %v: the output does not name the action\n%s%s", g, o.Stdout, o.Stderr)
	}
	if o.Images < whole.Images {
		t.Errorf("without %v more is deleted: %d images are left instead of %d", g, o.Images, whole.Images)
	}
}
