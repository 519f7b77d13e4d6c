package lambdarun_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/lambdarun"
	"github.com/regsweep/regsweep/internal/lambdatest"
)

func TestMain(m *testing.M) { lambdatest.Main(m) }

// configuration keeps what is younger than a month and what is in use.
const configuration = `version: 1
registries:
  - ecr: {region: eu-west-1, account: "111122223333"}
usage:
  - snapshot: {path: s3://lambda-test/uses.json}
rules:
  - name: old
    keep: [{youngerThan: 30d}, {newest: 1}]
`

const host = embedded.DefaultAccount + ".dkr.ecr.eu-west-1.amazonaws.com"

// world is an account with a bucket and repositories.
type world struct {
	*embedded.Server
	region *embedded.Region
	bucket *embedded.Bucket
	names  map[string]string // digest → name
}

// newWorld returns an account with that many repositories r00, r01 and so on, each
// with the images new, used, and two old ones.
func newWorld(repositories int) *world {
	srv := embedded.New(embedded.Options{Clock: time.Now})
	region := srv.Account(embedded.DefaultAccount).Region("eu-west-1")
	w := &world{srv, region, embedded.Must(region.S3().CreateBucket("lambda-test")), map[string]string{}}
	uses := ""
	for i := range repositories {
		name := fmt.Sprintf("r%02d", i)
		repo := region.MustCreateRepository(name, embedded.RepositoryOptions{})
		for tag, days := range map[string]int{"new": 1, "used": 50, "old-1": 60, "old-2": 70} {
			m := embedded.NewImage(embedded.ConfigBlob(name+tag, 100), embedded.LayerBlob(name+tag, 1000))
			w.names[repo.MustPush(embedded.Push{Manifest: m.Bytes(), Tags: []string{tag}, At: time.Now().AddDate(0, 0, -days)})] = tag
		}
		if i > 0 {
			uses += ","
		}
		uses += fmt.Sprintf(`{"source":"prod","state":"running","reference":"%s/%s:used","holder":"web"}`, host, name)
	}
	w.bucket.Put("uses.json", fmt.Appendf(nil, `{"schema":"regsweep.usage/v1","createdAt":%q,"sources":[{"name":"prod","uses":%d,"status":"ok"}],"uses":[%s]}`,
		time.Now().UTC().Format(time.RFC3339), repositories, uses))
	return w
}

// left counts the images that are there, by name.
func (w *world) left() map[string]int {
	left := map[string]int{}
	for _, repo := range w.region.Repositories() {
		for _, img := range repo.Images() {
			left[w.names[img.Digest]]++
		}
	}
	return left
}

// function returns the function with a configuration file.
func (w *world) function(t *testing.T, configuration string, env ...string) *lambdatest.Function {
	t.Helper()
	dir := t.TempDir()
	if configuration != "" {
		if err := os.WriteFile(filepath.Join(dir, "regsweep.yaml"), []byte(configuration), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return lambdatest.Regsweep(t, w.Server, dir, env...)
}

// ask invokes the function, which must succeed.
func ask(t *testing.T, f *lambdatest.Function, event string) lambdarun.Result {
	t.Helper()
	answer, err := f.Invoke(t.Context(), []byte(event))
	if err != nil {
		t.Fatalf("%s: %v\n%s", event, err, f.Log())
	}
	return resultOf(t, answer)
}

func resultOf(t *testing.T, answer []byte) lambdarun.Result {
	t.Helper()
	var r lambdarun.Result
	if err := json.Unmarshal(answer, &r); err != nil {
		t.Fatalf("%v: %s", err, answer)
	}
	return r
}

// refused invokes the function, which must fail, and returns the error.
func refused(t *testing.T, f *lambdatest.Function, event string) *lambdatest.Error {
	t.Helper()
	answer, err := f.Invoke(t.Context(), []byte(event))
	var failed *lambdatest.Error
	if !errors.As(err, &failed) {
		t.Fatalf("%s: answered %s, %v", event, answer, err)
	}
	return failed
}

// scheduled is what EventBridge sends for a schedule.
const scheduled = `{"version":"0","id":"00000000-0000-0000-0000-000000000000","detail-type":"Scheduled Event","source":"aws.events",
"account":"111122223333","time":"2026-01-02T03:04:05Z","region":"eu-west-1","resources":["arn:aws:events:eu-west-1:111122223333:rule/nightly"],"detail":{}}`

// applying is a configuration under which images are deleted.
const applying = configuration + "mode: apply\n"

// keys returns the keys of the bucket with the prefix.
func (w *world) keys(prefix string) []string {
	return slices.DeleteFunc(w.bucket.Keys(), func(key string) bool { return len(key) < len(prefix) || key[:len(prefix)] != prefix })
}
