package awsusage_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/usage"
	"github.com/regsweep/regsweep/internal/usage/apprunner"
	"github.com/regsweep/regsweep/internal/usage/awsusage/awstest"
	"github.com/regsweep/regsweep/internal/usage/ecs"
	"github.com/regsweep/regsweep/internal/usage/lambda"
)

// emptied is a way to AWS on which the answers of one operation lose what they
// hold.
type emptied struct {
	http.RoundTripper
	operation string
	change    func(answer map[string]any)
}

func (e *emptied) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := e.RoundTripper.RoundTrip(r)
	if err != nil || operationOf(r) != e.operation {
		return response, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	var answer map[string]any
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	e.change(answer)
	if body, err = json.Marshal(answer); err != nil {
		return nil, err
	}
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	response.Header.Del("Content-Length")
	return response, nil
}

// operationOf returns the operation that a request is for.
func operationOf(r *http.Request) string {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch path := r.URL.Path; {
	case operation != "":
	case strings.HasSuffix(path, "/functions"), strings.HasSuffix(path, "/functions/"):
		operation = "ListFunctions"
	case strings.HasSuffix(path, "/aliases"):
		operation = "ListAliases"
	default:
		operation = "GetFunction"
	}
	return operation
}

// fill makes a world in which every call of the sources has something to tell.
func fill(t *testing.T) *awstest.World {
	t.Helper()
	w := awstest.New(t)
	e := w.Region.ECS()
	cluster := embedded.Must(e.CreateCluster("prod"))
	service := embedded.Must(cluster.CreateService(embedded.ECSServiceOptions{
		Name: "web", TaskDefinition: e.RegisterTaskDefinition("web", w.Push("web", "1", "one")), DesiredCount: 1,
	}))
	if err := service.Deploy(e.RegisterTaskDefinition("web", w.Push("web", "2", "two")), embedded.DeploymentSuccessful); err != nil {
		t.Fatal(err)
	}
	f := embedded.Must(w.Region.Lambda().CreateFunction("resize", w.Push("resize", "1", "resize")))
	if err := f.PutAlias("live", f.Publish(), nil); err != nil {
		t.Fatal(err)
	}
	embedded.Must(w.Region.AppRunner().CreateService("landing", w.Push("landing", "1", "landing")))
	return w
}

// TestAnswersWithoutContent has each call of each source answered with 200, but
// without what was asked for. That is no empty list, and so an error: nothing
// would be in use otherwise.
func TestAnswersWithoutContent(t *testing.T) {
	changes := map[string]func(map[string]any){
		"an empty object": func(answer map[string]any) { clear(answer) },
		"all is null": func(answer map[string]any) {
			for name := range answer {
				answer[name] = nil
			}
		},
		"items say nothing": func(answer map[string]any) {
			for _, value := range answer {
				switch value := value.(type) {
				case map[string]any:
					clear(value)
				case []any:
					for i := range value {
						value[i] = map[string]any{}
					}
				}
			}
		},
	}
	for name, config := range map[string]usage.Config{
		"ecs": ecs.Config{}, "lambda": lambda.Config{}, "apprunner": apprunner.Config{},
	} {
		w := fill(t)
		w.MustCollect(config)
		for _, called := range slices.Sorted(maps.Keys(w.Stats().Calls)) {
			_, operation, _ := strings.Cut(called, ":")
			for how, change := range changes {
				if how == "items say nothing" && name == "ecs" && strings.HasPrefix(operation, "List") && operation != "ListServiceDeployments" {
					continue // its items are strings
				}
				t.Run(called+" "+how, func(t *testing.T) {
					w := fill(t)
					w.Env.AWS = awsapi.NewSession(awsapi.Options{
						Region: awstest.RegionName, Now: w.Env.Now, Endpoint: "http://aws.example.com",
						Credentials: credentials.NewStaticCredentialsProvider(w.Account(embedded.DefaultAccount).AccessKeyID(), "secret", ""),
						HTTPClient:  &http.Client{Transport: &emptied{w.Client().Transport, operation, change}},
					})
					found, err := w.Collect(config)
					if err == nil {
						t.Errorf("no error, and %q", w.Lines(found))
					}
				})
			}
		}
	}
}

// TestEmptyLists: a list that is there and empty is no error.
func TestEmptyLists(t *testing.T) {
	for name, config := range map[string]usage.Config{
		"ecs": ecs.Config{}, "lambda": lambda.Config{}, "apprunner": apprunner.Config{},
	} {
		t.Run(name, func(t *testing.T) {
			w := awstest.New(t)
			if lines := w.MustCollect(config); len(lines) != 0 {
				t.Errorf("found %q in an empty account", lines)
			}
			embedded.Must(w.Region.ECS().CreateCluster("empty"))
			if lines := w.MustCollect(config); len(lines) != 0 {
				t.Errorf("found %q in an empty cluster", lines)
			}
		})
	}
}
