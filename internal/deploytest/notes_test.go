package deploytest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// iamCommand is the command in a text that prints what AWS must allow.
var iamCommand = regexp.MustCompile(`regsweep (permissions iam [^\n]*)`)

// TestNotesAskForWhatIsDone compares the commands that the chart's notes give for
// the role in AWS with what is installed, and runs them: what only plans must not
// be able to delete.
func TestNotesAskForWhatIsDone(t *testing.T) {
	const base = "version: 1\nregistries: [{ecr: {region: eu-west-1}}]\nusage: [{kubernetes: {}}]\nrules: [{keep: [{newest: 10}]}]\nmode: "
	for _, test := range []struct {
		name, values, mode string
		want               []string // the flags of the commands
		deletes            bool
	}{
		{"a controller that plans", "journal: s3://example-bucket/regsweep/", "plan",
			[]string{"--for plan --journal s3://example-bucket/regsweep/"}, false},
		{"a controller that applies", "journal: s3://example-bucket/regsweep/", "apply",
			[]string{"--for apply --journal s3://example-bucket/regsweep/"}, true},
		{"a controller that applies with a journal on a volume", "volumes: {state: {existingClaim: journal}}", "apply",
			[]string{"--for apply"}, true},
		{"a dry run", "", "{dryRun: true}", []string{"--for plan"}, false},
		{"no dry run", "", "{dryRun: false}", []string{"--for apply"}, true},
		{"the environment decides", "", `"${env:MODE:-plan}"`, []string{"--for plan"}, false},
		{"the environment decides on the dry run", "", `{dryRun: "${env:DRY_RUN:-true}"}`, []string{"--for plan"}, false},
		{"a CronJob that plans", "{kind: cronjob, journal: s3://example-bucket/regsweep/}", "apply",
			[]string{"--for plan --journal s3://example-bucket/regsweep/"}, false},
		{"a CronJob that applies", "{kind: cronjob, cronjob: {apply: true}}", "plan", []string{"--for apply"}, true},
		{"a controller that plans and logs what it would tag", "controller: {tag: true}", "plan", []string{"--for plan"}, false},
		{"a controller that applies and tags", "controller: {tag: true}", "apply", []string{"--for apply", "--for tag"}, true},
		{"a tagger", "{kind: tagger, tagger: {apply: true}, journal: s3://example-bucket/regsweep/}", "plan", []string{"--for tag"}, true},
		{"a tagger that logs what it would tag", "{kind: tagger, journal: s3://example-bucket/regsweep/}", "apply", []string{"--for plan"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := base + test.mode + "\n"
			values := map[string]any{}
			if err := yaml.Unmarshal([]byte(test.values), &values); err != nil {
				t.Fatal(err)
			}
			values["config"] = config
			text, err := yaml.Marshal(values)
			if err != nil {
				t.Fatal(err)
			}
			notes := render(t, string(text), "notes", chart, "regsweep", "regsweep", "-")
			path := filepath.Join(t.TempDir(), "regsweep.yaml")
			if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			var flags []string
			deletes := false
			for _, m := range iamCommand.FindAllStringSubmatch(notes, -1) {
				args := strings.Fields(m[1])
				flags = append(flags, strings.TrimPrefix(m[1], "permissions iam --config regsweep.yaml "))
				args[3] = path
				deletes = deletes || strings.Contains(regsweep(t, nil, args...), "ecr:BatchDeleteImage")
			}
			if diff := cmp.Diff(test.want, flags); diff != "" {
				t.Errorf("flags (-want +got):\n%s\n%s", diff, notes)
			}
			if deletes != test.deletes {
				t.Errorf("the commands print ecr:BatchDeleteImage: %t, want %t", deletes, test.deletes)
			}
			if asks := strings.Contains(notes, "once the environment"); asks != strings.Contains(test.mode, "${env:") {
				t.Errorf("the notes speak of the environment: %t\n%s", asks, notes)
			}
		})
	}
}
