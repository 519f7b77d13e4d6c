package cli_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/embedded"
)

// TestLeastPrivilegeOfRestore restores under exactly what the command prints for
// it, with the same result as without any policy, and then without one action
// after the other: each is needed for an image of the archive or of the journal.
func TestLeastPrivilegeOfRestore(t *testing.T) {
	setEnvironment(t)
	const config = `
registries: [{ecr: {region: eu-west-1}}]
usage:
  - ecs: {}
  - lambda: {}
  - snapshot: {path: "s3://exchange/team */uses?.json"}
rules: [{repositoryTags: {team: web}, keep: [{youngerThan: 30d}]}, {keep: [{youngerThan: 30d}]}]
`
	apply := func(t *testing.T) {
		t.Helper()
		if o := runCLI(t, config, "apply", "--yes"); o.Code != 0 {
			t.Fatalf("apply: exit code %d\n%s", o.Code, o.Stderr)
		}
	}
	policies := printed(t, config, nil, "restore")
	needed := map[grant]bool{}
	for _, test := range []struct {
		name, image, result string
		before              func(*testing.T, *embedded.Region)
	}{
		{"archive", "apps/web:v2", "restored from the archive", func(t *testing.T, r *embedded.Region) {
			if !mustRepository(t, r, "apps/web").Archive("v2", scriptNow) {
				t.Fatal("not archived")
			}
		}},
		{"journal", "apps/web:v1", "restored from the journal", func(t *testing.T, _ *embedded.Region) { apply(t) }},
		{"tags", "jobs/mail:v1", "restored from the journal", func(t *testing.T, r *embedded.Region) {
			repo := mustRepository(t, r, "jobs/mail")
			old := embedded.NewImage(embedded.ConfigBlob(r.Account.ID+r.Name+"jobs/mail old", 10), embedded.LayerBlob("jobs/mail old", 90))
			apply(t)
			repo.MustPush(embedded.Push{Manifest: old.Bytes(), Tags: []string{"again"}, At: scriptNow})
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := func(r *embedded.Region) { test.before(t, r) }
			restore := []string{"restore", "-o", "json", test.image}
			free := runAfter(t, config, before, nil, restore...)
			if free.Code != 0 || !strings.Contains(free.Stdout, `"result": "`+test.result+`"`) {
				t.Fatalf("without policies: exit code %d\n%s%s", free.Code, free.Stdout, free.Stderr)
			}
			with := runAfter(t, config, before, policies, restore...)
			for _, o := range []*outcome{&free, &with} { // the journal has the time of the run
				o.Stdout, _, _ = strings.Cut(o.Stdout, `"by"`)
			}
			if diff := cmp.Diff(free, with); diff != "" {
				t.Errorf("-without policies +with:\n%s", diff)
			}
			for _, g := range grants(policies) {
				o := runAfter(t, config, before, without(policies, g), restore...)
				if o.Code != 0 {
					needed[g] = true
				}
				if o.Code != 0 && !strings.Contains(o.Stderr, g.action) {
					t.Errorf("without %v: the output does not name the action\n%s", g, o.Stderr)
				}
			}
		})
	}
	for _, g := range grants(policies) {
		if !needed[g] {
			t.Errorf("without %v nothing is missing", g)
		}
	}
}
