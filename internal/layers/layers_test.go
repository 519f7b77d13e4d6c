package layers

import (
	"errors"
	"fmt"
	"go/build"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestModule checks this module as it stands.
func TestModule(t *testing.T) {
	const module = "github.com/regsweep/regsweep"
	packages := list(t, filepath.Join("..", ".."), module)
	if len(packages) < len(pure) {
		t.Fatalf("go list found %d packages", len(packages))
	}
	for _, wrong := range Check(module, packages) {
		t.Error(wrong)
	}
	// A misspelt name in a table would check nothing.
	known := map[string]bool{}
	for _, p := range packages {
		name, _ := within(module, p.Path)
		known[name] = true
	}
	names := slices.Concat(pure, alone)
	for _, layer := range order {
		for _, pattern := range layer {
			if !strings.HasSuffix(pattern, "/...") {
				names = append(names, pattern)
			}
		}
	}
	for limited, few := range onlyFor {
		names = append(append(names, limited), few...)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if !known[name] {
			t.Errorf("the tables name %s, and there is no such package", name)
		}
	}
}

// TestOrder keeps the table itself free of doubt.
func TestOrder(t *testing.T) {
	seen := map[string]bool{}
	for _, layer := range order {
		for _, pattern := range layer {
			if seen[pattern] {
				t.Errorf("%s is in two layers", pattern)
			}
			seen[pattern] = true
		}
	}
	// Planning has nothing to delete with.
	writer, _ := layerOf("internal/registry")
	for _, name := range pure {
		if layer, ok := layerOf(name); !ok || layer <= writer {
			t.Errorf("%s is not below internal/registry", name)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, test := range []struct {
		name    string
		pkg     string
		imports []string
		want    []string
	}{
		{name: "downwards", pkg: "internal/app", imports: []string{"internal/config", "internal/image", "os", "example.org/x"}},
		{name: "upwards", pkg: "internal/graph", imports: []string{"internal/policy"},
			want: []string{"internal/graph: imports internal/policy: that is of a higher layer"}},
		{name: "upwards from an adapter", pkg: "internal/usage/ecs", imports: []string{"internal/app"},
			want: []string{"internal/usage/ecs: imports internal/app: that is of a higher layer"}},
		{name: "an adapter that knows another", pkg: "internal/usage/ecs", imports: []string{"internal/usage/lambda"},
			want: []string{"internal/usage/ecs: imports internal/usage/lambda: that is of the same layer"}},
		{name: "an adapter in several packages", pkg: "internal/registry/oci", imports: []string{"internal/registry/oci/auth", "internal/registry"}},
		{name: "a helper of adapters", pkg: "internal/usage/ecs", imports: []string{"internal/usage/awsusage"}},
		{name: "an interface that knows an adapter", pkg: "internal/registry", imports: []string{"internal/registry/ecr"},
			want: []string{"internal/registry: imports internal/registry/ecr: that is of a higher layer"}},
		{name: "a new package", pkg: "internal/surprise", imports: []string{"internal/cli"},
			want: []string{"internal/surprise: has no layer: give it one in internal/layers"}},
		{name: "a new package in a known folder", pkg: "internal/app/surprise",
			want: []string{"internal/app/surprise: has no layer: give it one in internal/layers"}},
		{name: "the root", pkg: "", want: []string{".: has no layer: give it one in internal/layers"}},
		{name: "pure", pkg: "internal/policy", imports: []string{"time", "net/url", "net/netip", "regexp", "cel.dev/cel-go/cel"}},
		{name: "impure", pkg: "internal/policy", imports: []string{"log", "log/slog", "net", "net/http", "net/http/httptest", "os", "os/exec", "io/fs", "math/rand/v2"},
			want: []string{
				"internal/policy: imports log: it does no input or output",
				"internal/policy: imports log/slog: it does no input or output",
				"internal/policy: imports net: it does no input or output",
				"internal/policy: imports net/http: it does no input or output",
				"internal/policy: imports net/http/httptest: it does no input or output",
				"internal/policy: imports os: it does no input or output",
				"internal/policy: imports os/exec: it does no input or output",
				"internal/policy: imports io/fs: it does no input or output",
				"internal/policy: imports math/rand/v2: it does no input or output",
			}},
		{name: "something to delete with", pkg: "internal/plan", imports: []string{"internal/registry"},
			want: []string{"internal/plan: imports internal/registry: that is of a higher layer"}},
		{name: "the embedded account in the demo", pkg: "internal/demo", imports: []string{"internal/embedded"}},
		{name: "the embedded account in the product", pkg: "internal/cli", imports: []string{"internal/embedded"},
			want: []string{"internal/cli: imports internal/embedded: only tests and internal/bench and internal/demo may"}},
		{name: "a test helper in the product", pkg: "internal/usage/kubernetes", imports: []string{"internal/kubetest"},
			want: []string{"internal/usage/kubernetes: imports internal/kubetest: only tests may"}},
		{name: "a new test helper", pkg: "internal/surprisetest", imports: []string{"internal/cli", "internal/kubetest", "internal/embedded"}},
		{name: "the oracle in the product", pkg: "internal/app", imports: []string{"internal/oracle"},
			want: []string{"internal/app: imports internal/oracle: only tests may"}},
		{name: "an oracle that is told", pkg: "internal/oracle", imports: []string{"internal/image", "regexp"},
			want: []string{"internal/oracle: imports internal/image: it imports nothing of this module"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			const module = "example.com/m"
			pkg := Package{Path: strings.TrimSuffix(module+"/"+test.pkg, "/")}
			for _, name := range test.imports {
				pkg.Imports = append(pkg.Imports, full(module, name))
			}
			if diff := cmp.Diff(test.want, Check(module, []Package{pkg})); diff != "" {
				t.Errorf("Check (-want +got):\n%s", diff)
			}
		})
	}
}

func full(module, name string) string {
	if strings.HasPrefix(name, "internal/") {
		return module + "/" + name
	}
	return name
}

// list returns the packages of the module in a folder. It reads the files itself
// and does not ask the go command, so that a cached result of this test ends
// when one of them changes.
func list(t *testing.T, root, module string) []Package {
	t.Helper()
	var packages []Package
	err := filepath.WalkDir(root, func(dir string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, dir)
		if err != nil {
			return err
		}
		if name != "." {
			base := entry.Name()
			if base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
				return fs.SkipDir
			}
			if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
				return fs.SkipDir // a module of its own
			}
		}
		p, err := build.ImportDir(dir, 0)
		if none := new(build.NoGoError); errors.As(err, &none) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the package in %s: %w", name, err)
		}
		packages = append(packages, Package{Path: path.Join(module, filepath.ToSlash(name)), Imports: p.Imports})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return packages
}
