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
	{"cmd/...", "scripts/..."},
	{"internal/cli"},
	{"internal/demo"},
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
	{"internal/registry"},
	// Libraries: each could be a module of its own.
	{"internal/awsapi", "internal/config/strict", "internal/embedded", "internal/kubetest", "internal/layers", "internal/manifests"},
	// The pure middle.
	{"internal/plan"},
	{"internal/policy"},
	{"internal/graph"},
	{"internal/image"},
}

// pure is the layers without input, output, clock and chance. (The clock is
// forbidigo's to check, since only time.Now is bad about the package time.)
var pure = []string{"internal/plan", "internal/policy", "internal/graph", "internal/image"}

// impure is what the pure layers must not import themselves. "x/..." stands for
// x and what is below it.
var impure = []string{
	"os/...", "io/fs", "io/ioutil", "syscall/...", "log/...", "context",
	"net", "net/http/...", "net/rpc/...", "net/smtp", "net/textproto",
	"crypto/rand", "math/rand/...", "testing/...",
}

// onlyFor is the packages that few may import, with those few. Tests may import
// them all.
var onlyFor = map[string][]string{
	// The embedded AWS account is no part of the product but for the demo.
	"internal/embedded":               {"internal/demo", "internal/usage/awsusage/awstest"},
	"internal/kubetest":               nil,
	"internal/registry/registrytest":  nil,
	"internal/usage/awsusage/awstest": nil,
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
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	for _, p := range packages {
		name, _ := within(module, p.Path)
		layer, ok := layerOf(name)
		if !ok {
			say("%s: has no layer: give it one in internal/layers", name)
			continue
		}
		isPure := slices.Contains(pure, name)
		for _, path := range p.Imports {
			imported, ours := within(module, path)
			if !ours {
				if isPure && matchesAny(impure, path) {
					say("%s: imports %s: it does no input or output", name, path)
				}
				continue
			}
			below, ok := layerOf(imported)
			switch {
			case !ok: // said of that package
			case below < layer:
				say("%s: imports %s, which is of a higher layer", name, imported)
			case below == layer && !nested(name, imported):
				say("%s: imports %s, which is of the same layer", name, imported)
			}
			if few, limited := onlyFor[imported]; limited && !slices.Contains(few, name) {
				say("%s: imports %s, which only %s may", name, imported, strings.Join(append(few, "tests"), " and "))
			}
		}
	}
	return wrong
}

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
