package cli_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/cli"
	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/kinds"
)

// terminal runs a command of this process against an account, with streams that
// count as terminals, and returns what it wrote to them.
func terminal(t *testing.T, srv *embedded.Server, config string, env map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "regsweep.yaml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	code = cli.Main(cli.World{
		Args: append(args, "--config", path), Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs,
		StdoutTerminal: true, StderrTerminal: true, Kinds: kinds.All(), Now: func() time.Time { return scriptNow },
		LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		AWS: awsapi.Options{
			Region: "eu-west-1", Endpoint: "http://aws.example.com", HTTPClient: srv.Client(),
			Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		},
	})
	return code, out.String(), errs.String()
}

// TestColors: a terminal gets colours, unless it cannot show them or its user
// wants none.
func TestColors(t *testing.T) {
	const config = "version: 1\nregistries: [{name: prod, ecr: {region: eu-west-1}}]\nusage: none\nrules: [{keep: [{newest: 1}]}]\n"
	for _, tt := range []struct {
		name string
		env  map[string]string
		want bool
	}{
		{"a terminal", map[string]string{"TERM": "xterm-256color"}, true},
		{"a terminal of no name", nil, true},
		{"TERM=dumb", map[string]string{"TERM": "dumb"}, false},
		{"NO_COLOR", map[string]string{"TERM": "xterm", "NO_COLOR": "1"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := embedded.New(embedded.Options{Clock: func() time.Time { return scriptNow }})
			repo := srv.Account(embedded.DefaultAccount).Region("eu-west-1").MustCreateRepository("apps/web", embedded.RepositoryOptions{})
			repo.MustPush(embedded.Push{Manifest: embedded.NewImage(embedded.ConfigBlob("a", 1), embedded.LayerBlob("a", 1)).Bytes(), Tags: []string{"v1"}, At: scriptNow})
			repo.SetLifecyclePolicy(`{"rules": [{"rulePriority": 1, "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1}, "action": {"type": "expire"}}]}`)
			for _, args := range [][]string{{"plan"}, {"explain", "apps/web:v1"}, {"lifecycle", "preview"}} {
				code, stdout, stderr := terminal(t, srv, config, tt.env, args...)
				if code != 0 {
					t.Fatalf("exit code %d: %s", code, stderr)
				}
				if got := strings.Contains(stdout, "\x1b["); got != tt.want {
					t.Errorf("%v: colours %t, want %t:\n%q", args, got, tt.want, stdout)
				}
				if !tt.want && tt.env["TERM"] == "dumb" && strings.Contains(stderr, "\x1b") {
					t.Errorf("%v: escape sequences on stderr: %q", args, stderr)
				}
			}
		})
	}
}
