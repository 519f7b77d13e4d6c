package model_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/cli"
	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/kinds"
	"github.com/regsweep/regsweep/internal/registry"
	"github.com/regsweep/regsweep/internal/registry/ecr"
)

// Exit codes, as the README has them.
const (
	done    = 0
	failed  = 1
	partial = 3
	held    = 4
)

// outcome is what a command left.
type outcome struct {
	exit           int
	stdout, stderr string
	// took is how long it took on the clock of the world.
	took time.Duration
}

func (o outcome) String() string { return fmt.Sprintf("exit code %d\n%s", o.exit, o.stderr) }

// command runs the command line in this process, against the account over the
// wire.
func (a *account) command(w *wire, args ...string) outcome {
	var stdout, stderr bytes.Buffer
	if a.Now != clockNow {
		args = append(args, "--now", a.clock().Format(time.RFC3339Nano))
	}
	for _, s := range a.Sources {
		if s.Ignored {
			args = append(args, "--ignore-gap", s.Kind)
		}
	}
	began := time.Now()
	exit := cli.Main(cli.World{
		Args: append(args, "--config", filepath.Join(a.dir, "regsweep.yaml")), Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr,
		LookupEnv: func(name string) (string, bool) {
			home, set := map[string]string{"HOME": a.dir}[name]
			return home, set
		},
		Now: time.Now, Kinds: a.kinds(),
		AWS: awsapi.Options{
			Region: homeRegion, Endpoint: "http://aws.example.com", HTTPClient: &http.Client{Transport: w},
			Credentials: credentials.NewStaticCredentialsProvider(runner, "secret", ""), Random: func() float64 { return 0.5 },
		},
	})
	return outcome{exit, stdout.String(), stderr.String(), time.Since(began)}
}

// journal is the folder of the journals, and kept a copy of it.
func (a *account) journal() string { return filepath.Join(a.dir, ".local/state/regsweep/journal") }
func (a *account) kept() string    { return filepath.Join(a.dir, "journal") }

// keepJournal keeps what a process that is killed now leaves behind, and
// restoreJournal makes it all that there is.
func (a *account) keepJournal() { must(os.CopyFS(a.kept(), os.DirFS(a.journal()))) }

func (a *account) restoreJournal() {
	must(os.RemoveAll(a.journal()))
	must(os.Rename(a.kept(), a.journal()))
}

// kinds returns the kinds of the command, but for a registry that deletes few
// images in a call.
func (a *account) kinds() config.Kinds {
	all := kinds.All()
	for i := range all.Registries {
		if k := &all.Registries[i]; k.Name == "ecr" {
			k.New = func() config.RegistryConfig { return &smallECR{batch: a.Batch} }
		}
	}
	return all
}

// smallECR is the registry with small batches.
type smallECR struct {
	ecr.Config `yaml:",inline"`
	batch      int
}

func (c *smallECR) OpenReader(ctx context.Context, name string, env config.RegistryEnv) (registry.Reader, error) {
	r, err := c.Config.OpenReader(ctx, name, ecr.Env(env))
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (c *smallECR) OpenWriter(ctx context.Context, name string, env config.RegistryEnv) (registry.Writer, error) {
	w, err := c.Config.OpenWriter(ctx, name, ecr.Env(env))
	if err != nil {
		return nil, err
	}
	return smallWriter{w, c.batch}, nil
}

func (c *smallECR) OpenTagger(ctx context.Context, name string, env config.RegistryEnv) (registry.Tagger, error) {
	t, err := c.Config.OpenTagger(ctx, name, ecr.Env(env))
	if err != nil {
		return nil, err
	}
	return t, nil
}

type smallWriter struct {
	registry.Writer
	batch int
}

func (w smallWriter) MaxBatch() int { return min(w.batch, w.Writer.MaxBatch()) }

// document is what this test reads of a plan.
type document struct {
	Registries []struct {
		Name         string
		Repositories []struct {
			Name   string
			Totals struct{ Images, Keep, Delete, Archive, Held int }
			Images []struct {
				Digest, Verdict string
				Tags            []string
			}
		}
	}
	Totals struct{ Images, Keep, Delete, Archive, Held int }
}

// readPlan reads a saved plan.
func (a *account) readPlan(name string) (*document, error) {
	data, err := os.ReadFile(filepath.Join(a.dir, name))
	if err != nil {
		return nil, err
	}
	var d document
	return &d, json.Unmarshal(data, &d)
}
