package deploytest

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

const moduleDir = root + "/deploy/terraform"

// block is one block of a Terraform module, as test/deploy/render prints it.
type block struct {
	File       string
	Line       int
	Type       string
	Labels     []string
	Values     map[string]any
	Unknown    map[string]string
	References []string
	Blocks     []block
}

// name is what expressions call the block, such as "var.name".
func (b block) name() string {
	switch b.Type {
	case "variable":
		return "var." + b.Labels[0]
	case "data":
		return "data." + strings.Join(b.Labels, ".")
	case "resource":
		return strings.Join(b.Labels, ".")
	}
	return b.Type
}

// references are those of the block and of all inside it.
func (b block) references() []string {
	all := slices.Clone(b.References)
	if b.Type == "variable" {
		all = nil // its type is no reference
	}
	for _, inner := range b.Blocks {
		all = append(all, inner.references()...)
	}
	return all
}

// module parses the module and evaluates it with what names stand for.
func module(t *testing.T, names map[string]any) []block {
	t.Helper()
	values, err := json.Marshal(names)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []block
	if err := json.Unmarshal([]byte(render(t, string(values), "module", moduleDir, "-")), &blocks); err != nil {
		t.Fatal(err)
	}
	return blocks
}

// TestTerraform checks that the module parses, that everything that it refers to
// is in it and that every variable, local value and role is used. (There is no
// provider here that could check names of arguments.) Where terraform is
// installed, its format is checked too.
func TestTerraform(t *testing.T) {
	blocks := module(t, map[string]any{})
	declared, used := map[string]bool{}, map[string]bool{}
	for _, b := range blocks {
		if b.Type != "locals" {
			if declared[b.name()] && (b.Type == "resource" || b.Type == "variable" || b.Type == "data") {
				t.Errorf("%s:%d: %s stands twice", b.File, b.Line, b.name())
			}
			declared[b.name()] = true
			continue
		}
		for name := range b.Unknown {
			declared["local."+name] = true
		}
		for name := range b.Values {
			declared["local."+name] = true
		}
	}
	for _, b := range blocks {
		for _, reference := range b.references() {
			parts := strings.Split(reference, ".")
			n := 2
			if parts[0] == "data" {
				n = 3
			}
			name := strings.Join(parts[:min(n, len(parts))], ".")
			if name == "path.module" || parts[0] == "each" {
				continue
			}
			if !declared[name] {
				t.Errorf("%s:%d: there is no %s", b.File, b.Line, name)
			}
			if name != b.name() { // a variable's own validation is no use
				used[name] = true
			}
		}
	}
	for name := range declared {
		needed := strings.HasPrefix(name, "var.") || strings.HasPrefix(name, "local.") || strings.HasPrefix(name, "data.") || strings.HasPrefix(name, "aws_iam_role.")
		if needed && !used[name] {
			t.Errorf("nothing uses %s", name)
		}
	}
	terraformFormat(t)
}

func terraformFormat(t *testing.T) {
	t.Helper()
	path, err := exec.LookPath("terraform")
	if err != nil || exec.CommandContext(t.Context(), path, "version").Run() != nil {
		t.Log("terraform is not installed")
		return
	}
	if out, err := exec.CommandContext(t.Context(), path, "fmt", "-check", "-diff", "-recursive", moduleDir).CombinedOutput(); err != nil {
		t.Errorf("terraform fmt: %v\n%s", err, out)
	}
}

// TestTerraformIsCloudFormation compares the module with the template: the same
// configuration, and roles that allow the same.
func TestTerraformIsCloudFormation(t *testing.T) {
	tpl, _ := readTemplate(t)
	configuration := tpl.Parameters["Configuration"]["Default"].(string)
	if diff := gocmp.Diff(configuration, read(t, "deploy/terraform/regsweep.yaml")); diff != "" {
		t.Errorf("the configuration (-CloudFormation +Terraform):\n%s", diff)
	}
	for _, mode := range []string{"plan", "apply"} {
		t.Run(mode, func(t *testing.T) {
			names := map[string]any{
				"var": map[string]any{"name": "cleanup", "mode": mode, "additional_policy": []any{}, "definition": "{}"},
				"local": map[string]any{
					"partition": "aws", "region": "eu-west-1", "account": "*", "settings": "/cleanup/regsweep.yaml", "pipeline": true,
				},
				"aws_s3_bucket":       map[string]any{"this": map[string]any{"arn": "arn:aws:s3:::cleanup-bucket"}},
				"aws_sns_topic":       map[string]any{"this": map[string]any{"arn": topicARN}},
				"aws_lambda_function": map[string]any{"this": map[string]any{"arn": "arn:aws:lambda:eu-west-1:111122223333:function:cleanup"}},
			}
			local := names["local"].(map[string]any)
			for _, b := range module(t, names) {
				if statements, ok := b.Values["function_statements"]; b.Type == "locals" && ok {
					local["function_statements"] = statements
				}
			}
			policy := valueOf(t, module(t, names), "aws_iam_role_policy.function", "policy")
			if diff := gocmp.Diff(functionPolicy(t, configuration, mode), permissionsIn(t, policy)); diff != "" {
				t.Errorf("the role of the function (-permissions iam +module):\n%s", diff)
			}
			local["account"] = "111122223333"
			policy = valueOf(t, module(t, names), "aws_iam_role_policy.pipeline", "policy")
			if diff := gocmp.Diff(pipelineRole(t), permissionsIn(t, policy)); diff != "" {
				t.Errorf("the role of the state machine (-want +module):\n%s", diff)
			}
		})
	}
}

// TestTerraformTrust compares who may assume the roles with the template.
func TestTerraformTrust(t *testing.T) {
	tpl, _ := readTemplate(t)
	v := values{refs: map[string]string{"AWS::AccountId": "111122223333"}}
	for _, role := range []struct {
		inTemplate, inModule string
		each                 map[string]any
	}{
		{"FunctionRole", "aws_iam_role.function", nil},
		{"StateMachineRole", "aws_iam_role.pipeline", map[string]any{"key": "pipeline", "value": "states"}},
		{"PipelineScheduleRole", "aws_iam_role.pipeline", map[string]any{"key": "schedule", "value": "events"}},
	} {
		blocks := module(t, map[string]any{"local": map[string]any{"account": "111122223333", "pipeline": true}, "each": role.each})
		var trust any
		if err := json.Unmarshal([]byte(valueOf(t, blocks, role.inModule, "assume_role_policy")), &trust); err != nil {
			t.Fatal(err)
		}
		want := v.evaluate(t, tpl.Resources[role.inTemplate].Properties["AssumeRolePolicyDocument"])
		if diff := gocmp.Diff(want, trust); diff != "" {
			t.Errorf("%s (-CloudFormation +Terraform):\n%s", role.inTemplate, diff)
		}
		if role.each == nil {
			continue
		}
		for _, b := range blocks {
			if b.Type == "resource" && b.name() == role.inModule {
				if each, _ := b.Values["for_each"].(map[string]any); each[role.each["key"].(string)] != role.each["value"] {
					t.Errorf("for_each is %v", b.Values["for_each"])
				}
			}
		}
	}
}

// TestTerraformSchedule: the schedule invokes the function, or starts the pipeline
// where there is one.
func TestTerraformSchedule(t *testing.T) {
	const function, pipeline, role = "arn:function", "arn:pipeline", "arn:role"
	for _, test := range []struct {
		machines, roles any
		pipeline        bool
		want            map[string]any
	}{
		{[]any{}, map[string]any{}, false, map[string]any{"arn": function, "role_arn": nil, "input": nil}},
		{[]any{map[string]any{"arn": pipeline}}, map[string]any{"schedule": map[string]any{"arn": role}}, true,
			map[string]any{"arn": pipeline, "role_arn": role, "input": "{}"}},
	} {
		blocks := module(t, map[string]any{
			"local":                 map[string]any{"pipeline": test.pipeline},
			"aws_lambda_function":   map[string]any{"this": map[string]any{"arn": function}},
			"aws_sfn_state_machine": map[string]any{"this": test.machines},
			"aws_iam_role":          map[string]any{"pipeline": test.roles},
		})
		for _, b := range blocks {
			if b.Type != "resource" || b.name() != "aws_cloudwatch_event_target.this" {
				continue
			}
			got := map[string]any{}
			for name := range test.want {
				value, known := b.Values[name]
				if !known {
					t.Errorf("%s is not known: %s", name, b.Unknown[name])
				}
				got[name] = value
			}
			if diff := gocmp.Diff(test.want, got); diff != "" {
				t.Errorf("pipeline %v (-want +module):\n%s", test.pipeline, diff)
			}
		}
	}
}

// TestTerraformPipeline fills in the definition of the state machine: no
// placeholder is left.
func TestTerraformPipeline(t *testing.T) {
	definition := read(t, "examples/step-functions/state-machine.asl.json")
	names := map[string]any{
		"var":                 map[string]any{"name": "cleanup", "definition": definition},
		"local":               map[string]any{"partition": "aws", "pipeline": true},
		"aws_lambda_function": map[string]any{"this": map[string]any{"arn": "arn:aws:lambda:eu-west-1:111122223333:function:cleanup"}},
		"aws_s3_bucket":       map[string]any{"this": map[string]any{"id": "cleanup-bucket"}},
	}
	filled := valueOf(t, module(t, names), "aws_sfn_state_machine.this", "definition")
	if strings.Contains(filled, "${") || !json.Valid([]byte(filled)) {
		t.Errorf("the definition is not filled in, or no JSON any more:\n%s", filled)
	}
	for _, want := range []string{"s3://cleanup-bucket/runs/", "arn:aws:lambda:eu-west-1:111122223333:function:cleanup", "arn:aws:states:::lambda:invoke"} {
		if !strings.Contains(filled, want) {
			t.Errorf("the definition has no %s", want)
		}
	}
}

// valueOf returns a text in the module.
func valueOf(t *testing.T, blocks []block, name, attribute string) string {
	t.Helper()
	for _, b := range blocks {
		if b.Type == "resource" && b.name() == name {
			text, ok := b.Values[attribute].(string)
			if !ok {
				t.Fatalf("%s of %s in %s is not known: %s", attribute, name, filepath.Base(b.File), b.Unknown[attribute])
			}
			return text
		}
	}
	t.Fatalf("there is no %s", name)
	return ""
}
