// Package layers says which way imports go in this module, and checks it. Only
// its own test uses it.
//
// A package imports packages of lower layers, and within its own layer only
// those above or below it in the same folder: adapters do not know each other.
package layers

import (
	"fmt"
	"slices"
	"strings"
)

// order is the layers from the top. A name ending in "/..." stands for a folder
// and everything in it; of several that match, the most exact counts.
//
// Planning has nothing to delete with because internal/registry, where the
// Writer is, stands above internal/plan.
var order = [][]string{
	// Commands, and the tests of whole runs.
	{"cmd/...", "scripts/...", "internal/bench", "internal/crash", "internal/examples/...", "internal/faults", "internal/model"},
	{"internal/cli"},
	{"internal/controller", "internal/demo", "internal/lambdarun"},
	{"internal/app"},
	// The list of kinds: the one place that names every adapter.
	{"internal/kinds"},
	{"internal/config", "internal/render"},
	// Adapters: one package for each kind of registry and usage source.
	{"internal/registry/...", "internal/usage/..."},
	// What adapters of one kind share.
	{"internal/usage/awsusage"},
	// What a usage source and a registry are.
	{"internal/usage"},
	{"internal/registry", "internal/journal", "internal/notify"},
	// Where files and objects are kept, and what may be called, by the libraries below.
	{"internal/lease", "internal/objects", "internal/permissions"},
	// Libraries: each could be a module of its own.
	{"internal/awsapi", "internal/config/strict", "internal/embedded", "internal/kubeclient", "internal/layers", "internal/manifests", "internal/oracle", "internal/planfile", "internal/wait"},
	// The pure middle.
	{"internal/tagging"},
	{"internal/plan"},
	{"internal/lifecycle"},
	{"internal/policy"},
	{"internal/graph"},
	{"internal/image"},
	{"internal/jsonscan"},
}

// pure is the layers without input, output, clock and chance. (The clock is
// forbidigo's to check, since only time.Now is bad about the package time.)
var pure = []string{"internal/tagging", "internal/plan", "internal/policy", "internal/graph", "internal/image", "internal/jsonscan"}

// impure is what the pure layers must not import themselves. "x/..." stands for
// x and what is below it.
var impure = []string{
	"os/...", "io/fs", "io/ioutil", "syscall/...", "log/...", "context",
	"net", "net/http/...", "net/rpc/...", "net/smtp", "net/textproto",
	"crypto/rand", "math/rand/...", "testing/...",
}

// alone is the packages that import nothing of this module. What checks the
// rest (the embedded account, the oracle) shares no mistake with it.
var alone = []string{"internal/awsapi", "internal/config/strict", "internal/embedded", "internal/layers", "internal/oracle"}

// onlyFor is the packages that few may import, with those few. Tests and what
// serves them may import them all.
var onlyFor = map[string][]string{
	// The embedded AWS account is no part of the product but for the demo.
	"internal/embedded": {"internal/bench", "internal/demo"},
	"internal/oracle":   nil,
}

// Package is what the check needs to know of a package.
type Package struct {
	// Path is the import path.
	Path string
	// Imports are what its files import, without those of its tests.
	Imports []string
}

// Check returns what is wrong with the imports of the packages of a module, a
// line for each mistake, in the packages' order.
func Check(module string, packages []Package) []string {
	var wrong []string
	for _, p := range packages {
		name, _ := within(module, p.Path)
		if forTests(name) {
			continue
		}
		if _, ok := layerOf(name); !ok {
			wrong = append(wrong, name+": has no layer: give it one in internal/layers")
			continue
		}
		for _, path := range p.Imports {
			var why string
			imported, ours := within(module, path)
			if ours {
				why = whyNot(name, imported)
			} else if slices.Contains(pure, name) && matchesAny(impure, path) {
				why = "it does no input or output"
			}
			if why != "" {
				wrong = append(wrong, fmt.Sprintf("%s: imports %s: %s", name, imported, why))
			}
		}
	}
	return wrong
}

// whyNot says why one package of the module must not import another, or "".
func whyNot(name, imported string) string {
	if forTests(imported) {
		return "only tests may"
	}
	if slices.Contains(alone, name) {
		return "it imports nothing of this module"
	}
	if few, limited := onlyFor[imported]; limited && !slices.Contains(few, name) {
		return "only " + strings.Join(append([]string{"tests"}, few...), " and ") + " may"
	}
	layer, _ := layerOf(name)
	below, known := layerOf(imported)
	switch {
	case !known: // said of that package
	case below < layer:
		return "that is of a higher layer"
	case below == layer && !nested(name, imported):
		return "that is of the same layer"
	}
	return ""
}

// forTests says whether a package serves tests, by its name as in net/http/httptest.
// Such packages may import what they like, and only tests may import them.
func forTests(name string) bool { return strings.HasSuffix(name, "test") }

// within returns the name of a package in its module.
func within(module, path string) (name string, ok bool) {
	if path == module {
		return ".", true
	}
	return strings.CutPrefix(path, module+"/")
}

// layerOf returns the number of a package's layer, from the top.
func layerOf(name string) (layer int, ok bool) {
	longest := 0
	for i, patterns := range order {
		if slices.Contains(patterns, name) {
			return i, true
		}
		for _, pattern := range patterns {
			if matches(pattern, name) && len(pattern) > longest {
				layer, longest = i, len(pattern)
			}
		}
	}
	return layer, longest > 0
}

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return matches(pattern, name) })
}

func matches(pattern, name string) bool {
	folder, all := strings.CutSuffix(pattern, "/...")
	return name == folder || all && strings.HasPrefix(name, folder+"/")
}

// nested says whether one of two packages is in the other's folder.
func nested(a, b string) bool {
	return strings.HasPrefix(a, b+"/") || strings.HasPrefix(b, a+"/")
}
