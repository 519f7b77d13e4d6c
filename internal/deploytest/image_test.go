package deploytest

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// builtImage is what test/deploy/image tells of one image of the index.
type builtImage struct {
	Platform        string
	User            string
	Entrypoint, Cmd []string
	Env             []string
	Files           []string
}

// TestImageByKo builds the image as .ko.yaml says, pushes it to a registry in a
// process and pulls it. On an empty base nothing is in it but the program, so no
// shell; it runs as nobody, on both platforms, and what is in it starts.
func TestImageByKo(t *testing.T) {
	program := filepath.Join(t.TempDir(), "regsweep")
	cmd := exec.CommandContext(t.Context(), filepath.Join(programs, "image"), root, program)
	// A version, and nothing of ko's own settings.
	cmd.Env = append(cmd.Environ(), "VERSION=1.2.3-test", "KO_CONFIG_PATH=", "GOFLAGS=-buildvcs=false")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("image: %v\n%s", err, stderr.String())
	}
	var images []builtImage
	if err := json.Unmarshal(stdout.Bytes(), &images); err != nil {
		t.Fatal(err)
	}
	var want []builtImage
	for _, platform := range []string{"linux/amd64", "linux/arm64"} {
		want = append(want, builtImage{
			Platform: platform, User: "65532", Entrypoint: []string{"/ko-app/regsweep"},
			Env: []string{"PATH=/ko-app", "KO_DATA_PATH=/var/run/ko"}, Files: []string{"/ko-app/regsweep"},
		})
	}
	if diff := cmp.Diff(want, images); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
	version, err := exec.CommandContext(t.Context(), program, "version").CombinedOutput()
	if err != nil || !strings.Contains(string(version), "1.2.3-test") {
		t.Errorf("regsweep version of the image: %v\n%s", err, version)
	}
	// It asks the loader for nothing, which is not there.
	if out, err := exec.CommandContext(t.Context(), "go", "version", "-m", program).CombinedOutput(); err != nil || !strings.Contains(string(out), "CGO_ENABLED=0") {
		t.Errorf("the program is not static: %v\n%s", err, out)
	}
}

// instruction is a line of a Dockerfile.
type instruction struct{ name, args string }

// stages returns the instructions of a Dockerfile by stage.
func stages(text string) (all [][]instruction) {
	text = regexp.MustCompile(`(?m)^\s*#.*\n`).ReplaceAllString(text, "")
	text = strings.ReplaceAll(text, "\\\n", " ")
	for line := range strings.Lines(text) {
		name, args, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == "" {
			continue
		}
		if name == "FROM" {
			all = append(all, nil)
		}
		last := len(all) - 1
		all[last] = append(all[last], instruction{name, strings.Join(strings.Fields(args), " ")})
	}
	return all
}

// TestDockerfile checks what the image of the Dockerfile holds, since nothing here
// can build one: the program and certificates, in nothing; nobody's account; the
// same flags of the compiler as ko and make use.
func TestDockerfile(t *testing.T) {
	all := stages(read(t, "Dockerfile"))
	if len(all) != 2 {
		t.Fatalf("%d stages, want two", len(all))
	}
	build, final := all[0], all[1]
	want := []instruction{
		{"FROM", "scratch"},
		{"COPY", "--from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/"},
		{"COPY", "--from=build /out/tmp /tmp"},
		{"COPY", "--from=build --chown=65532:65532 /out/home /home/nonroot"},
		{"COPY", "--from=build /out/regsweep /regsweep"},
		{"ENV", "HOME=/home/nonroot SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"},
		{"USER", "65532:65532"},
		{"WORKDIR", "/home/nonroot"},
		{"ENTRYPOINT", `["/regsweep"]`},
	}
	if diff := cmp.Diff(want, final, cmp.AllowUnexported(instruction{})); diff != "" {
		t.Errorf("the image (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(build[0].args, "--platform=$BUILDPLATFORM golang:") {
		t.Errorf("FROM %s: want the compiler of the machine that builds", build[0].args)
	}
	compile := build[len(build)-1].args
	for _, want := range []string{"CGO_ENABLED=0", "GOOS=$TARGETOS", "GOARCH=$TARGETARCH", "-trimpath", "-X github.com/regsweep/regsweep/internal/cli.version=$VERSION", "./cmd/regsweep"} {
		if !strings.Contains(compile, want) {
			t.Errorf("the compiler is not called with %s: %s", want, compile)
		}
	}
	// The compiler that the Dockerfile names is new enough for go.mod.
	minor := regexp.MustCompile(`golang:(1\.\d+) `).FindStringSubmatch(build[0].args)
	if minor == nil || !strings.Contains(read(t, "go.mod"), "\ngo "+minor[1]+".") {
		t.Errorf("FROM %s is not the Go of go.mod", build[0].args)
	}
	ignored := strings.Fields(read(t, ".dockerignore"))
	for _, i := range build {
		if i.name != "COPY" {
			continue
		}
		words := strings.Fields(i.args)
		for _, source := range words[:len(words)-1] {
			if !slices.Contains(ignored, "!"+source) {
				t.Errorf("COPY %s: .dockerignore leaves %s out", i.args, source)
			}
		}
	}
}

// TestKoConfiguration checks what the image test replaces: the base.
func TestKoConfiguration(t *testing.T) {
	var ko struct {
		DefaultBaseImage string `yaml:"defaultBaseImage"`
		Builds           []struct{ Env, Flags, Ldflags []string }
	}
	if err := yaml.Unmarshal([]byte(read(t, ".ko.yaml")), &ko); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(ko.DefaultBaseImage, ":nonroot") || !strings.Contains(ko.DefaultBaseImage, "distroless/static") {
		t.Errorf("the base is %s, want distroless static for nobody", ko.DefaultBaseImage)
	}
	if len(ko.Builds) != 1 || !slices.Contains(ko.Builds[0].Env, "CGO_ENABLED=0") || !slices.Contains(ko.Builds[0].Flags, "-trimpath") {
		t.Errorf("builds: %+v", ko.Builds)
	}
}
