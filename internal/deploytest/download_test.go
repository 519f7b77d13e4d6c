package deploytest

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestActionDownloads runs the script of the action that fetches a release, with a
// gh command that copies one from a folder. What is not as the checksums say is
// not unpacked.
func TestActionDownloads(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("the archive below is that of Linux")
		return
	}
	script, err := filepath.Abs(root + "/.github/actions/plan/download")
	if err != nil {
		t.Fatal(err)
	}
	const gh = "#!/bin/sh\ncp \"$RELEASE\"/* .\n"
	for _, test := range []struct {
		name, version string
		spoil         func(sums string) string
		fails         string
	}{
		{"a release", "1.2.3", nil, ""},
		{"other bytes", "1.2.3", func(sums string) string { return strings.Repeat("0", 64) + sums[64:] }, "WARNING"},
		{"no checksum", "1.2.3", func(sums string) string { return strings.Replace(sums, "  regsweep", "  other", 1) }, "no properly formatted"},
		{"what is no version", "1.2.3; id", nil, "is no version"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, release := t.TempDir(), t.TempDir()
			write := func(path, text string, mode os.FileMode) {
				if err := os.WriteFile(path, []byte(text), mode); err != nil {
					t.Fatal(err)
				}
			}
			write(filepath.Join(dir, "gh"), gh, 0o755)
			write(filepath.Join(dir, "regsweep"), "#!/bin/sh\necho it runs\n", 0o755)
			archive := "regsweep_1.2.3_linux_" + runtime.GOARCH + ".tar.gz"
			pack := exec.CommandContext(t.Context(), "tar", "-czf", filepath.Join(release, archive), "-C", dir, "regsweep")
			if out, err := pack.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			content, err := os.ReadFile(filepath.Join(release, archive))
			if err != nil {
				t.Fatal(err)
			}
			// The SBOM of the archive has a line too, and is not fetched.
			sums := fmt.Sprintf("%x  %s\n%x  %[2]s.spdx.json\n", sha256.Sum256(content), archive, sha256.Sum256(nil))
			if test.spoil != nil {
				sums = test.spoil(sums)
			}
			write(filepath.Join(release, "checksums.txt"), sums, 0o600)
			cmd := exec.CommandContext(t.Context(), script)
			temp := filepath.Join(dir, "temp")
			cmd.Env = []string{
				"PATH=" + dir + ":" + os.Getenv("PATH"), "RELEASE=" + release, "VERSION=" + test.version,
				"RUNNER_TEMP=" + temp, "GITHUB_PATH=" + filepath.Join(dir, "path"),
			}
			out, err := cmd.CombinedOutput()
			_, there := os.Stat(filepath.Join(temp, "regsweep", "regsweep"))
			if test.fails != "" {
				if err == nil || !strings.Contains(string(out), test.fails) || there == nil {
					t.Errorf("it did not fail with %q, or unpacked the archive: %v\n%s", test.fails, err, out)
				}
				return
			}
			path, _ := os.ReadFile(filepath.Join(dir, "path"))
			if err != nil || there != nil || string(path) != filepath.Join(temp, "regsweep")+"\n" {
				t.Errorf("%v, %v, PATH %q\n%s", err, there, path, out)
			}
		})
	}
}
