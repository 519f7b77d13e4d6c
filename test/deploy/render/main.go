// Command render prints what the deployment files of regsweep come to, for tests:
//
//	render lint CHART [VALUES]                 messages of Helm's linter, one a line
//	render chart CHART NAME NAMESPACE [VALUES] objects, as a stream of YAML documents
//	render notes CHART NAME NAMESPACE [VALUES] what the chart tells who installed it
//	render kustomize FOLDER                    objects, as a stream of YAML documents
//	render module FOLDER VALUES                a Terraform module, as JSON (see module.go)
//
// VALUES is a file, or - for standard input; of a module it is JSON.
package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	chartcommon "helm.sh/helm/v4/pkg/chart/common"
	chartutil "helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "render:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) >= 2 && args[0] == "lint":
		values, err := readValues(args[2:])
		if err != nil {
			return err
		}
		for _, m := range lint.RunAll(args[1], values, "regsweep").Messages {
			fmt.Println(m.Error())
		}
		return nil
	case len(args) >= 4 && (args[0] == "chart" || args[0] == "notes"):
		values, err := readValues(args[4:])
		if err != nil {
			return err
		}
		return renderChart(args[1], args[2], args[3], values, args[0] == "notes")
	case len(args) == 2 && args[0] == "kustomize":
		return renderKustomize(args[1])
	case len(args) == 3 && args[0] == "module":
		return printModule(args[1], args[2])
	}
	return fmt.Errorf("unknown arguments %q", args)
}

func readValues(args []string) (map[string]any, error) {
	values := map[string]any{}
	if len(args) == 0 {
		return values, nil
	}
	text, err := readFile(args[0])
	if err != nil {
		return nil, err
	}
	return values, yaml.Unmarshal(text, &values)
}

func readFile(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(os.Stdin)
	}
	return os.ReadFile(path)
}

// renderChart renders as helm template does: the values are checked by the
// chart's schema. It prints the objects, or else the notes.
func renderChart(dir, name, namespace string, values map[string]any, notes bool) error {
	chart, err := loader.LoadDir(dir)
	if err != nil {
		return err
	}
	options := chartcommon.ReleaseOptions{Name: name, Namespace: namespace, Revision: 1, IsInstall: true}
	top, err := chartutil.ToRenderValues(chart, values, options, nil)
	if err != nil {
		return err
	}
	rendered, err := engine.Engine{Strict: true}.Render(chart, top)
	if err != nil {
		return err
	}
	for _, file := range slices.Sorted(maps.Keys(rendered)) {
		if notes {
			if strings.HasSuffix(file, "/NOTES.txt") {
				fmt.Println(strings.TrimSpace(rendered[file]))
			}
			continue
		}
		if strings.HasSuffix(file, ".yaml") && strings.TrimSpace(rendered[file]) != "" {
			fmt.Printf("---\n%s\n", strings.TrimPrefix(strings.TrimSpace(rendered[file]), "---\n"))
		}
	}
	return nil
}

func renderKustomize(dir string) error {
	objects, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return err
	}
	text, err := objects.AsYaml()
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(text)
	return err
}
