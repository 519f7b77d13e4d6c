package kubetest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// binariesEnv names the folder that holds etcd and kube-apiserver.
const binariesEnv = "REGSWEEP_KUBE_BIN"

// binaries returns the folder that holds etcd and kube-apiserver. It builds
// them if no folder is given, which takes minutes the first time.
func binaries() (string, error) {
	if dir := os.Getenv(binariesEnv); dir != "" {
		// Relative to a test's working folder it would mean something else in
		// every package.
		if !filepath.IsAbs(dir) {
			return "", fmt.Errorf("%s=%s: must be an absolute path", binariesEnv, dir)
		}
		return dir, nil
	}
	script, err := findScript()
	if err != nil {
		return "", err
	}
	cmd := exec.Command(script)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("run scripts/kube-binaries: %w\n%s", err, stderr.String())
	}
	return strings.TrimSpace(string(out)), nil
}

// findScript looks for scripts/kube-binaries from the working folder upwards:
// go test runs a test in the folder of its package.
func findScript() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find scripts/kube-binaries: %w", err)
	}
	for {
		script := filepath.Join(dir, "scripts", "kube-binaries")
		if _, err := os.Stat(script); err == nil {
			return script, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("find scripts/kube-binaries: %w", err)
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("find scripts/kube-binaries: not in a checkout; set %s", binariesEnv)
		}
		dir = parent
	}
}
