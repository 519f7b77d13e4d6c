package cli_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestJournalPrivilege runs apply with a journal in Amazon S3 under exactly what
// the command prints, and under less.
func TestJournalPrivilege(t *testing.T) {
	setEnvironment(t)
	t.Setenv("REGSWEEP_JOURNAL", "s3://exchange/team */runs")
	const config = `
registries: [{ecr: {region: eu-west-1}}]
usage: none
rules: [{keep: [{youngerThan: 30d}]}]
`
	of := func(purpose string) (actions []string) {
		for _, g := range grants(printed(t, config, nil, purpose)) {
			if strings.HasPrefix(g.action, "s3:") {
				actions = append(actions, g.action+" "+g.resource)
			}
		}
		return actions
	}
	read := []string{"s3:GetObject arn:aws:s3:::exchange/team ${*}/runs/*", "s3:ListBucket arn:aws:s3:::exchange"}
	for purpose, want := range map[string][]string{
		"plan": read, "restore": read, "tag": nil,
		"apply": {read[0], read[1], "s3:PutObject arn:aws:s3:::exchange/team ${*}/runs/*"},
	} {
		if diff := cmp.Diff(want, of(purpose)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", purpose, diff)
		}
	}

	apply := []string{"apply", "--yes", "-o", "json"}
	policies := printed(t, config, nil, "apply")
	free := runUnder(t, config, nil, apply...)
	if free.Code != 0 || free.Calls["s3:PutObject"] == 0 {
		t.Fatalf("exit code %d, %v\n%s", free.Code, free.Calls, free.Stderr)
	}
	if diff := cmp.Diff(free, runUnder(t, config, policies, apply...)); diff != "" {
		t.Errorf("(-without policies +with):\n%s", diff)
	}
	all := runUnder(t, config, policies, "plan").Images
	for _, g := range grants(policies) {
		if !slices.Contains([]string{"s3:PutObject", "s3:ListBucket"}, g.action) {
			continue // s3:GetObject is needed when there is an interrupted run
		}
		o := runUnder(t, config, without(policies, g), apply...)
		if o.Code != 1 || o.Images != all || !strings.Contains(o.Stderr, "the journal cannot be written") || !strings.Contains(o.Stderr, g.action) {
			t.Errorf("without %s: exit code %d, %d of %d images\n%s", g.action, o.Code, o.Images, all, o.Stderr)
		}
	}
}
