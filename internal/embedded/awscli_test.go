package embedded_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/regsweep/regsweep/internal/embedded"
)

// cliStep is one call through the real aws command. Steps run in any order and
// at the same time, so a step that changes something has resources of its own,
// which its service's steps function fills in through the Go API.
type cliStep struct {
	action string            // such as "ecr:DescribeImages"
	input  any               // the request, for --cli-input-json
	want   map[string]string // path in the answer ("images.0.imageId") to value
}

// withFlags is an input with flags for what JSON cannot hold, such as files.
type withFlags struct {
	object // nil for operations that take no JSON
	flags  []string
}

// cliServices lists the steps of each service. A service of its own file adds
// its function here.
var cliServices = []func(*world) []cliStep{
	stsSteps,
	taggingSteps,
	ecrSteps,
	ecsSteps,
	lambdaSteps,
	appRunnerSteps,
	s3Steps,
	snsSteps,
	ssmSteps,
}

// TestAWSCommand calls every operation that the server knows through the aws
// command, which shares no code with the server or with the Go SDK. What an
// old aws command does not know is sent as a signed raw request.
func TestAWSCommand(t *testing.T) {
	w := newWorld(embedded.Options{})
	w.dir = t.TempDir()
	cli := newCLI(t, w)
	var steps []cliStep
	for _, service := range cliServices {
		steps = append(steps, service(w)...)
	}
	results := make([]error, len(steps))
	var group errgroup.Group
	group.SetLimit(2) // each aws process is busy for most of a second
	for i, step := range steps {
		group.Go(func() error {
			results[i] = cli.run(t.Context(), step)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for i, err := range results {
		if err != nil {
			t.Errorf("step %d, %s: %v", i, steps[i].action, err)
		}
	}
	called := w.Stats().Calls
	for _, operation := range w.Operations() {
		if called[operation] == 0 {
			t.Errorf("%s was never called: it has no step", operation)
		}
	}
}

// The aws command follows page tokens by itself.
func TestAWSCommandPages(t *testing.T) {
	w := newWorld(embedded.Options{})
	pushImages(w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{}), 5)
	out, err := newCLI(t, w).exec(t.Context(), "ecr:DescribeImages", []byte(`{"repositoryName":"apps/web"}`), "--page-size", "2")
	if err != nil {
		t.Fatal(err)
	}
	var answer any
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatal(err)
	}
	if got := lookup(answer, "imageDetails.#"); got != "5" {
		t.Errorf("%s images, want 5: %s", got, out)
	}
	if got := w.Stats().Calls["ecr:DescribeImages"]; got != 3 {
		t.Errorf("%d calls, want one for each of 3 pages", got)
	}
}

// TestRawRequest sends what an old aws command would not know.
func TestRawRequest(t *testing.T) {
	w := newWorld(embedded.Options{})
	server := httptest.NewServer(w)
	defer server.Close()
	defer http.DefaultClient.CloseIdleConnections()
	cli := &awsCLI{url: server.URL, key: w.Account(home).AccessKeyID()}
	out, err := cli.raw(t.Context(), "ecr:DescribeRegistry", []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"registryId":"111122223333","replicationConfiguration":{"rules":[]}}`; string(out) != want {
		t.Errorf("got %s, want %s", out, want)
	}
}

// awsCLI runs the aws command against one server.
type awsCLI struct {
	path, url, key string
	old            bool // leaves out of answers what it does not know
}

// newCLI returns the aws command of this machine, and serves the world to it
// for as long as the test runs.
func newCLI(t *testing.T, w *world) *awsCLI {
	t.Helper()
	path, err := exec.LookPath("aws")
	if err != nil {
		t.Fatalf("this test needs the aws command in the PATH (awscli): %v", err)
	}
	version, err := cliVersion()
	if err != nil {
		t.Fatalf("run aws --version: %v", err)
	}
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	return &awsCLI{path: path, url: server.URL, key: w.Account(home).AccessKeyID(), old: isOld(string(version))}
}

// cliVersion returns what the aws command says of itself. It takes half a second of
// computing, and is asked once.
var cliVersion = sync.OnceValues(func() ([]byte, error) { return exec.Command("aws", "--version").Output() })

// isOld reports whether the version ("aws-cli/2.9.19 Python/…") is older than
// the newest operations and fields that the server has.
func isOld(version string) bool {
	var major, minor int
	if _, err := fmt.Sscanf(version, "aws-cli/%d.%d.", &major, &minor); err != nil {
		return false
	}
	return major == 1 && minor < 45 || major == 2 && minor < 34
}

// run makes the call of the step and compares the answer.
func (c *awsCLI) run(ctx context.Context, step cliStep) error {
	request, flags := step.input, []string(nil)
	if with, ok := request.(withFlags); ok {
		request, flags = with.object, with.flags
	}
	answer, err := c.call(ctx, step.action, request, flags...)
	if err != nil {
		return err
	}
	want, got := map[string]string{}, map[string]string{}
	for path, value := range step.want {
		shown := lookup(answer, path)
		if c.old && shown == "<none>" {
			continue
		}
		want[path], got[path] = value, shown
	}
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("answer %v differs (-want +got):\n%s", answer, diff)
	}
	return nil
}

// call makes one call through the aws command, or as a raw request where the
// command is too old to know it.
func (c *awsCLI) call(ctx context.Context, action string, input any, flags ...string) (any, error) {
	text, err := json.Marshal(input)
	if err != nil {
		return nil, fmt.Errorf("encode the input: %w", err)
	}
	out, err := c.exec(ctx, action, text, flags...)
	if errors.Is(err, errUnknownToCLI) {
		out, err = c.raw(ctx, action, text)
	}
	if err != nil || len(out) == 0 {
		return nil, err
	}
	var answer any
	if err := json.Unmarshal(out, &answer); err != nil {
		return nil, fmt.Errorf("decode the answer %q: %w", out, err)
	}
	return answer, nil
}

// refusable is a call that is answered with an error code, or with success where
// want is "".
type refusable struct {
	name, action, want string
	input              object
}

// check makes the calls, two at a time, and compares how they are answered.
func (c *awsCLI) check(t *testing.T, calls []refusable) {
	t.Helper()
	results := make([]error, len(calls))
	var group errgroup.Group
	group.SetLimit(2)
	for i, call := range calls {
		group.Go(func() error {
			_, results[i] = c.call(t.Context(), call.action, call.input)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for i, call := range calls {
		switch err := results[i]; {
		case call.want == "" && err != nil:
			t.Errorf("%s: %v", call.name, err)
		case call.want == "":
		// The command writes (Code), and a raw answer has "Code".
		case err == nil || !strings.Contains(err.Error(), "("+call.want+")") && !strings.Contains(err.Error(), `"`+call.want+`"`):
			t.Errorf("%s: %v, want %s", call.name, err, call.want)
		}
	}
}

// errUnknownToCLI means that this aws command is too old for the call.
var errUnknownToCLI = errors.New("the aws command does not know this operation or parameter")

// tooOld is what aws prints about operations and parameters that it does not
// know.
var tooOld = regexp.MustCompile(`Invalid choice|Unknown options|Unknown parameter in `)

// wordEnd is where a word of an operation's name ends.
var wordEnd = regexp.MustCompile(`([a-z0-9])([A-Z])`)

// exec calls through the aws command.
func (c *awsCLI) exec(ctx context.Context, action string, input []byte, flags ...string) ([]byte, error) {
	service, operation, _ := strings.Cut(action, ":")
	switch service {
	case "tag":
		service = "resourcegroupstaggingapi"
	case "s3":
		service = "s3api"
	}
	operation = strings.ToLower(wordEnd.ReplaceAllString(operation, "$1-$2"))
	args := []string{service, operation, "--output", "json"}
	if string(input) != "null" { // not every operation takes one
		args = append(args, "--cli-input-json", string(input))
	}
	return c.command(ctx, append(args, flags...)...)
}

// command runs the aws command.
func (c *awsCLI) command(ctx context.Context, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.path, append(args, "--endpoint-url", c.url)...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "AWS_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env,
		"AWS_ACCESS_KEY_ID="+c.key, "AWS_SECRET_ACCESS_KEY=secret", "AWS_REGION="+west,
		"AWS_DEFAULT_REGION="+west, "AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull,
		"AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=", "AWS_MAX_ATTEMPTS=1", "NO_PROXY=*")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if tooOld.Match(stderr.Bytes()) {
			return nil, errUnknownToCLI
		}
		return nil, fmt.Errorf("run %v: %w: %s", cmd.Args, err, stderr.Bytes())
	}
	return stdout.Bytes(), nil
}

// targets holds what X-Amz-Target has before the dot, for raw requests.
var targets = map[string]string{
	"ecr": "AmazonEC2ContainerRegistry_V20150921",
	"ecs": "AmazonEC2ContainerServiceV20141113",
}

// raw sends a signed request of the JSON 1.1 protocol.
func (c *awsCLI) raw(ctx context.Context, action string, input []byte) ([]byte, error) {
	service, operation, _ := strings.Cut(action, ":")
	target, ok := targets[service]
	if !ok {
		return nil, errUnknownToCLI
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(input))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", target+"."+operation)
	hash := sha256.Sum256(input)
	key := aws.Credentials{AccessKeyID: c.key, SecretAccessKey: "secret"}
	if err := v4.NewSigner().SignHTTP(ctx, key, req, hex.EncodeToString(hash[:]), service, west, start); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("HTTP %d: %s", resp.StatusCode, body)
	}
	return body, nil
}

// lookup returns the value at a path of keys and indexes as JSON text without
// quotes, or "<none>". A path that ends in "#" gives a list's length.
func lookup(v any, path string) string {
	for key := range strings.SplitSeq(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			next, ok := at[key]
			if !ok {
				return "<none>"
			}
			v = next
		case []any:
			if key == "#" {
				return fmt.Sprint(len(at))
			}
			i := slices.Index([]string{"0", "1", "2", "3"}, key)
			if i < 0 || i >= len(at) {
				return "<none>"
			}
			v = at[i]
		default:
			return "<none>"
		}
	}
	if s, ok := v.(string); ok {
		return s
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
