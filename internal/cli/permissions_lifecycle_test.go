package cli_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLeastPrivilegeOfLifecycle previews, compiles and puts lifecycle policies
// under exactly what the command prints for it, with the same result as without
// any policy, and then without one action after the other.
func TestLeastPrivilegeOfLifecycle(t *testing.T) {
	setEnvironment(t)
	path := filepath.Join(t.TempDir(), "policy.json")
	document := `{"rules": [{"rulePriority": 1, "selection": {"tagStatus": "any", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 3000}, "action": {"type": "expire"}}]}`
	if err := os.WriteFile(path, []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	const config = `
registries: [{ecr: {region: eu-west-1}}]
usage: none
rules: [{tags: ["v*"], anyTag: true, keep: [{youngerThan: 3000d}]}]
`
	for _, test := range []struct {
		purpose string
		args    []string
		calls   string
	}{
		{"lifecycle", []string{"lifecycle", "preview", "--native", "--policy", path, "-o", "json"}, "ecr:StartLifecyclePolicyPreview"},
		{"lifecycle-put", []string{"lifecycle", "put", "--policy", path, "--repository", "**", "--yes"}, "ecr:PutLifecyclePolicy"},
	} {
		t.Run(test.purpose, func(t *testing.T) {
			policies := printed(t, config, nil, test.purpose)
			free := runUnder(t, config, nil, test.args...)
			if free.Code != 0 || free.Calls[test.calls] == 0 {
				t.Fatalf("without policies: exit code %d, calls %v\n%s%s", free.Code, free.Calls, free.Stdout, free.Stderr)
			}
			if diff := cmp.Diff(free, runUnder(t, config, policies, test.args...)); diff != "" {
				t.Errorf("-without policies +with:\n%s", diff)
			}
			if o := runUnder(t, config, policies, "lifecycle", "compile"); o.Code != 0 {
				t.Errorf("compile: exit code %d\n%s", o.Code, o.Stderr)
			}
			for _, g := range grants(policies) {
				if free.Calls[g.action] == 0 {
					continue // ECR's own preview, which put does not ask for
				}
				breaks(t, free, runUnder(t, config, without(policies, g), test.args...), g)
			}
			if test.purpose == "lifecycle" {
				put := []string{"lifecycle", "put", "--policy", path, "--repository", "**", "--yes"}
				if o := runUnder(t, config, policies, put...); o.Code != 1 || o.Stdout != "" {
					t.Errorf("put without its right: exit code %d\n%s%s", o.Code, o.Stdout, o.Stderr)
				}
			}
		})
	}
}
