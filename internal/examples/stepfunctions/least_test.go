package stepfunctions_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/cli"
	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/kinds"
	"github.com/regsweep/regsweep/internal/lambdatest"
	"github.com/regsweep/regsweep/internal/permissions"
)

// printed is the policy of the function's role, as the README says to print it.
func printed(t *testing.T, topic string) permissions.Policy {
	t.Helper()
	env := map[string]string{"AWS_REGION": "eu-west-1", "MODE": "apply", "TOPIC_ARN": topic}
	var out, errs bytes.Buffer
	code := cli.Main(cli.World{
		Args: []string{"permissions", "iam", "--for", "lambda", "--config", filepath.Join(example, "regsweep.yaml"),
			"--runs", "s3://" + bucket + "/runs/", "--journal", "s3://" + bucket + "/journal", "--stored", "ssm:/regsweep/weekly"},
		Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Now: time.Now, Kinds: kinds.All(),
		LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	})
	var policy permissions.Policy
	if err := json.Unmarshal(out.Bytes(), &policy); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v\n%s", code, err, errs.String())
	}
	return policy
}

// under runs the pipeline under a policy, and returns how it ended and what is
// left.
func under(t *testing.T, policy permissions.Policy) string {
	t.Helper()
	w := newWorld()
	w.repository("svc", usual...)
	w.repository("used", usual...)
	repo, _ := w.region.Repository("used")
	cluster := embedded.Must(w.region.ECS().CreateCluster("shop"))
	definition := w.region.ECS().RegisterTaskDefinition("web", repo.URI()+":v1")
	service := embedded.Must(cluster.CreateService(embedded.ECSServiceOptions{Name: "webshop", TaskDefinition: definition, DesiredCount: 1}))
	if err := service.Deploy(w.region.ECS().RegisterTaskDefinition("web", repo.URI()+":v3"), embedded.DeploymentSuccessful); err != nil {
		t.Fatal(err)
	}
	orders := embedded.Must(w.region.Lambda().CreateFunction("orders", repo.URI()+":v2"))
	if err := orders.PutAlias("live", orders.Publish(), nil); err != nil {
		t.Fatal(err)
	}
	w.region.PutParameter("/regsweep/weekly", string(file(t, "regsweep.yaml")), false)
	if len(policy.Statement) > 0 {
		document, err := json.Marshal(policy)
		if err == nil {
			err = w.SetPolicy(lambdatest.AccessKeyID, string(document))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	e := w.execution("weekly", w.function(t, nil, "MODE=apply", "REGSWEEP_CONFIG=ssm:/regsweep/weekly"))
	how := ended(t, e, machine(t))
	return fmt.Sprintf("ended %q, left %v, told %d", how, w.left(), len(w.Published(w.topic)))
}

// spared reports whether this run gets by without an action: the log is Lambda's
// own, a journal is read where a run was interrupted, and a manifest that cannot
// be read for the journal is noted there.
func spared(action, resource string) bool {
	return strings.HasPrefix(action, "logs:") || action == "ecr:BatchGetImage" ||
		action == "s3:GetObject" && strings.HasSuffix(resource, "/journal/*")
}

// The policy that is printed is enough for the pipeline, and with less it does not
// end the same.
func TestLeastPrivilege(t *testing.T) {
	policy := printed(t, "arn:aws:sns:eu-west-1:"+embedded.DefaultAccount+":regsweep")
	free := under(t, permissions.Policy{})
	if want := fmt.Sprintf("ended %q, left %v, told 1", "", map[string]string{
		"svc": ages(kept...), "used": ages(append(slices.Clone(kept), 50, 60, 70)...),
	}); free != want {
		t.Fatalf("got %s, want %s", free, want)
	}
	if diff := cmp.Diff(free, under(t, policy)); diff != "" {
		t.Fatalf("(-without the policy +with):\n%s", diff)
	}
	for i, s := range policy.Statement {
		for _, action := range s.Action {
			for _, resource := range s.Resource {
				if spared(action, resource) {
					continue
				}
				t.Run(action+" "+resource, func(t *testing.T) {
					t.Parallel()
					if got := under(t, without(policy, i, action, resource)); got == free {
						t.Error("it is not needed")
					}
				})
			}
		}
	}
}

// without returns the policy without one action on one resource.
func without(p permissions.Policy, statement int, action, resource string) permissions.Policy {
	less := permissions.Policy{Version: p.Version}
	for i, s := range p.Statement {
		if i != statement {
			less.Statement = append(less.Statement, s)
			continue
		}
		others := slices.DeleteFunc(slices.Clone(s.Action), func(a string) bool { return a == action })
		if len(others) > 0 {
			less.Statement = append(less.Statement, permissions.Statement{Effect: s.Effect, Action: others, Resource: s.Resource})
		}
		rest := slices.DeleteFunc(slices.Clone(s.Resource), func(r string) bool { return r == resource })
		if len(rest) > 0 {
			less.Statement = append(less.Statement, permissions.Statement{Effect: s.Effect, Action: []string{action}, Resource: rest})
		}
	}
	return less
}
