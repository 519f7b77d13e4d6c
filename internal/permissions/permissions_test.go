package permissions_test

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/regsweep/regsweep/internal/permissions"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	role  = "arn:aws-cn:iam::111122223333:role/path/sweeper"
	other = "arn:aws:iam::444455556666:role/reader"
)

func allow(resource string, actions ...string) permissions.Statement {
	return permissions.Statement{Effect: "Allow", Action: actions, Resource: []string{resource}}
}

func need(role string, resource arn.ARN, actions ...string) permissions.Need {
	return permissions.Need{Role: role, Resource: resource, Actions: actions}
}

func TestFor(t *testing.T) {
	in := func(region, account, resource string) arn.ARN {
		return permissions.Resource("ecr", region, account, resource)
	}
	all := arn.ARN{}
	for _, test := range []struct {
		name  string
		needs []permissions.Need
		role  string
		want  []permissions.Statement
	}{
		{"nothing", nil, "", []permissions.Statement{}},
		{"actions on the same are one statement", []permissions.Need{
			need("", in("eu-west-1", "111122223333", "repository/*"), "ecr:B", "ecr:A"),
			need("", in("eu-west-1", "111122223333", "repository/*"), "ecr:C", "ecr:A"),
			need("", all, "ecs:A", "ecr:Z"),
		}, "", []permissions.Statement{
			allow("arn:aws:ecr:eu-west-1:111122223333:repository/*", "ecr:A", "ecr:B", "ecr:C"),
			allow("*", "ecr:Z", "ecs:A"),
		}},
		{"an action in two places", []permissions.Need{
			need("", in("us-east-1", "", "x"), "ecr:A", "ecr:B"), need("", in("eu-west-1", "", "x"), "ecr:A"),
		}, "", []permissions.Statement{
			{Effect: "Allow", Action: []string{"ecr:A"}, Resource: []string{"arn:aws:ecr:eu-west-1:*:x", "arn:aws:ecr:us-east-1:*:x"}},
			allow("arn:aws:ecr:us-east-1:*:x", "ecr:B"),
		}},
		{"what everything covers", []permissions.Need{
			need("", in("us-east-1", "", "x"), "ecr:A"), need("", all, "ecr:A"),
		}, "", []permissions.Statement{allow("*", "ecr:A")}},
		{"what another region and account covers", []permissions.Need{
			need("", in("us-east-1", "", "x"), "ecr:A"), need("", in("us-east-1", "111122223333", "x"), "ecr:A"),
			need("", in("", "", "y"), "ecr:A"), need("", in("us-east-1", "", "y"), "ecr:A"),
		}, "", []permissions.Statement{
			{Effect: "Allow", Action: []string{"ecr:A"}, Resource: []string{"arn:aws:ecr:*:*:y", "arn:aws:ecr:us-east-1:*:x"}},
		}},
		{"the partition of another region", []permissions.Need{
			need("", in("", "", "x"), "ecr:A"), need("", in("us-gov-west-1", "", "y"), "ecr:B"),
		}, "", []permissions.Statement{allow("arn:aws-us-gov:ecr:*:*:x", "ecr:A"), allow("arn:aws-us-gov:ecr:us-gov-west-1:*:y", "ecr:B")}},
		{"no partition is known", []permissions.Need{need("", in("", "", "x"), "ecr:A")}, "",
			[]permissions.Statement{allow("arn:aws:ecr:*:*:x", "ecr:A")}},
		{"the caller assumes the roles", []permissions.Need{
			need(role, in("", "111122223333", "x"), "ecr:A"), need(role, in("", "111122223333", "x"), "ecr:B"),
		}, "", []permissions.Statement{allow(role, "sts:AssumeRole")}},
		{"a role has its own", []permissions.Need{
			need(role, in("", "111122223333", "x"), "ecr:A"), need("", in("", "", "x"), "ecr:B"),
			need(other, all, "ecr:C"),
		}, role, []permissions.Statement{allow("arn:aws-cn:ecr:*:111122223333:x", "ecr:A")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := permissions.Policy{Version: "2012-10-17", Statement: test.want}
			if diff := cmp.Diff(want, permissions.For(test.needs, test.role)); diff != "" {
				t.Errorf("policy (-want +got):\n%s", diff)
			}
		})
	}
}

// The order of the configuration does not change the policy.
func TestForAnyOrder(t *testing.T) {
	regions, accounts := []string{"", "eu-west-1", "us-east-1"}, []string{"", "111122223333", "444455556666"}
	rapid.Check(t, func(t *rapid.T) {
		one := rapid.Custom(func(t *rapid.T) permissions.Need {
			n := permissions.Need{
				Role:    rapid.SampledFrom([]string{"", other}).Draw(t, "role"),
				Actions: rapid.SliceOfN(rapid.SampledFrom([]string{"ecr:A", "ecr:B", "ecs:C"}), 1, 3).Draw(t, "actions"),
			}
			if rapid.Bool().Draw(t, "restricted") {
				n.Resource = permissions.Resource("ecr", rapid.SampledFrom(regions).Draw(t, "region"), rapid.SampledFrom(accounts).Draw(t, "account"), "x")
			}
			return n
		})
		needs := rapid.SliceOf(one).Draw(t, "needs")
		shuffled := rapid.Permutation(needs).Draw(t, "shuffled")
		for _, principal := range []string{"", other} {
			if diff := cmp.Diff(permissions.For(needs, principal), permissions.For(shuffled, principal)); diff != "" {
				t.Fatalf("policy of %q:\n%s", principal, diff)
			}
		}
	})
}

func TestActionsAndRoles(t *testing.T) {
	needs := []permissions.Need{need(role, arn.ARN{}, "ecr:B"), need("", arn.ARN{}, "ecr:A", "ecr:B"), need(other, arn.ARN{}, "ecr:B"), need(role, arn.ARN{}, "ecr:B")}
	if diff := cmp.Diff([]string{"ecr:A", "ecr:B", "sts:AssumeRole"}, permissions.Actions(needs)); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{role, other}, permissions.Roles(needs)); diff != "" {
		t.Errorf("roles (-want +got):\n%s", diff)
	}
	for arn, want := range map[string]string{role: "111122223333", "": "", "sweeper": ""} {
		if got := permissions.Account(arn); got != want {
			t.Errorf("account of %q is %q, want %q", arn, got, want)
		}
	}
	if got := permissions.Literal("a*b?c$d${e}"); got != "a${*}b${?}c${$}d${$}{e}" {
		t.Errorf("literal %q", got)
	}
}

func rule(group string, verb string, resources ...string) permissions.Rule {
	return permissions.Rule{APIGroups: []string{group}, Resources: resources, Verbs: []string{verb}}
}

func TestWriteRoles(t *testing.T) {
	pods := []permissions.Rule{rule("", "list", "pods")}
	for name, test := range map[string]struct {
		accesses []permissions.Access
		binding  permissions.Binding
	}{
		"nothing":   {nil, permissions.Binding{Name: "regsweep"}},
		"cluster":   {[]permissions.Access{{Rules: append(pods, rule("*", "list", "*"))}}, permissions.Binding{Name: "regsweep"}},
		"namespace": {[]permissions.Access{{Context: "prod", Kubeconfig: "kube\nconfig", Namespaces: []string{"shop", "123"}, Rules: pods}}, permissions.Binding{Name: "true"}},
		"bound": {[]permissions.Access{
			{Context: "prod", Rules: pods}, {Context: "staging", Rules: pods},
			{Context: "prod", Namespaces: []string{"shop"}, Rules: pods},
			{Context: "prod", Namespaces: []string{"shop"}, Rules: []permissions.Rule{rule("", "list", "secrets", "pods"), rule("", "get", "namespaces")}},
		}, permissions.Binding{Name: "regsweep", Namespace: "ops", ServiceAccount: "sweeper"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			if err := permissions.WriteRoles(&got, test.accesses, test.binding); err != nil {
				t.Fatal(err)
			}
			path := "testdata/" + name + ".yaml"
			if *update {
				if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", path, diff)
			}
		})
	}
	if got := pods[0].Resources; len(got) != 1 {
		t.Errorf("the rules were changed: %v", got)
	}
}

// A pipe that is closed is an error.
func TestWriteRolesError(t *testing.T) {
	accesses := []permissions.Access{{Rules: []permissions.Rule{rule("", "list", "pods")}}}
	for n := range 2 {
		if err := permissions.WriteRoles(&closing{after: n}, accesses, permissions.Binding{Name: "x"}); err == nil {
			t.Errorf("closed after %d writes, and no error", n)
		}
	}
}

// closing is a writer that fails after some writes.
type closing struct{ after int }

func (c *closing) Write(p []byte) (int, error) {
	if c.after == 0 {
		return 0, os.ErrClosed
	}
	c.after--
	return len(p), nil
}
