package cli_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLeastPrivilegeOfTag tags under exactly what the command prints for it, with
// the same result as without any policy, and then without one action after the
// other: each time something cannot be tagged, or is a gap.
func TestLeastPrivilegeOfTag(t *testing.T) {
	setEnvironment(t)
	const sources = `
registries: [{ecr: {region: eu-west-1}}]
usage: [{ecs: {}}, {lambda: {}}]
rules: [{repositoryTags: {team: web}, keep: [{youngerThan: 30d}]}]
`
	tag := []string{"tag", "--yes", "-o", "json"}
	for _, test := range []struct {
		name, config string
		deletes      bool
	}{
		{"marks with a time", sources, true},
		{"one name", sources + "tag: {name: production}\n", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			policies := printed(t, test.config, nil, "tag")
			free := runUnder(t, test.config, nil, tag...)
			if free.Code != 0 {
				t.Fatalf("without policies: exit code %d\n%s%s", free.Code, free.Stdout, free.Stderr)
			}
			if free.Calls["ecr:PutImage"] == 0 || (free.Calls["ecr:BatchDeleteImage"] > 0) != test.deletes {
				t.Errorf("calls: %v", free.Calls)
			}
			if diff := cmp.Diff(free, runUnder(t, test.config, policies, tag...)); diff != "" {
				t.Errorf("-without policies +with:\n%s", diff)
			}
			for _, g := range grants(policies) {
				breaks(t, free, runUnder(t, test.config, without(policies, g), tag...), g)
			}
		})
	}
}

// TestLeastPrivilegeOfTagDryRun: to show what would be tagged takes no more than
// planning, which cannot write or delete.
func TestLeastPrivilegeOfTagDryRun(t *testing.T) {
	setEnvironment(t)
	const config = `
registries: [{ecr: {region: eu-west-1}}]
usage: [{ecs: {}}, {lambda: {}}]
rules: [{keep: [{newest: 9}]}]
`
	tag := []string{"tag", "-o", "json"}
	free := runUnder(t, config, nil, tag...)
	if free.Code != 0 || free.Calls["ecr:DescribeImages"] == 0 {
		t.Fatalf("without policies: exit code %d, calls %v\n%s%s", free.Code, free.Calls, free.Stdout, free.Stderr)
	}
	if diff := cmp.Diff(free, runUnder(t, config, printed(t, config, nil, "plan"), tag...)); diff != "" {
		t.Errorf("-without policies +with:\n%s", diff)
	}
}
