package deploytest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestGoReleaser checks the release: the programs are built as everywhere else,
// what is packed is there, and archives, checksums, SBOMs, images and signatures
// are all made. Where goreleaser is installed, it checks the file too.
func TestGoReleaser(t *testing.T) {
	var r struct {
		Version int
		Builds  []struct {
			Main                              string
			Env, Flags, Ldflags, Goos, Goarch []string
			ModTimestamp                      string `yaml:"mod_timestamp"`
		}
		Archives []struct {
			Files []yaml.Node
		}
		Checksum struct{ NameTemplate, Algorithm string }
		Sboms    []struct{ Artifacts string }
		Signs    []struct{ Cmd, Artifacts string }
		Kos      []struct {
			Main, BaseImage string
			Platforms       []string
		}
		DockerSigns []struct{ Cmd string } `yaml:"docker_signs"`
	}
	text := read(t, ".goreleaser.yaml")
	if err := yaml.Unmarshal([]byte(text), &r); err != nil {
		t.Fatal(err)
	}
	if r.Version != 2 || len(r.Builds) != 1 || len(r.Archives) != 1 || len(r.Sboms) != 1 || len(r.Signs) != 1 || len(r.Kos) != 1 || len(r.DockerSigns) != 1 {
		t.Fatalf("not one of each part: %+v", r)
	}
	build := r.Builds[0]
	if _, err := os.Stat(filepath.Join(root, build.Main, "main.go")); err != nil {
		t.Error(err)
	}
	if !slices.Contains(build.Env, "CGO_ENABLED=0") || !slices.Contains(build.Flags, "-trimpath") || build.ModTimestamp == "" {
		t.Errorf("the programs are not static and reproducible: %+v", build)
	}
	for _, want := range []string{"linux", "darwin"} {
		if !slices.Contains(build.Goos, want) {
			t.Errorf("nothing for %s", want)
		}
	}
	for _, want := range []string{"amd64", "arm64"} {
		if !slices.Contains(build.Goarch, want) || !slices.Contains(r.Kos[0].Platforms, "linux/"+want) {
			t.Errorf("nothing for %s", want)
		}
	}
	if r.Checksum.Algorithm != "sha256" || r.Signs[0].Artifacts != "checksum" || r.Sboms[0].Artifacts != "archive" {
		t.Errorf("checksums %+v, signatures %+v, SBOMs %+v", r.Checksum, r.Signs, r.Sboms)
	}
	for _, node := range r.Archives[0].Files {
		pattern := node.Value
		if node.Kind == yaml.MappingNode {
			var file struct{ Src string }
			if err := node.Decode(&file); err != nil {
				t.Fatal(err)
			}
			pattern = file.Src
		}
		if found, err := filepath.Glob(filepath.Join(root, pattern)); err != nil || len(found) == 0 {
			t.Errorf("archives: there is no %s (%v)", pattern, err)
		}
	}
	goreleaserCheck(t)
}

// TestVersionVariable checks that every build sets the variable that the program
// tells its version from.
func TestVersionVariable(t *testing.T) {
	source := read(t, "internal/cli/cli.go")
	if !regexp.MustCompile(`(?m)^var version string$`).MatchString(source) {
		t.Fatal("internal/cli has no variable version")
	}
	for _, path := range []string{"Makefile", "Dockerfile", ".ko.yaml", ".goreleaser.yaml"} {
		if !strings.Contains(read(t, path), "github.com/regsweep/regsweep/internal/cli.version") {
			t.Errorf("%s does not set the version", path)
		}
	}
}

func goreleaserCheck(t *testing.T) {
	t.Helper()
	path, err := exec.LookPath("goreleaser")
	if err != nil {
		t.Log("goreleaser is not installed")
		return
	}
	// It wants to know of a remote, which a checkout need not have.
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".goreleaser.yaml"), []byte(read(t, ".goreleaser.yaml")), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"git", "init", "-q"}, {"git", "remote", "add", "origin", "https://github.com/regsweep/regsweep.git"}, {path, "check"}} {
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}

// workflow is as much of a workflow or a composite action as is checked.
type workflow struct {
	Permissions yaml.Node
	On          map[string]yaml.Node
	Jobs        map[string]struct {
		Permissions map[string]string
		Needs       string
		TimeoutMin  int `yaml:"timeout-minutes"`
		Steps       []step
	}
	Outputs map[string]struct{ Value string }
	Runs    struct {
		Using string
		Steps []step
	}
}

type step struct {
	ID, Uses, Run, Shell string
	Env                  map[string]string
}

// TestWorkflows checks that continuous integration is .ci/run and nothing else,
// that a release comes after it, that jobs may do no more than they need, and that
// no script holds what somebody else can write (titles, names of branches).
func TestWorkflows(t *testing.T) {
	paths, err := filepath.Glob(root + "/.github/workflows/*.yml")
	if err != nil || len(paths) < 2 {
		t.Fatalf("workflows %v: %v", paths, err)
	}
	for _, path := range append(paths, root+"/.github/actions/plan/action.yml") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			w := readWorkflow(t, path)
			for event := range w.On {
				if event == "pull_request_target" || event == "workflow_run" {
					t.Errorf("it runs the code of strangers with rights of its own, on %s", event)
				}
			}
			if len(w.On) == 0 && w.Runs.Using != "composite" {
				t.Error("nothing starts it")
			}
			steps := w.Runs.Steps
			for name, job := range w.Jobs {
				if job.TimeoutMin == 0 {
					t.Errorf("job %s has no time limit", name)
				}
				if name != "release" && len(job.Permissions) > 0 {
					t.Errorf("job %s has rights of its own: %v", name, job.Permissions)
				}
				steps = append(steps, job.Steps...)
			}
			if len(steps) == 0 {
				t.Fatal("no steps")
			}
			for _, s := range steps {
				if strings.Contains(s.Run, "${{") {
					t.Errorf("a script holds an expression; give it by the environment: %s", s.Run)
				}
				if s.Uses != "" && !regexp.MustCompile(`^[a-z-]+/[a-zA-Z/-]+@v\d+$`).MatchString(s.Uses) {
					t.Errorf("uses %s: want a version", s.Uses)
				}
			}
		})
	}
	ci := readWorkflow(t, root+"/.github/workflows/ci.yml")
	release := readWorkflow(t, root+"/.github/workflows/release.yml")
	for _, w := range []workflow{ci, release} {
		var runs []string
		for _, s := range w.Jobs["test"].Steps {
			if s.Run != "" {
				runs = append(runs, s.Run)
			}
		}
		if !slices.Equal(runs, []string{".ci/run"}) {
			t.Errorf("the job test runs %q, want .ci/run", runs)
		}
		var permissions map[string]string
		if err := w.Permissions.Decode(&permissions); err != nil || len(permissions) != 1 || permissions["contents"] != "read" {
			t.Errorf("permissions %v, want contents: read (%v)", permissions, err)
		}
	}
	if release.Jobs["release"].Needs != "test" {
		t.Error("a release does not wait for the tests")
	}
}

func readWorkflow(t *testing.T, path string) (w workflow) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = yaml.Unmarshal(text, &w)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return w
}
