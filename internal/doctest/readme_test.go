package doctest_test

import (
	"bytes"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/regsweep/regsweep/internal/cli"
	"github.com/regsweep/regsweep/internal/demo"
	"github.com/regsweep/regsweep/internal/kinds"
)

// The plan in the README is what the command that stands above it prints.
func TestPlanInReadme(t *testing.T) {
	doc := documents(t)["README.md"]
	m := regexp.MustCompile("(?s)`regsweep (plan [^`]+)`:\n\n```\n(.*?)```").FindStringSubmatch(doc)
	if m == nil {
		t.Fatal("README.md has no plan")
	}
	now := time.Now()
	handler, account := demo.New(func() time.Time { return now })
	server := httptest.NewServer(handler)
	defer server.Close()
	dir := t.TempDir()
	for name, content := range map[string][]byte{"regsweep.yaml": []byte(demo.Config), demo.SnapshotFile: account.Snapshot} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "demo", "AWS_SECRET_ACCESS_KEY": "demo", "AWS_REGION": demo.Region,
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_PROFILE": "", "AWS_CA_BUNDLE": "",
		"XDG_CACHE_HOME": filepath.Join(dir, "cache"), "XDG_STATE_HOME": filepath.Join(dir, "state"), "REGSWEEP_CONFIG": filepath.Join(dir, "regsweep.yaml"),
	} {
		t.Setenv(name, value)
	}
	var out, messages bytes.Buffer
	code := cli.Main(cli.World{
		Args: strings.Fields(strings.ReplaceAll(m[1], "'", "")), Stdin: strings.NewReader(""), Stdout: &out, Stderr: &messages,
		LookupEnv: os.LookupEnv, Now: time.Now, Kinds: kinds.All(),
	})
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, messages.String())
	}
	if out.String() != m[2] {
		t.Errorf("README.md shows another plan than %s prints:\n%s", m[1], out.String())
	}
}
