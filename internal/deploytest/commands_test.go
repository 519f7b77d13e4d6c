package deploytest

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// awsCalls stands for the command aws: it writes each call into the file calls,
// one a line, with files in place of their names.
const awsCalls = `#!/usr/bin/env bash
set -eu
line=
for arg; do
	[[ $arg == file://* ]] && arg=$(cat "${arg#file://}")
	line+="${arg//$'\n'/ }"$'\t'
done
printf '%s\n' "$line" >>"$CALLS"
`

// shellBlocks returns the commands in the README of an example.
func shellBlocks(t *testing.T, name string) string {
	t.Helper()
	var all []string
	for _, m := range regexp.MustCompile("(?s)\n```sh\n(.*?)\n```").FindAllStringSubmatch(read(t, "examples", name, "README.md"), -1) {
		all = append(all, m[1])
	}
	if len(all) == 0 {
		t.Fatalf("the README of %s has no commands", name)
	}
	return strings.Join(all, "\n")
}

// follow runs the commands in the README of an example in a copy of its folder,
// one after the other as a user would. It returns the copy and the calls of aws.
func follow(t *testing.T, name string) (dir string, calls [][]string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(root, "examples", name))); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin, log := t.TempDir(), filepath.Join(t.TempDir(), "calls")
	for program, script := range map[string]string{"aws": awsCalls, "regsweep": "#!/usr/bin/env bash\nAS_REGSWEEP=1 exec '" + self + "' \"$@\"\n"} {
		if err := os.WriteFile(filepath.Join(bin, program), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", shellBlocks(t, name))
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + bin + string(filepath.ListSeparator) + os.Getenv("PATH"), "HOME=" + t.TempDir(), "CALLS=" + log}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("the commands of %s: %v\n%s", name, err, said.String())
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		calls = append(calls, strings.Split(strings.TrimSuffix(line, "\t\n"), "\t"))
	}
	return dir, calls
}

// after returns what follows an argument of a call, or "".
func after(call []string, name string) string {
	for i, arg := range call[:len(call)-1] {
		if arg == name {
			return call[i+1]
		}
	}
	return ""
}

// statements are those of a policy. A placeholder that is left is an error.
func statements(t *testing.T, document string) (actions []string, principal string) {
	t.Helper()
	var policy struct {
		Statement []struct {
			Action    any
			Principal struct{ Service string }
		}
	}
	if err := json.Unmarshal([]byte(document), &policy); err != nil {
		t.Fatalf("%v in %s", err, document)
	}
	if strings.Contains(document, "${") {
		t.Errorf("a placeholder is left in %s", document)
	}
	for _, s := range policy.Statement {
		principal = s.Principal.Service
		switch action := s.Action.(type) {
		case string:
			actions = append(actions, action)
		case []any:
			for _, a := range action {
				actions = append(actions, a.(string))
			}
		}
	}
	return actions, principal
}

func contains(all []string, one string) bool {
	return strings.Contains(" "+strings.Join(all, " ")+" ", " "+one+" ")
}

// TestCommandsOfStepFunctions follows the README: each role that is used is made,
// may be assumed by the service that uses it, and may do what that is for.
func TestCommandsOfStepFunctions(t *testing.T) {
	_, calls := follow(t, "step-functions")
	assumed, may := map[string]string{}, map[string][]string{}
	var deletes []bool // the policies of the function, in order
	var used []string
	for _, call := range calls {
		role := after(call, "--role-name")
		switch strings.Join(call[:2], " ") {
		case "iam create-role":
			_, assumed[role] = statements(t, after(call, "--assume-role-policy-document"))
		case "iam put-role-policy":
			may[role], _ = statements(t, after(call, "--policy-document"))
			if role == "regsweep-function" {
				deletes = append(deletes, contains(may[role], "ecr:BatchDeleteImage"))
			}
		case "stepfunctions create-state-machine":
			if definition := after(call, "--definition"); !json.Valid([]byte(definition)) || strings.Contains(definition, "${") {
				t.Errorf("a placeholder is left in the definition, or it is no JSON:\n%s", definition)
			}
			used = append(used, after(call, "--role-arn"))
		case "scheduler create-schedule":
			var target struct{ RoleArn string }
			if err := json.Unmarshal([]byte(after(call, "--target")), &target); err != nil {
				t.Fatal(err)
			}
			used = append(used, target.RoleArn)
		}
	}
	if diff := cmp.Diff(map[string]string{
		"regsweep-function": "lambda.amazonaws.com", "regsweep-pipeline": "states.amazonaws.com", "regsweep-schedule": "scheduler.amazonaws.com",
	}, assumed); diff != "" {
		t.Errorf("who may assume the roles (-want +got):\n%s", diff)
	}
	const arn = "arn:aws:iam::111122223333:role/"
	if diff := cmp.Diff([]string{arn + "regsweep-pipeline", arn + "regsweep-schedule"}, used); diff != "" {
		t.Errorf("roles that are used (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"states:StartExecution"}, may["regsweep-schedule"]); diff != "" {
		t.Errorf("rights of the schedule (-want +got):\n%s", diff)
	}
	if !contains(may["regsweep-pipeline"], "lambda:InvokeFunction") {
		t.Errorf("the state machine may not invoke the function: %v", may["regsweep-pipeline"])
	}
	if diff := cmp.Diff([]bool{false, true}, deletes); diff != "" {
		t.Errorf("whether the function may delete, first planning, then applying (-want +got):\n%s", diff)
	}
}

// TestCommandsOfTheCleaner follows the README: what the template is given besides
// its own rights cannot delete, whatever the mode, and is enough for both modes;
// by hand the right to delete comes with DRY_RUN=false.
func TestCommandsOfTheCleaner(t *testing.T) {
	dir, calls := follow(t, "aws-ecr-cleaner")
	actionsOf := func(document string) map[string]bool {
		actions, _ := statements(t, document)
		set := map[string]bool{}
		for _, a := range actions {
			set[a] = true
		}
		return set
	}
	file := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	var additional, configuration string
	for _, call := range calls {
		switch strings.Join(call[:2], " ") {
		case "iam create-policy":
			additional = after(call, "--policy-document")
		case "cloudformation deploy":
			for _, arg := range call {
				if text, ok := strings.CutPrefix(arg, "Configuration="); ok {
					configuration = text
				}
			}
		}
	}
	if configuration == "" || !strings.Contains(configuration, `mode: "${env:MODE:-plan}"`) {
		t.Errorf("the template gets the configuration %q, which has not its switch", configuration)
	}
	reads := actionsOf(additional)
	for _, name := range []string{"tag:GetResources", "ecr:ListTagsForResource"} {
		if !reads[name] {
			t.Errorf("the additional policy has no %s", name)
		}
	}
	if reads["ecr:BatchDeleteImage"] {
		t.Error("the additional policy has the right to delete, which Mode=plan is not to have")
	}
	all := actionsOf(regsweep(t, map[string]string{"MODE": "apply", "AWS_REGION": "eu-west-1"},
		"permissions", "iam", "--config", filepath.Join(dir, "stack.yaml"), "--for", "lambda", "--function", "ecr-cleaner"))
	delete(all, "ecr:BatchDeleteImage") // the template's, with Mode=apply
	if diff := cmp.Diff(all, reads); diff != "" {
		t.Errorf("rights besides deleting (-mode apply +additional policy):\n%s", diff)
	}
	if actionsOf(file("plans.json"))["ecr:BatchDeleteImage"] || !actionsOf(file("deletes.json"))["ecr:BatchDeleteImage"] {
		t.Error("by hand, the right to delete does not go with DRY_RUN=false")
	}
}

// TestCommandsOfExamplesExist gives each command of regsweep in the READMEs the
// flag --help besides: an unknown flag is an error then, and the help is that of
// the command.
func TestCommandsOfExamplesExist(t *testing.T) {
	command := regexp.MustCompile("(?:`|(?m:^)|[A-Z]=\\S+ )(?:\\w+=\\S+ )*regsweep ([a-z][^`>\n]*)")
	readmes, err := filepath.Glob(root + "/examples/*/README.md")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, readme := range readmes {
		name := filepath.Base(filepath.Dir(readme))
		text := strings.ReplaceAll(read(t, "examples", name, "README.md"), "\\\n", " ")
		for _, m := range command.FindAllStringSubmatch(text, -1) {
			found[name]++
			help := regsweep(t, nil, append(strings.Fields(strings.ReplaceAll(m[1], "'", "")), "--help")...)
			words, _, _ := strings.Cut(m[1], " -")
			if usage := "Usage:\n  regsweep " + strings.TrimSpace(words) + " "; !strings.Contains(help, usage) {
				t.Errorf("%s calls regsweep %s, and there is no such command", name, words)
			}
		}
	}
	for _, readme := range readmes {
		if name := filepath.Base(filepath.Dir(readme)); found[name] == 0 {
			t.Errorf("no command was found in the README of %s", name)
		}
	}
}

// TestTaggerPreviewsItsPolicy: without --policy the commands of lifecycle are about
// the policies that the repositories have, and put wants to know which it is to go to.
func TestTaggerPreviewsItsPolicy(t *testing.T) {
	commands := shellBlocks(t, "kube-ecr-tagger")
	for _, name := range []string{"preview", "put"} {
		var flags string
		for line := range strings.Lines(commands) {
			if rest, ok := strings.CutPrefix(line, "regsweep lifecycle "+name+" "); ok {
				flags = rest
			}
		}
		if !strings.Contains(flags, "--policy lifecycle-policy.json") || !strings.Contains(flags, "--repository ") {
			t.Errorf("lifecycle %s is called with %q", name, flags)
		}
	}
}
