package stepfunctions_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/regsweep/regsweep/internal/asltest"
	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/lambdatest"
	"github.com/regsweep/regsweep/internal/objects"
)

func TestMain(m *testing.M) { lambdatest.Main(m) }

// example is the folder that users copy.
var example = filepath.Join("..", "..", "..", "examples", "step-functions")

func file(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(example, name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

const (
	function = "regsweep"
	bucket   = "regsweep-runs"
)

// world is an account with repositories, and what goes wrong in it.
type world struct {
	*embedded.Server
	region *embedded.Region
	bucket *embedded.Bucket
	topic  string
	names  map[string]string // digest → age in days and number

	mu sync.Mutex
	// throttled has how many more times the images of a repository cannot be listed
	// for the rate of calls, and denied the repositories where they never can.
	throttled map[string]int
	denied    map[string]bool
	// invoke is asked before each invocation; its error is what Lambda answers.
	invoke func(event map[string]any) *asltest.Error
	// machineErrors are what the state machine could not read or write.
	machineErrors []error
	// late makes invocations that apply run out of time; it may be nil.
	late *lambdatest.Late
}

func newWorld() *world {
	srv := embedded.New(embedded.Options{Clock: time.Now})
	region := srv.Account(embedded.DefaultAccount).Region("eu-west-1")
	return &world{
		Server: srv, region: region, bucket: embedded.Must(region.S3().CreateBucket(bucket)), topic: region.CreateTopic("regsweep"),
		names: map[string]string{}, throttled: map[string]int{}, denied: map[string]bool{},
	}
}

// repository makes a repository with an image of each of the ages in days.
func (w *world) repository(name string, ages ...int) *embedded.Repository {
	repo := w.region.MustCreateRepository(name, embedded.RepositoryOptions{})
	for i, days := range ages {
		seed := fmt.Sprint(name, days, i)
		m := embedded.NewImage(embedded.ConfigBlob(seed, 100), embedded.LayerBlob(seed, 1000))
		at := time.Now().AddDate(0, 0, -days).Add(-time.Minute) // 30 days are more than 30 days
		tag := fmt.Sprintf("v%d", len(ages)-i)
		w.names[repo.MustPush(embedded.Push{Manifest: m.Bytes(), Tags: []string{tag}, At: at})] = fmt.Sprintf("%03d", days)
	}
	return repo
}

// left has the ages of the images that are there, by repository.
func (w *world) left() map[string]string {
	left := map[string]string{}
	for _, repo := range w.region.Repositories() {
		var ages []string
		for _, img := range repo.Images() {
			ages = append(ages, w.names[img.Digest])
		}
		slices.Sort(ages)
		left[repo.Name()] = strings.Join(ages, " ")
	}
	return left
}

// ages writes ages as left does.
func ages(days ...int) string {
	var all []string
	for _, d := range days {
		all = append(all, fmt.Sprintf("%03d", d))
	}
	return strings.Join(all, " ")
}

// ServeHTTP makes calls go wrong that are about one repository.
func (w *world) ServeHTTP(out http.ResponseWriter, in *http.Request) {
	if strings.HasSuffix(in.Header.Get("X-Amz-Target"), ".DescribeImages") {
		body, err := io.ReadAll(in.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		in.Body = io.NopCloser(bytes.NewReader(body))
		var request struct{ RepositoryName string }
		_ = json.Unmarshal(body, &request) // the server answers what is no JSON
		w.mu.Lock()
		code := ""
		if w.denied[request.RepositoryName] {
			code = "AccessDeniedException"
		} else if w.throttled[request.RepositoryName] > 0 {
			w.throttled[request.RepositoryName]--
			code = "ThrottlingException"
		}
		w.mu.Unlock()
		if code != "" {
			out.Header().Set("Content-Type", "application/x-amz-json-1.1")
			out.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(out, `{"__type":%q,"message":"not this one"}`, code)
			return
		}
	}
	w.Server.ServeHTTP(out, in)
}

// machine is the example's state machine with few repositories in a shard.
func machine(t *testing.T) *asltest.Machine {
	t.Helper()
	definition := file(t, "state-machine.asl.json")
	small := bytes.Replace(definition, []byte(`"perShard": 500`), []byte(`"perShard": 4`), 1)
	if bytes.Equal(small, definition) {
		t.Fatal("the definition has no perShard")
	}
	m, err := asltest.Parse(small, map[string]string{"Function": function, "Bucket": bucket, "Partition": "aws"})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// function starts the function with a configuration.
func (w *world) function(t *testing.T, configuration []byte, env ...string) *lambdatest.Function {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "regsweep.yaml"), configuration, 0o600); err != nil {
		t.Fatal(err)
	}
	env = append(env, "TOPIC_ARN="+w.topic, "REGSWEEP_JOURNAL=s3://"+bucket+"/journal")
	return lambdatest.Regsweep(t, w, dir, env...)
}

// execution returns an execution of the pipeline that calls the function.
func (w *world) execution(name string, f *lambdatest.Function) *asltest.Execution {
	return &asltest.Execution{Name: name, World: asltest.World{
		Invoke: func(ctx context.Context, called string, payload []byte) ([]byte, error) {
			if called != function {
				return nil, fmt.Errorf("there is no function %s", called)
			}
			var event map[string]any
			if err := json.Unmarshal(payload, &event); err != nil {
				return nil, err
			}
			if w.invoke != nil {
				if err := w.invoke(event); err != nil {
					return nil, err
				}
			}
			invoke := f.Invoke
			if w.late != nil && event["op"] == "apply" {
				invoke = func(ctx context.Context, payload []byte) ([]byte, error) { return w.late.Invoke(ctx, f, payload) }
			}
			answer, err := invoke(ctx, payload)
			var failed *lambdatest.Error
			if errors.As(err, &failed) {
				return nil, &asltest.Error{Name: failed.Type, Cause: failed.Message}
			}
			return answer, err
		},
		Get: w.get, Put: w.put,
		Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}}
}

// machineKey is the access key of the state machine's role.
const machineKey = "AKIASTATEMACHINE0000"

// object is an object as the role of the state machine may reach it, which the
// example says.
func (w *world) object(name, key string) *objects.Object {
	content, err := os.ReadFile(filepath.Join(example, "state-machine-role.json"))
	if err != nil {
		panic(err)
	}
	role := strings.NewReplacer("${Function}", function, "${Bucket}", bucket, "${Partition}", "aws", "${StateMachine}", "regsweep").Replace(string(content))
	w.AddKey(embedded.Principal{AccessKeyID: machineKey, Account: embedded.DefaultAccount, ARN: "arn:aws:iam::" + embedded.DefaultAccount + ":role/pipeline"})
	if err := w.SetPolicy(machineKey, role); err != nil {
		panic(err)
	}
	session := awsapi.NewSession(awsapi.Options{
		Region: "eu-west-1", Now: time.Now, HTTPClient: w.Client(), Credentials: credentials.NewStaticCredentialsProvider(machineKey, "secret", ""),
	})
	return embedded.Must(objects.Open("s3://"+name+"/"+key, objects.Env{AWS: session}))
}

// get reads an object, as the state machine does.
func (w *world) get(name, key string) ([]byte, bool) {
	from, err := w.object(name, key).Read(context.Background())
	if err != nil {
		w.machineErrors = append(w.machineErrors, err)
		return nil, false
	}
	body, err := io.ReadAll(from)
	if err = errors.Join(err, from.Close()); err != nil {
		w.machineErrors = append(w.machineErrors, err)
	}
	return body, err == nil
}

// put writes an object, as the state machine does.
func (w *world) put(name, key string, body []byte) {
	err := w.object(name, key).Write(context.Background(), func(to io.Writer) error {
		_, err := to.Write(body)
		return err
	})
	if err != nil {
		w.machineErrors = append(w.machineErrors, err)
	}
}

// start is the input that the schedule gives.
var start = []byte(`{}`)

// ended returns the name of the error that an execution failed with, or "".
func ended(t *testing.T, e *asltest.Execution, m *asltest.Machine) string {
	t.Helper()
	_, err := e.Run(t.Context(), m, start)
	var failed *asltest.Error
	if err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	if failed == nil {
		return ""
	}
	t.Log(failed)
	return failed.Name
}
