package doctest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/regsweep/regsweep/internal/cli"
	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/journal"
	"github.com/regsweep/regsweep/internal/kinds"
	"github.com/regsweep/regsweep/internal/objects"
	"github.com/regsweep/regsweep/internal/permissions"
	"github.com/regsweep/regsweep/internal/registry/ecr"
	"github.com/regsweep/regsweep/internal/usage/apprunner"
	"github.com/regsweep/regsweep/internal/usage/ecs"
	"github.com/regsweep/regsweep/internal/usage/kubernetes"
	"github.com/regsweep/regsweep/internal/usage/lambda"
	"github.com/regsweep/regsweep/internal/usage/snapshot"
)

const root = "../.."

// documents returns the documentation by path from the root.
func documents(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	docs := map[string]string{}
	for _, path := range append(paths, filepath.Join(root, "README.md")) {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		docs[filepath.ToSlash(name)] = string(content)
	}
	return docs
}

var (
	fence    = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")
	topLevel = regexp.MustCompile(`(?m)^([a-z]+[A-Za-z]*):`)
)

// Examples load. One that shows a part of a configuration gets the rest.
func TestExamplesLoad(t *testing.T) {
	examples := 0
	for name, doc := range documents(t) {
		for n, block := range fence.FindAllStringSubmatch(doc, -1) {
			if block[1] != "yaml" || regexp.MustCompile(`(?m)^kind:`).MatchString(block[2]) {
				continue
			}
			examples++
			text := block[2]
			has := map[string]bool{}
			for _, key := range topLevel.FindAllStringSubmatch(text, -1) {
				has[key[1]] = true
			}
			for key, value := range map[string]string{"version": "1", "registries": "[{ecr: {region: eu-west-1}}]"} {
				if !has[key] {
					text += fmt.Sprintf("\n%s: %s\n", key, value)
				}
			}
			if _, err := config.Parse(fmt.Sprintf("%s, block %d", name, n+1), []byte(text), func(string) (string, bool) { return "", false }, kinds.All()); err != nil {
				t.Errorf("%v\n%s", err, text)
			}
		}
	}
	if examples < 10 {
		t.Errorf("only %d examples were found", examples)
	}
}

// The reference names every field of the configuration.
func TestConfigurationNamesEveryField(t *testing.T) {
	data, err := config.Schema(kinds.All())
	if err != nil {
		t.Fatal(err)
	}
	var schema any
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	doc := documents(t)["docs/configuration.md"]
	fields := 0
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if properties, ok := v["properties"].(map[string]any); ok {
				for name := range properties {
					fields++
					if !regexp.MustCompile("`([A-Za-z.]+\\.)?" + name + "`").MatchString(doc) {
						t.Errorf("docs/configuration.md does not name %s", name)
					}
				}
			}
			for _, child := range v {
				walk(child)
			}
		case []any:
			for _, child := range v {
				walk(child)
			}
		}
	}
	walk(schema)
	if fields < 50 {
		t.Errorf("only %d fields were found", fields)
	}
}

// help returns what the command says of itself.
func help(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	code := cli.Main(cli.World{
		Args: append(args, "--help"), Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out,
		LookupEnv: func(string) (string, bool) { return "", false }, Now: time.Now, Kinds: kinds.All(),
	})
	if code != 0 {
		t.Fatalf("%v --help: exit code %d\n%s", args, code, out.String())
	}
	return out.String()
}

// commands returns the names of the commands, or of those below a command.
func commands(t *testing.T, path ...string) (names []string) {
	t.Helper()
	_, list, ok := strings.Cut(help(t, path...), "Available Commands:\n")
	if !ok && len(path) == 0 {
		t.Fatal("the help lists no commands")
	}
	list, _, _ = strings.Cut(list, "\n\n")
	for line := range strings.Lines(list) {
		names = append(names, strings.Fields(line)[0])
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == "help" })
}

// The README lists every command, and the documentation no flag that does not
// exist.
func TestCommandsAndFlags(t *testing.T) {
	docs := documents(t)
	flag := regexp.MustCompile(`--[a-z][a-z-]+`)
	known := map[string]bool{"--help": true}
	for _, command := range commands(t) {
		if !strings.Contains(docs["README.md"], "`regsweep "+command) {
			t.Errorf("README.md does not list the command %s", command)
		}
		texts := []string{help(t, command)}
		for _, below := range commands(t, command) {
			texts = append(texts, help(t, command, below))
		}
		for _, f := range flag.FindAllString(strings.Join(texts, "\n"), -1) {
			known[f] = true
		}
	}
	for name, doc := range docs {
		switch name {
		case "docs/benchmarks.md": // shows other programs too
			continue
		case "docs/deploy.md": // likewise; its own commands begin a line
			doc = strings.Join(regexp.MustCompile(`(?m)^regsweep .*$`).FindAllString(doc, -1), "\n")
		}
		for _, f := range flag.FindAllString(doc, -1) {
			if !known[f] {
				t.Errorf("%s names the flag %s, which no command has", name, f)
			}
		}
	}
}

var (
	// A test is named as `internal/plan: TestLaw` or `internal/plan: TestLaw/a case`,
	// and a case by its whole name as the code has it.
	namedTest = regexp.MustCompile("`((?:internal|scripts)/[a-z/]+): ((?:Test|Fuzz)[A-Za-z0-9]*)(?:/([^`]+))?`")
	bareTest  = regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z][A-Za-z0-9]+\b`)
)

// Tests that the documentation names exist, and so do their cases.
func TestNamedTestsExist(t *testing.T) {
	all := map[string]bool{}
	inFolder := map[string]string{} // the text of all tests and transcripts
	err := filepath.WalkDir(filepath.Join(root, "internal"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, ".txtar") {
			return err
		}
		content, err := os.ReadFile(path)
		folder, relErr := filepath.Rel(root, filepath.Dir(path))
		if err != nil || relErr != nil {
			return fmt.Errorf("%w, %w", err, relErr)
		}
		for _, f := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`).FindAllStringSubmatch(string(content), -1) {
			all[f[1]] = true
		}
		folder, _, _ = strings.Cut(filepath.ToSlash(folder), "/testdata")
		inFolder[folder] += string(content)
		if strings.HasSuffix(path, ".txtar") { // the name of a transcript is the name of its test
			inFolder[folder] += strings.TrimSuffix(filepath.Base(path), ".txtar") + "\n"
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, doc := range documents(t) {
		for _, m := range namedTest.FindAllStringSubmatch(doc, -1) {
			if !strings.Contains(inFolder[m[1]], "func "+m[2]+"(") {
				t.Errorf("%s names %s of %s, which is not there", name, m[2], m[1])
			}
			if m[3] != "" && !strings.Contains(inFolder[m[1]], m[3]) {
				t.Errorf("%s names the case %q of %s in %s, which is not there", name, m[3], m[2], m[1])
			}
		}
		for _, test := range bareTest.FindAllString(doc, -1) {
			if !all[test] {
				t.Errorf("%s names %s, which is not there", name, test)
			}
		}
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
)

// anchors returns what links can point to in a document, as GitHub makes them.
func anchors(doc string) map[string]bool {
	found := map[string]bool{"": true}
	drop := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for _, h := range heading.FindAllStringSubmatch(fence.ReplaceAllString(doc, ""), -1) {
		found[strings.ReplaceAll(drop.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-")] = true
	}
	return found
}

// Links inside the repository lead to files and headings that exist.
func TestLinks(t *testing.T) {
	docs := documents(t)
	for name, doc := range docs {
		for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(doc, ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			path, anchor, _ := strings.Cut(m[1], "#")
			target := name
			if path != "" {
				target = filepath.ToSlash(filepath.Join(filepath.Dir(name), path))
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s links to %s: %v", name, m[1], err)
				continue
			}
			if other, ok := docs[target]; ok && !anchors(other)[anchor] {
				t.Errorf("%s links to %s: no such heading", name, m[1])
			}
		}
	}
}

// marked returns the content of the code block after a comment "<!-- NAME …".
func marked(t *testing.T, doc, name string) string {
	t.Helper()
	m := regexp.MustCompile(`(?s)<!-- ` + name + `\b[^>]*-->\n` + "```[a-z]+\n(.*?)\n```").FindStringSubmatch(doc)
	if m == nil {
		t.Fatalf("there is no block %s", name)
	}
	return m[1]
}

// The ClusterRole in the documentation is what reading a cluster needs.
func TestRightsOfKubernetes(t *testing.T) {
	var role struct {
		Rules []kubernetes.PolicyRule `yaml:"rules"`
	}
	if err := yaml.Unmarshal([]byte(marked(t, documents(t)["docs/sources.md"], "rbac")), &role); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(kubernetes.Rules(kubernetes.Config{}), role.Rules); diff != "" {
		t.Errorf("rules (-code +docs):\n%s", diff)
	}
}

// The documentation names the actions of the sources and of the registry, and no
// others.
func TestRightsOfAWS(t *testing.T) {
	_, section, _ := strings.Cut(documents(t)["docs/sources.md"], "## IAM\n")
	named := map[string]bool{}
	for line := range strings.Lines(section) {
		if !strings.HasPrefix(line, "|") {
			continue // the list below says what is not in the policy
		}
		for _, action := range regexp.MustCompile("`([a-z0-9]+:[A-Z]\\w+)`").FindAllStringSubmatch(line, -1) {
			named[action[1]] = true
		}
	}
	role := "arn:aws:iam::111122223333:role/x"
	place, err := journal.Open("s3://bucket/prefix", objects.Env{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Concat(
		ecr.Actions(ecr.Config{AssumeRole: role}, true), ecs.Actions(ecs.Config{}), lambda.Actions(lambda.Config{}),
		apprunner.Actions(apprunner.Config{}), permissions.Actions(snapshot.Config{Path: "s3://x/y"}.IAM(permissions.Run{})),
		permissions.Actions(place.IAM(permissions.Run{}, true)),
	)
	slices.Sort(want)
	want = slices.Compact(want)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(named))); diff != "" {
		t.Errorf("actions (-code +docs):\n%s", diff)
	}
}
