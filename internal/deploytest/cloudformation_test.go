package deploytest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

const templatePath = "deploy/cloudformation/regsweep.yaml"

// template is a CloudFormation template whose functions are written in the long
// form: {"Fn::Sub": …}.
type template struct {
	Parameters map[string]map[string]any
	Conditions map[string]any
	Resources  map[string]struct {
		Type       string
		Condition  string
		DependsOn  string
		Properties map[string]any
	}
	Outputs map[string]map[string]any
}

func readTemplate(t *testing.T) (tpl template, whole any) {
	t.Helper()
	var node yaml.Node
	if err := yaml.Unmarshal([]byte(read(t, templatePath)), &node); err != nil {
		t.Fatal(err)
	}
	whole = longForm(t, node.Content[0])
	text, err := json.Marshal(whole)
	if err == nil {
		err = json.Unmarshal(text, &tpl)
	}
	if err != nil {
		t.Fatal(err)
	}
	return tpl, whole
}

// longForm returns the value of a node, with !Ref and the like as mappings.
func longForm(t *testing.T, n *yaml.Node) any {
	t.Helper()
	tag := n.Tag
	if strings.HasPrefix(tag, "!") && !strings.HasPrefix(tag, "!!") {
		plain := *n
		plain.Tag = ""
		name := strings.TrimPrefix(tag, "!")
		if name != "Ref" && name != "Condition" {
			name = "Fn::" + name
		}
		value := longForm(t, &plain)
		if name == "Fn::GetAtt" {
			resource, attribute, _ := strings.Cut(value.(string), ".")
			value = []any{resource, attribute}
		}
		return map[string]any{name: value}
	}
	switch {
	case n.Kind == yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			if _, twice := m[n.Content[i].Value]; twice {
				t.Fatalf("%s:%d: %s stands twice", templatePath, n.Content[i].Line, n.Content[i].Value)
			}
			m[n.Content[i].Value] = longForm(t, n.Content[i+1])
		}
		return m
	case n.Kind == yaml.SequenceNode:
		list := []any{}
		for _, item := range n.Content {
			list = append(list, longForm(t, item))
		}
		return list
	}
	var v any
	if err := n.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// attributes are those that GetAtt may ask for.
var attributes = map[string][]string{
	"AWS::S3::Bucket": {"Arn"}, "AWS::IAM::Role": {"Arn"}, "AWS::Lambda::Function": {"Arn"}, "AWS::Events::Rule": {"Arn"},
}

var substituted = regexp.MustCompile(`\$\{([^!}][^}]*)\}`)

// TestCloudFormation checks that everything the template refers to is in it and is
// there whenever it is needed, that no parameter is without use, and that every
// role is somebody's. Where cfn-lint is installed, it has nothing to say either.
func TestCloudFormation(t *testing.T) {
	tpl, whole := readTemplate(t)
	used := map[string]bool{}
	// resolve checks a name that something under a condition refers to.
	resolve := func(where, condition, name, attribute string) {
		if strings.HasPrefix(name, "AWS::") && attribute == "" {
			return
		}
		used[name] = true
		if _, ok := tpl.Parameters[name]; ok && attribute == "" {
			return
		}
		r, ok := tpl.Resources[name]
		switch {
		case !ok:
			t.Errorf("%s: there is no %s", where, name)
		case r.Condition != "" && r.Condition != condition:
			t.Errorf("%s: %s is there under the condition %s only", where, name, r.Condition)
		case attribute != "" && !slices.Contains(attributes[r.Type], attribute):
			t.Errorf("%s: %s has no attribute %s", where, r.Type, attribute)
		}
	}
	var walk func(where, condition string, v any)
	walk = func(where, condition string, v any) {
		switch v := v.(type) {
		case []any:
			for i, item := range v {
				walk(fmt.Sprintf("%s[%d]", where, i), condition, item)
			}
		case map[string]any:
			for key, value := range v {
				switch key {
				case "Ref":
					resolve(where, condition, value.(string), "")
				case "Fn::GetAtt":
					resolve(where, condition, value.([]any)[0].(string), value.([]any)[1].(string))
				case "Fn::Sub":
					for _, m := range substituted.FindAllStringSubmatch(value.(string), -1) {
						name, attribute, _ := strings.Cut(m[1], ".")
						resolve(where, condition, name, attribute)
					}
				case "Fn::If":
					if name := value.([]any)[0].(string); tpl.Conditions[name] == nil {
						t.Errorf("%s: there is no condition %s", where, name)
					}
					walk(where, condition, value.([]any)[1:])
				case "Condition":
					if name, ok := value.(string); ok && tpl.Conditions[name] == nil {
						t.Errorf("%s: there is no condition %s", where, name)
					} else if !ok {
						walk(where, condition, value) // of a policy
					}
				case "DependsOn":
					resolve(where, condition, value.(string), "")
				default:
					walk(where+"."+key, condition, value)
				}
			}
		}
	}
	sections := whole.(map[string]any)
	for _, section := range []string{"Resources", "Outputs"} {
		for name, v := range sections[section].(map[string]any) {
			condition, _ := v.(map[string]any)["Condition"].(string)
			walk(name, condition, v)
		}
	}
	walk("Conditions", "", sections["Conditions"])
	walk("Rules", "", sections["Rules"])
	for name := range tpl.Parameters {
		if !used[name] {
			t.Errorf("nothing uses the parameter %s", name)
		}
	}
	for name, r := range tpl.Resources {
		if strings.HasSuffix(name, "Role") && !used[name] {
			t.Errorf("nobody has the role %s", name)
		}
		if r.Type == "" {
			t.Errorf("%s has no type", name)
		}
	}
	cfnLint(t)
}

// cfnLint runs cfn-lint where it is installed, which needs Python. A version
// manager's stand-in may have nothing behind it.
func cfnLint(t *testing.T) {
	t.Helper()
	if exec.CommandContext(t.Context(), "cfn-lint", "--version").Run() != nil {
		t.Log("cfn-lint is not installed")
		return
	}
	if out, err := exec.CommandContext(t.Context(), "cfn-lint", "--", filepath.Join(root, templatePath)).CombinedOutput(); err != nil {
		t.Errorf("cfn-lint: %v\n%s", err, out)
	}
}

// values is what names stand for in evaluate.
type values struct {
	refs  map[string]string
	conds map[string]bool
}

// evaluate returns a value of the template with its functions resolved.
func (v values) evaluate(t *testing.T, in any) any {
	t.Helper()
	switch in := in.(type) {
	case []any:
		out := []any{}
		for _, item := range in {
			if e := v.evaluate(t, item); e != nil {
				out = append(out, e)
			}
		}
		return out
	case map[string]any:
		for key, value := range in {
			switch key {
			case "Ref":
				return v.ref(t, value.(string))
			case "Fn::GetAtt":
				return v.ref(t, value.([]any)[0].(string)+"."+value.([]any)[1].(string))
			case "Fn::Sub":
				return substituted.ReplaceAllStringFunc(value.(string), func(m string) string {
					return v.ref(t, m[2:len(m)-1]).(string)
				})
			case "Fn::If":
				branches := value.([]any)
				if v.conds[branches[0].(string)] {
					return v.evaluate(t, branches[1])
				}
				return v.evaluate(t, branches[2])
			}
		}
		out := map[string]any{}
		for key, value := range in {
			out[key] = v.evaluate(t, value)
		}
		return out
	}
	return in
}

func (v values) ref(t *testing.T, name string) any {
	t.Helper()
	if name == "AWS::NoValue" {
		return nil
	}
	value, ok := v.refs[name]
	if !ok {
		t.Fatalf("no value for %s", name)
	}
	return value
}

// permission is one action on one resource.
type permission struct{ Action, Resource string }

// permissionsIn returns what the statements of a policy allow, sorted.
func permissionsIn(t *testing.T, policy any) []permission {
	t.Helper()
	text, err := json.Marshal(policy)
	if s, ok := policy.(string); ok {
		text = []byte(s)
	}
	var document struct {
		Statement []struct {
			Effect           string
			Action, Resource any
		}
	}
	if err == nil {
		err = json.Unmarshal(text, &document)
	}
	if err != nil {
		t.Fatal(err)
	}
	all := map[permission]bool{}
	for _, s := range document.Statement {
		if s.Effect != "Allow" {
			t.Errorf("a statement with the effect %s", s.Effect)
		}
		for _, action := range list(s.Action) {
			for _, resource := range list(s.Resource) {
				all[permission{action, resource}] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(all), func(a, b permission) int {
		return cmp.Or(cmp.Compare(a.Action, b.Action), cmp.Compare(a.Resource, b.Resource))
	})
}

// list returns one or more texts.
func list(v any) (all []string) {
	if s, ok := v.(string); ok {
		return []string{s}
	}
	items, _ := v.([]any)
	for _, item := range items {
		all = append(all, fmt.Sprint(item))
	}
	return all
}

// functionPolicy is what permissions iam prints for the function of the template
// and of the module.
func functionPolicy(t *testing.T, configuration, mode string) []permission {
	t.Helper()
	path := filepath.Join(t.TempDir(), "regsweep.yaml")
	if err := os.WriteFile(path, []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"AWS_REGION": "eu-west-1", "MODE": mode, "TOPIC_ARN": topicARN}
	return permissionsIn(t, regsweep(t, env, "permissions", "iam", "--for", "lambda", "--config", path, "--function", "cleanup",
		"--journal", "s3://cleanup-bucket/journal/", "--runs", "s3://cleanup-bucket/runs/", "--stored", "ssm:/cleanup/regsweep.yaml"))
}

const topicARN = "arn:aws:sns:eu-west-1:111122223333:cleanup"

// TestCloudFormationRoleIsTheLeast compares the role of the function with what
// permissions iam prints for the configuration in the template: the same, but in
// this account only, and with nothing that deletes unless Mode is apply.
func TestCloudFormationRoleIsTheLeast(t *testing.T) {
	tpl, _ := readTemplate(t)
	for _, mode := range []string{"plan", "apply"} {
		t.Run(mode, func(t *testing.T) {
			v := values{conds: map[string]bool{"Apply": mode == "apply"}, refs: map[string]string{
				"AWS::Partition": "aws", "AWS::Region": "eu-west-1", "AWS::StackName": "cleanup",
				"AWS::AccountId": "*", // permissions iam does not know it
				"Bucket.Arn":     "arn:aws:s3:::cleanup-bucket", "Settings": "/cleanup/regsweep.yaml", "Topic": topicARN,
			}}
			policies := tpl.Resources["FunctionRole"].Properties["Policies"].([]any)
			if len(policies) != 1 {
				t.Fatalf("%d policies, want one", len(policies))
			}
			got := permissionsIn(t, v.evaluate(t, policies[0].(map[string]any)["PolicyDocument"]))
			want := functionPolicy(t, tpl.Parameters["Configuration"]["Default"].(string), mode)
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Errorf("the role (-permissions iam +template):\n%s", diff)
			}
			deletes := slices.ContainsFunc(got, func(p permission) bool { return p.Action == "ecr:BatchDeleteImage" })
			if deletes != (mode == "apply") {
				t.Errorf("with the mode %s, the role may delete: %v", mode, deletes)
			}
		})
	}
}

// TestCloudFormationAdditionalPolicy: a configuration with other sources needs other
// rights, which the role has only when they are given.
func TestCloudFormationAdditionalPolicy(t *testing.T) {
	tpl, _ := readTemplate(t)
	const arn = "arn:aws:iam::111122223333:policy/more"
	for given, want := range map[bool]any{false: nil, true: []any{arn}} {
		v := values{conds: map[string]bool{"Additional": given}, refs: map[string]string{"AdditionalPolicyArn": arn}}
		got := v.evaluate(t, tpl.Resources["FunctionRole"].Properties["ManagedPolicyArns"])
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("given %v (-want +template):\n%s", given, diff)
		}
	}
}

// TestCloudFormationPipeline checks the state machine: it gets a value for each
// substitution of the definition, and its role has what the states of the
// definition call and no more.
func TestCloudFormationPipeline(t *testing.T) {
	tpl, _ := readTemplate(t)
	properties := tpl.Resources["StateMachine"].Properties
	given := slices.Sorted(maps.Keys(properties["DefinitionSubstitutions"].(map[string]any)))
	if diff := gocmp.Diff(placeholders(t), given); diff != "" {
		t.Errorf("substitutions (-definition +template):\n%s", diff)
	}
	v := values{refs: map[string]string{
		"AWS::Partition": "aws", "AWS::Region": "eu-west-1", "AWS::StackName": "cleanup", "AWS::AccountId": "111122223333",
		"Bucket.Arn": "arn:aws:s3:::cleanup-bucket", "Function.Arn": "arn:aws:lambda:eu-west-1:111122223333:function:cleanup",
	}}
	policy := tpl.Resources["StateMachineRole"].Properties["Policies"].([]any)[0].(map[string]any)["PolicyDocument"]
	if diff := gocmp.Diff(pipelineRole(t), permissionsIn(t, v.evaluate(t, policy))); diff != "" {
		t.Errorf("the role of the state machine (-want +template):\n%s", diff)
	}
}

// placeholders returns what stands for something else in the definition of the
// state machine, sorted.
func placeholders(t *testing.T) []string {
	t.Helper()
	names := map[string]bool{}
	for _, m := range regexp.MustCompile(`\$\{(\w+)\}`).FindAllStringSubmatch(read(t, "examples/step-functions/state-machine.asl.json"), -1) {
		names[m[1]] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// pipelineRole is what examples/step-functions says that the role of the state
// machine needs, in one account and region. Its function is called without a
// version.
func pipelineRole(t *testing.T) []permission {
	t.Helper()
	policy := strings.NewReplacer(
		"${Partition}", "aws", "${Function}", "cleanup", "${Bucket}", "cleanup-bucket", "${StateMachine}", "cleanup",
		":*:*:", ":eu-west-1:111122223333:",
	).Replace(read(t, "examples/step-functions/state-machine-role.json"))
	return slices.DeleteFunc(permissionsIn(t, policy), func(p permission) bool { return strings.HasSuffix(p.Resource, ":function:cleanup:*") })
}
