package deploytest

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/embedded"
)

// action is one run of the action's script plan, with a gh command that writes down
// what it is asked for.
type action struct {
	dir  string
	code int
	// comment is the body that was sent, calls are the arguments of gh.
	comment, calls, outputs, summary string
}

// fakeGH answers a list of comments with what is in $OLD, and writes down the rest.
const fakeGH = `#!/usr/bin/env bash
echo "$*" | sed "s|@$RUNNER_TEMP/|@|" >>"$CALLS"
for arg; do
	case $arg in body=@*) cat "${arg#body=@}" >"$BODY" ;; esac
done
case "$*" in *--paginate*) printf '%s\n' "$OLD" ;; esac
`

func runAction(t *testing.T, aws, config, old string, more ...string) action {
	t.Helper()
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string, mode os.FileMode) {
		if err := os.WriteFile(file(name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("gh", fakeGH, 0o755)
	write("regsweep.yaml", config, 0o600)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	write("regsweep", "#!/bin/sh\nAS_REGSWEEP=1 exec '"+self+"' \"$@\"\n", 0o755)
	script, err := filepath.Abs(root + "/.github/actions/plan/plan")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), script)
	cmd.Env = append([]string{
		"PATH=" + dir + ":" + os.Getenv("PATH"), "RUNNER_TEMP=" + dir, "CALLS=" + file("calls"), "BODY=" + file("body"), "OLD=" + old,
		"GITHUB_OUTPUT=" + file("output"), "GITHUB_STEP_SUMMARY=" + file("summary"), "GITHUB_REPOSITORY=example/shop",
		"CONFIG=" + file("regsweep.yaml"), "PULL_REQUEST=7", "HOME=" + dir,
		"AWS_ENDPOINT_URL=" + aws, "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test",
		"AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull, "AWS_EC2_METADATA_DISABLED=true",
	}, more...)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	t.Logf("%s", out)
	a := action{dir: dir, code: cmd.ProcessState.ExitCode()}
	for name, into := range map[string]*string{"body": &a.comment, "calls": &a.calls, "output": &a.outputs, "summary": &a.summary} {
		text, _ := os.ReadFile(file(name)) // what is not there was not written
		*into = strings.ReplaceAll(string(text), dir+"/", "")
	}
	return a
}

// TestAction runs the script of the GitHub Action against an account.
func TestAction(t *testing.T) {
	srv := embedded.New(embedded.Options{Clock: time.Now})
	repo := srv.Account(embedded.DefaultAccount).Region("eu-west-1").MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	for _, name := range []string{"one", "two", "three"} {
		m := embedded.NewImage(embedded.ConfigBlob(name, 10), embedded.LayerBlob(name, 90))
		repo.MustPush(embedded.Push{Manifest: m.Bytes(), Tags: []string{name}, At: time.Now().AddDate(0, -1, 0)})
	}
	aws := httptest.NewServer(srv)
	defer aws.Close()
	const config = "version: 1\nregistries: [{ecr: {region: eu-west-1}}]\nusage: none\nrules: [{name: all, keep: [{newest: N}]}]\n"
	two, all := strings.Replace(config, "N", "1", 1), strings.Replace(config, "N", "3", 1)
	const list = "api --paginate repos/example/shop/issues/7/comments --jq .[] | select(.body | startswith(\"<!-- regsweep plan -->\")) | .id\n"
	const post = list + "api --method POST repos/example/shop/issues/7/comments --field body=@regsweep-comment.md\n"

	for _, test := range []struct {
		name, config, old string
		env               []string
		code              int
		exit, calls       string
		says              string
	}{
		{"something goes", two, "", nil, 0, "10", post, "apps/web"},
		{"it went before", two, "4711", nil, 0, "10", list + "api --method PATCH repos/example/shop/issues/comments/4711 --field body=@regsweep-comment.md\n", "apps/web"},
		{"nothing goes", all, "", nil, 0, "0", post, "regsweep plan"},
		{"flags, one a line", two, "", []string{"ARGS=--repository=other/**\n--registry=ecr"}, 0, "0", post, "regsweep plan"},
		{"held", two + "limits: {maxDeletes: 1}\n", "", nil, 0, "4", post, "held by a gap or a limit"},
		{"without a comment", two, "", []string{"COMMENT=false"}, 0, "10", "", ""},
		{"no pull request", two, "", []string{"PULL_REQUEST="}, 0, "10", "", ""},
		// A report that is too long is cut, also in the middle of a character: of the
		// two one is.
		{"a long report", strings.Replace(two, "name: all", "name: "+strings.Repeat("é", 40_000), 1), "", nil, 0, "10", post, "the rest is in the log of the job"},
		{"a long report, a byte later", strings.Replace(two, "name: all", "name: x"+strings.Repeat("é", 40_000), 1), "", nil, 0, "10", post, "the rest is in the log of the job"},
		{"a configuration with a mistake", "version: 2\n", "", nil, 2, "2", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := runAction(t, aws.URL, test.config, test.old, test.env...)
			if a.code != test.code {
				t.Errorf("exit code %d, want %d", a.code, test.code)
			}
			if diff := cmp.Diff("exit-code="+test.exit+"\nplan=regsweep-plan.json\n", a.outputs); diff != "" {
				t.Errorf("outputs (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.calls, a.calls); diff != "" {
				t.Errorf("calls of gh (-want +got):\n%s", diff)
			}
			if !strings.Contains(a.comment, test.says) || test.calls != "" && a.comment != a.summary {
				t.Errorf("the comment does not say %q or is not the summary:\n%s", test.says, a.comment)
			}
		})
	}
	if left := len(repo.Images()); left != 3 {
		t.Errorf("%d images are left, want all", left)
	}
}
