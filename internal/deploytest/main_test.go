package deploytest

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/regsweep/regsweep/internal/cli"
	"github.com/regsweep/regsweep/internal/kinds"
	"github.com/regsweep/regsweep/internal/kubetest"
)

var update = flag.Bool("update", false, "write the manifests of deploy/kubernetes and deploy/kustomize/base anew")

// root is the folder of the repository.
const root = "../.."

var (
	server *kubetest.Server
	// programs is the folder with what test/deploy has.
	programs string
)

func TestMain(m *testing.M) {
	if os.Getenv("AS_REGSWEEP") != "" { // a test started this program as the command
		os.Exit(cli.Main(cli.OS()))
	}
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	flag.Parse()
	var stderr bytes.Buffer
	build := exec.Command(filepath.Join(root, "scripts", "deploy-tools"))
	build.Stderr = &stderr
	out, err := build.Output()
	if err != nil {
		return 1, fmt.Errorf("run scripts/deploy-tools: %w\n%s", err, stderr.String())
	}
	programs = strings.TrimSpace(string(out))
	s, stop, err := kubetest.Run(kubetest.Options{})
	if err != nil {
		return 1, err
	}
	defer stop()
	server = s
	return m.Run(), nil
}

// render runs the program of that name and returns what it prints.
func render(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out, err := tryRender(t, stdin, args...)
	if err != nil {
		t.Fatalf("render %v: %v", args, err)
	}
	return out
}

func tryRender(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(programs, "render"), args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), errors.New(stderr.String())
	}
	return stdout.String(), nil
}

// regsweep runs the command in this process, with these variables and no others,
// and returns what it prints. It must succeed.
func regsweep(t *testing.T, env map[string]string, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := cli.Main(cli.World{
		Args: args, Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr,
		LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		Now:       time.Now, Kinds: kinds.All(),
	})
	if code != 0 {
		t.Fatalf("regsweep %v: exit code %d\n%s", args, code, stderr.String())
	}
	return stdout.String()
}

// objects returns the documents of a YAML stream.
func objects(t *testing.T, stream string) (all []*unstructured.Unstructured) {
	t.Helper()
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(stream), 4096)
	for {
		var document runtime.RawExtension
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err == nil && len(document.Raw) > 0 && string(document.Raw) != "null" {
			object := &unstructured.Unstructured{}
			err = object.UnmarshalJSON(document.Raw)
			all = append(all, object)
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, stream)
		}
	}
}

// find returns the only object of a kind.
func find(t *testing.T, all []*unstructured.Unstructured, kind string) *unstructured.Unstructured {
	t.Helper()
	var found *unstructured.Unstructured
	for _, o := range all {
		if o.GetKind() != kind {
			continue
		}
		if found != nil {
			t.Fatalf("several objects of the kind %s", kind)
		}
		found = o
	}
	if found == nil {
		t.Fatalf("no object of the kind %s", kind)
	}
	return found
}

// read returns the content of a file of the repository.
func read(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{root}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
