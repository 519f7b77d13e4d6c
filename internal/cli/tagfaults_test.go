package cli_test

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/cli"
	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/kinds"
)

// tagWorld is an account in which old marks are to be replaced and new ones to
// be written. It returns the references that are in use.
func tagWorld(t *testing.T) (srv *embedded.Server, region *embedded.Region, uses string) {
	t.Helper()
	srv = embedded.New(embedded.Options{Clock: func() time.Time { return scriptNow }})
	region = srv.Account(embedded.DefaultAccount).Region("eu-west-1")
	push := func(repo, name string, tags ...string) embedded.Manifest {
		m := embedded.NewImage(embedded.ConfigBlob(name, 10), embedded.LayerBlob(name, 90))
		r, ok := region.Repository(repo)
		if !ok {
			r = region.MustCreateRepository(repo, embedded.RepositoryOptions{})
		}
		embedded.Must(r.Push(embedded.Push{Manifest: m.Bytes(), Tags: tags, At: scriptNow.AddDate(0, 0, -3)}))
		uses += r.URI() + ":" + strings.Join(tags[:min(1, len(tags))], "") + "\n"
		return m
	}
	push("apps/web", "old", "v1", "in-use-1781000000", "in-use-1781000001")
	push("apps/web", "new", "v2")
	push("jobs/mail", "mail", "v1", "in-use-1781000000")
	child := push("jobs/multi", "amd64", "amd64")
	multi, _ := region.Repository("jobs/multi")
	embedded.Must(multi.Push(embedded.Push{Manifest: embedded.NewIndex(child.Descriptor().On("linux", "amd64")).Bytes(), Tags: []string{"v3"}, At: scriptNow}))
	return srv, region, uses
}

// tagState is every image of an account with its tags.
func tagState(region *embedded.Region) map[string][]string {
	state := map[string][]string{}
	for _, repo := range region.Repositories() {
		for _, img := range repo.Images() {
			state[repo.Name()+"@"+img.Digest] = img.Tags
		}
	}
	return state
}

// TestTagUnderFaults fails each call of a run once, and each operation for good.
// However it ends, no image is gone, none has lost a tag that regsweep did not
// write nor all of its marks, and a run that says that all is done has done it. A
// second run without faults does the rest.
func TestTagUnderFaults(t *testing.T) {
	denied := embedded.Fault{Kind: embedded.FaultError, Code: "AccessDeniedException", Message: "no"}
	nothing := embedded.Fault{Kind: embedded.FaultEmptyObject}
	faults := map[string]embedded.FaultFunc{"none": nil}
	const calls = 40 // more than a run makes
	for n := 1; n <= calls; n++ {
		faults[fmt.Sprintf("call %d denied", n)] = embedded.FaultAt(n, denied)
		faults[fmt.Sprintf("call %d says nothing", n)] = embedded.FaultAt(n, nothing)
	}
	for _, operation := range []string{"DescribeRepositories", "DescribeImages", "BatchGetImage", "PutImage", "BatchDeleteImage"} {
		faults[operation+" denied"] = embedded.FaultOn("ecr", operation, denied)
		faults[operation+" says nothing"] = embedded.FaultOn("ecr", operation, nothing)
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, region, uses := tagWorld(t)
			server := httptest.NewServer(srv)
			defer server.Close()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "uses.txt"), []byte(uses), 0o600); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "regsweep.yaml")
			if err := os.WriteFile(path, []byte("version: 1\nregistries: [{ecr: {region: eu-west-1}}]\nusage: [{command: {run: [cat, uses.txt]}}]\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			tag := func() (o outcome) {
				var stdout, stderr bytes.Buffer
				o.Code = cli.Main(cli.World{
					Args: []string{"tag", "--yes", "--config", path}, Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr,
					LookupEnv: func(name string) (string, bool) {
						v, ok := map[string]string{"HOME": dir, "PATH": os.Getenv("PATH")}[name]
						return v, ok
					},
					Now: func() time.Time { return scriptNow }, Kinds: kinds.All(),
					AWS: awsapi.Options{Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""), Endpoint: server.URL},
				})
				o.Stdout, o.Stderr = stdout.String(), stderr.String()
				return o
			}
			before := tagState(region)
			srv.SetFaults(fault)
			o := tag()
			srv.SetFaults(nil)
			made := 0
			for _, n := range srv.Stats().Calls {
				made += n
			}
			if name == "none" && (o.Code != 0 || made > calls) {
				t.Fatalf("exit code %d after %d calls\n%s%s", o.Code, made, o.Stdout, o.Stderr)
			}
			check := func(done bool) {
				t.Helper()
				after := tagState(region)
				for image, tags := range before {
					ordinary := func(tag string) bool { return !strings.HasPrefix(tag, "in-use-") }
					had, has := marksOf(tags), marksOf(after[image])
					for _, tag := range tags {
						if ordinary(tag) && !slices.Contains(after[image], tag) {
							t.Errorf("%s lost %s: %v", image, tag, after[image])
						}
					}
					if len(had) > 0 && len(has) == 0 {
						t.Errorf("%s lost its marks: %v", image, after[image])
					}
					used := !slices.Contains(tags, "amd64") // its index stands for it
					if done && used && (len(has) != 1 || has[0] < "in-use-1781524800") {
						t.Errorf("%s is said to be done: %v", image, after[image])
					}
				}
				if len(after) != len(before) {
					t.Errorf("%d images are left of %d", len(after), len(before))
				}
			}
			check(o.Code == 0)
			if o := tag(); o.Code != 0 {
				t.Fatalf("the second run: exit code %d\n%s%s", o.Code, o.Stdout, o.Stderr)
			}
			check(true)
		})
	}
}

func marksOf(tags []string) (marks []string) {
	for _, tag := range tags {
		if strings.HasPrefix(tag, "in-use-") {
			marks = append(marks, tag)
		}
	}
	return marks
}
