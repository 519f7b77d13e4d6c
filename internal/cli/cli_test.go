package cli_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/regsweep/regsweep/internal/cli"
	"github.com/regsweep/regsweep/internal/embedded"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"regsweep": func() {
			w := cli.OS()
			// A script that is about days says what time it is.
			if now, err := time.Parse(time.RFC3339, os.Getenv("CLOCK")); err == nil {
				w.Now = func() time.Time { return now }
			}
			os.Exit(cli.Main(w))
		},
	})
}

// scriptNow is the time on the clock of the embedded account. It lies in the
// past, so that apply takes it as --now.
var scriptNow = time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)

// TestScripts runs the transcripts in testdata/script: the real command in a
// process of its own against an embedded account, which the script fills.
// Besides the commands of testscript they know those in the table below.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true, UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			a := &account{names: map[string]embedded.Manifest{}}
			a.srv = embedded.New(embedded.Options{
				Clock:     func() time.Time { return scriptNow.Add(time.Duration(a.later.Load())) },
				LayerTime: time.Hour, RestoreTime: 10 * time.Minute,
			})
			a.region = a.srv.Account(embedded.DefaultAccount).Region("eu-west-1")
			server := httptest.NewServer(a.srv)
			env.Defer(server.Close)
			env.Values["account"] = a
			env.Vars = append(env.Vars,
				"AWS_ENDPOINT_URL="+server.URL, "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test",
				"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true",
				"XDG_CACHE_HOME="+filepath.Join(env.WorkDir, ".cache"), "XDG_STATE_HOME="+filepath.Join(env.WorkDir, ".state"), "KUBECONFIG=/dev/null",
				"NOW="+scriptNow.Format(time.RFC3339), "HOST="+embedded.DefaultAccount+".dkr.ecr.eu-west-1.amazonaws.com",
				"GOCOVERDIR="+os.TempDir(), "GORACE="+os.Getenv("GORACE"),
			)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			// exits CODE COMMAND… runs a command and checks its exit code.
			"exits": exits,
			// later DURATION moves the clock of the account.
			"later": script(func(a *account, _ *testscript.TestScript, args []string) error {
				d, err := time.ParseDuration(args[0])
				a.later.Add(int64(d))
				return err
			}),
			// repo NAME [TAG=VALUE…] makes a repository with resource tags.
			"repo": script((*account).repo),
			// push REPO NAME DAYS [TAG…] pushes an image; $NAME is its digest.
			"push": script((*account).push),
			// index REPO NAME DAYS CHILD,CHILD [TAG…] pushes a multi-platform image.
			"index": script((*account).index),
			// sign REPO NAME DAYS attaches a signature to an image.
			"sign": script((*account).sign),
			// bucket NAME makes a bucket of Amazon S3.
			"bucket": script(func(a *account, _ *testscript.TestScript, args []string) error {
				_, err := a.region.S3().CreateBucket(args[0])
				return err
			}),
			// topic NAME makes a topic of Amazon SNS, and published NAME prints what was
			// published to it.
			"topic": script((*account).topic), "published": script((*account).published),
			// service NAME REFERENCE runs an image on ECS, pinned as of now.
			"service": script((*account).service),
			// deny ACTION forbids an action to the caller; "allow" takes all back.
			"deny": script(func(a *account, _ *testscript.TestScript, args []string) error {
				a.srv.Deny("test", args[0], "")
				return nil
			}),
			"allow": script(func(a *account, _ *testscript.TestScript, _ []string) error { a.srv.AllowAll(); return nil }),
			// expire makes the caller's credentials expired.
			"expire": script(func(a *account, _ *testscript.TestScript, _ []string) error { a.srv.ExpireKey("test"); return nil }),
			// fail REPO NAME [CODE] makes an image undeletable and unreadable, or takes
			// that back.
			"fail": script((*account).fail),
			// mutability REPO MODE [FILTER…] makes a repository of that mode.
			"mutability": script((*account).mutability),
			// archive REPO NAME moves an image to the archive.
			"archive": script((*account).archive),
			// region NAME makes the commands after it work in that region.
			"region": script((*account).in),
			// tag REPO NAME TAG… gives an image tags; FROM..TO stands for many.
			"tag": script((*account).tag),
			// snapshot FILE REPO@DIGEST… writes what is in use, a line for each.
			"snapshot": script((*account).snapshot),
			// policy REPO [FILE] gives a repository a lifecycle policy, or prints it.
			"policy": script((*account).policy),
			// enforce [members] applies all lifecycle policies now, as ECR does once a
			// day; with members, it treats platform images and artifacts like others.
			"enforce": script((*account).enforce),
			// attach REPO NAME DAYS [TAG…] attaches an artifact to an image.
			"attach": script((*account).attach),
			// images REPO prints what is in a repository: names and tags.
			"images": script((*account).images),
			// calls [ACTION…] prints how often the actions were called since the last.
			"calls": script((*account).calls),
			// mask FILE replaces what differs from run to run.
			"mask": mask,
		},
	})
}

// account is the embedded account of one script.
type account struct {
	srv    *embedded.Server
	region *embedded.Region
	// later is how far the account's clock was moved, in nanoseconds.
	later atomic.Int64
	names map[string]embedded.Manifest
}

func script(do func(*account, *testscript.TestScript, []string) error) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg {
			ts.Fatalf("this command takes no !")
		}
		ts.Check(do(ts.Value("account").(*account), ts, args))
	}
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if err != nil || neg {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

func (a *account) repo(_ *testscript.TestScript, args []string) error {
	tags := map[string]string{}
	for _, arg := range args[1:] {
		k, v, _ := strings.Cut(arg, "=")
		tags[k] = v
	}
	_, err := a.region.CreateRepository(args[0], embedded.RepositoryOptions{Tags: tags})
	return err
}

func (a *account) put(ts *testscript.TestScript, repo, name, days string, m embedded.Manifest, tags []string) error {
	r, ok := a.region.Repository(repo)
	if !ok {
		r = a.region.MustCreateRepository(repo, embedded.RepositoryOptions{})
	}
	age, err := strconv.ParseFloat(days, 64)
	if err != nil {
		return err
	}
	digest, err := r.Push(embedded.Push{Manifest: m.Bytes(), Tags: tags, At: scriptNow.Add(-time.Duration(age * 24 * float64(time.Hour)))})
	a.names[name] = m
	ts.Setenv(name, digest)
	return err
}

func (a *account) push(ts *testscript.TestScript, args []string) error {
	m := embedded.NewImage(embedded.ConfigBlob("config"+args[1], 1000), embedded.LayerBlob("base", 40e6), embedded.LayerBlob(args[1], 10e6))
	return a.put(ts, args[0], args[1], args[2], m, args[3:])
}

func (a *account) index(ts *testscript.TestScript, args []string) error {
	var children []embedded.Descriptor
	for i, child := range strings.Split(args[3], ",") {
		children = append(children, a.names[child].Descriptor().On("linux", []string{"amd64", "arm64", "riscv64"}[i]))
	}
	return a.put(ts, args[0], args[1], args[2], embedded.NewIndex(children...), args[4:])
}

func (a *account) sign(ts *testscript.TestScript, args []string) error {
	subject := a.names[args[1]].Descriptor()
	m := embedded.NewImage(embedded.ConfigBlob("sig"+args[1], 200), embedded.LayerBlob("sig"+args[1], 300))
	return a.put(ts, args[0], args[1]+"_sig", args[2], m, []string{strings.Replace(subject.Digest, ":", "-", 1) + ".sig"})
}

func (a *account) service(_ *testscript.TestScript, args []string) error {
	cluster, err := a.region.ECS().CreateCluster("shop")
	if err != nil {
		return err
	}
	_, err = cluster.CreateService(embedded.ECSServiceOptions{
		Name: args[0], TaskDefinition: a.region.ECS().RegisterTaskDefinition(args[0], args[1]), DesiredCount: 1,
	})
	return err
}

func (a *account) fail(_ *testscript.TestScript, args []string) error {
	r, ok := a.region.Repository(args[0])
	if !ok {
		return fmt.Errorf("no repository %s", args[0])
	}
	r.Fail(a.names[args[1]].Descriptor().Digest, strings.Join(args[2:], ""))
	return nil
}

func (a *account) images(ts *testscript.TestScript, args []string) error {
	r, ok := a.region.Repository(args[0])
	if !ok {
		return fmt.Errorf("no repository %s", args[0])
	}
	byDigest := map[string]string{}
	for name, m := range a.names {
		byDigest[m.Descriptor().Digest] = name
	}
	var lines []string
	for _, img := range r.Images() {
		tags := digestTag.ReplaceAllString(strings.Join(img.Tags, " "), "sha256-DIGEST")
		lines = append(lines, strings.TrimSpace(byDigest[img.Digest]+" "+tags))
	}
	slices.Sort(lines)
	_, err := fmt.Fprintln(ts.Stdout(), strings.Join(lines, "\n"))
	return err
}

func (a *account) calls(ts *testscript.TestScript, args []string) error {
	stats := a.srv.Stats()
	for _, action := range args {
		fmt.Fprintf(ts.Stdout(), "%s %d\n", action, stats.Calls[action])
	}
	a.srv.ResetStats()
	return nil
}

// digestTag is the name of a tag that attaches an artifact.
var digestTag = regexp.MustCompile(`sha256-[0-9a-f]{64}`)

// What differs from run to run in an output.
var varying = []struct {
	expr *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`"createdAt": "[^"]*"`), `"createdAt": "TIME"`},
	{regexp.MustCompile(`"tool": ?"[^"]*"`), `"tool": "VERSION"`},
	{regexp.MustCompile(`"(id|plan)": ?"sha256:[0-9a-f]*"`), `"$1": "PLAN"`},
	{regexp.MustCompile(`"run": ?"[^"]*"`), `"run": "RUN"`},
	{regexp.MustCompile(`"(time|plannedAt|began|ended)": ?"[^"]*"`), `"$1": "TIME"`},
	{regexp.MustCompile(`plan sha256:[0-9a-f]{12,}`), `plan PLAN`},
	{regexp.MustCompile(`20\d\d-\d\d-\d\d \d\d:\d\d`), `DATE`},
	{regexp.MustCompile(`[^" ]*/\.state/`), `STATE/`},
	{regexp.MustCompile(`\b20\d{6}T\d{6}\.\d{3}Z-[0-9a-f]{12}`), `RUN`},
	{regexp.MustCompile(`"config": ?"sha256:[0-9a-f]*"`), `"config": "HASH"`},
	{regexp.MustCompile(`http://127\.0\.0\.1:\d+`), `http://ADDR`},
}

func mask(ts *testscript.TestScript, neg bool, args []string) {
	for _, file := range args {
		text := ts.ReadFile(file)
		for _, v := range varying {
			text = v.expr.ReplaceAllString(text, v.with)
		}
		ts.Check(os.WriteFile(ts.MkAbs(file), []byte(text), 0o644))
	}
}
