package asltest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fake is a world of one function and a bucket.
type fake struct {
	mu      sync.Mutex
	objects map[string]string
	waits   []time.Duration
	// answer is what the function does with a payload.
	answer func(payload string) (string, error)
}

func (f *fake) world() World {
	return World{
		Invoke: func(_ context.Context, _ string, payload []byte) ([]byte, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			answer, err := f.answer(string(payload))
			return []byte(answer), err
		},
		Get: func(bucket, key string) ([]byte, bool) {
			body, ok := f.objects[bucket+"/"+key]
			return []byte(body), ok
		},
		Put: func(bucket, key string, body []byte) {
			if f.objects == nil {
				f.objects = map[string]string{}
			}
			f.objects[bucket+"/"+key] = string(body)
		},
		Wait: func(_ context.Context, d time.Duration) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.waits = append(f.waits, d)
			return nil
		},
	}
}

const task = `"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "f", "Payload.$": "$"}`

func one(state string) string {
	return `{"StartAt": "A", "States": {"A": {` + state + `}, "B": {"Type": "Succeed"}}}`
}

func TestParseRefuses(t *testing.T) {
	distributed := `"Type": "Map", "Next": "B", "ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "JSON"}},
		"ResultWriter": {"Resource": "arn:aws:states:::s3:putObject"}, "ItemProcessor": {"StartAt": "X", "States": {"X": {"Type": "Succeed"}}, "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}`
	for definition, want := range map[string]string{
		`{"StartAt": "A"}`: `no state "A" to start at`,
		`{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}, "QueryLanguage": "JSONata"}`: "QueryLanguage",
		one(`"Type": "Succeed"`):                                                       "nothing leads to B",
		one(`"Type": "Wait", "Next": "B"`):                                             `type "Wait" is not known`,
		one(`"Type": "Pass", "Next": "C"`):                                             `there is no state "C"`,
		one(`"Type": "Pass"`):                                                          "a Pass with Next",
		one(`"Type": "Pass", "Next": "B", "End": true`):                                "a Pass with Next",
		one(`"Type": "Pass", "Next": "B", "Seconds": 1`):                               "Seconds",
		one(`"Type": "Choice", "Default": "B"`):                                        "without choices",
		one(`"Type": "Task", "Resource": "arn:aws:states:::sns:publish", "Next": "B"`): "is not known",
		one(`"Type": "Map", "Next": "B"`):                                              "only distributed maps",
		one(strings.Replace(distributed, "JSON", "CSV", 1)):                            "only items in JSON",
		one(strings.Replace(distributed, "putObject", "x", 1)):                         "only results in Amazon S3",
		one(strings.Replace(distributed, `"StartAt": "X"`, `"StartAt": "Y"`, 1)):       `A.there is no state "Y"`,
		one(`"Type": "Pass", "Next": "B", "Comment": "${Unknown}"`):                    "nothing is known of ${Unknown}",
	} {
		if _, err := Parse([]byte(definition), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", definition, err, want)
		}
	}
	if _, err := Parse([]byte(one(distributed)), nil); err != nil {
		t.Error(err)
	}
}

func run(t *testing.T, f *fake, definition, input string) (string, error) {
	t.Helper()
	m, err := Parse([]byte(definition), nil)
	if err != nil {
		t.Fatal(err)
	}
	output, err := (&Execution{Name: "exec", World: f.world()}).Run(t.Context(), m, []byte(input))
	return string(output), err
}

func TestPaths(t *testing.T) {
	for _, test := range []struct{ state, input, want, err string }{
		{state: `"Type": "Pass", "Next": "B", "Parameters": {"a.$": "$.x.y", "b": [1, {"c.$": "$$.Execution.Name"}], "d": "$.x"}`, input: `{"x": {"y": 2}}`,
			want: `{"a":2,"b":[1,{"c":"exec"}],"d":"$.x"}`},
		{state: `"Type": "Pass", "Next": "B", "Parameters": {"a.$": "States.Format('s3://b/{}/{}.json', $$.Execution.Name, $.n)"}`, input: `{"n": 7}`, want: `{"a":"s3://b/exec/7.json"}`},
		{state: `"Type": "Pass", "Next": "B", "Parameters": {"a": 1}, "ResultPath": "$.r"`, input: `{"x": 1}`, want: `{"r":{"a":1},"x":1}`},
		{state: `"Type": "Pass", "Next": "B", "OutputPath": "$.x"`, input: `{"x": 1}`, want: `1`},
		{state: `"Type": "Pass", "Next": "B", "Parameters": {"a.$": "$.none"}`, input: `{}`, err: "States.Runtime"},
		{state: `"Type": "Pass", "Next": "B", "Parameters": {"a.$": "$.list[0]"}`, input: `{}`, err: "is not known"},
		{state: `"Type": "Pass", "Next": "B", "Parameters": {"a.$": "States.UUID()"}`, input: `{}`, err: "neither a path nor a function"},
		{state: `"Type": "Pass", "Next": "B", "Parameters": {"a.$": "States.Format('{}')"}`, input: `{}`, err: "places"},
		{state: `"Type": "Pass", "Next": "B", "Parameters": {"a.$": 1}`, input: `{}`, err: "is no text"},
		{state: `"Type": "Pass", "Next": "B", "ResultPath": "$.a.b"`, input: `{}`, err: "ResultPath"},
	} {
		t.Run(test.state, func(t *testing.T) {
			got, err := run(t, &fake{}, one(test.state), test.input)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("got %v", err)
				}
				return
			}
			if got != test.want || err != nil {
				t.Errorf("got %s, %v", got, err)
			}
		})
	}
}

func TestRetryAndCatch(t *testing.T) {
	failing := func(names ...string) *fake {
		return &fake{answer: func(payload string) (string, error) {
			if len(names) == 0 {
				return payload, nil
			}
			name := names[0]
			names = names[1:]
			return "", &Error{name, "cause"}
		}}
	}
	const retry = `, "Retry": [{"ErrorEquals": ["T"], "IntervalSeconds": 2, "MaxAttempts": 3, "BackoffRate": 3, "MaxDelaySeconds": 10}, {"ErrorEquals": ["U"], "MaxAttempts": 1}]`
	const catch = `, "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "B"}]`
	for _, test := range []struct {
		name, state string
		fails       []string
		want, err   string
		waits       []time.Duration
	}{
		{"succeeds", retry, nil, `{"Payload":{"x":1}}`, "", nil},
		{"tried again", retry, []string{"T", "T", "T"}, `{"Payload":{"x":1}}`, "", []time.Duration{2e9, 6e9, 10e9}},
		{"too often", retry, []string{"T", "T", "T", "T"}, "", "T: cause", []time.Duration{2e9, 6e9, 10e9}},
		{"each retrier counts", retry, []string{"T", "U", "T"}, `{"Payload":{"x":1}}`, "", []time.Duration{2e9, 1e9, 6e9}},
		{"another error", retry, []string{"V"}, "", "V: cause", nil},
		{"caught", retry + catch, []string{"V"}, `{"error":{"Cause":"cause","Error":"V"},"x":1}`, "", nil},
		{"not to be caught", catch, []string{"States.Runtime"}, "", "States.Runtime", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := failing(test.fails...)
			got, err := run(t, f, one(task+`, "ResultSelector": {"Payload.$": "$.Payload"}, "Next": "B"`+test.state), `{"x": 1}`)
			if got != test.want || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("got %s, %v", got, err)
			}
			if diff := cmp.Diff(test.waits, f.waits); diff != "" {
				t.Errorf("waits (-want +got):\n%s", diff)
			}
		})
	}
}

func TestChoiceAndFail(t *testing.T) {
	const machine = `{"StartAt": "C", "States": {
		"C": {"Type": "Choice", "Choices": [
			{"And": [{"Variable": "$.n", "NumericGreaterThan": 0}, {"Variable": "$.s", "StringEquals": "go"}], "Next": "Done"},
			{"Variable": "$.e", "IsPresent": true, "Next": "Bad"}, {"Variable": "$.n", "NumericEquals": 4, "Next": "Four"}], "Default": "Round"},
		"Round": {"Type": "Pass", "Next": "C"}, "Done": {"Type": "Succeed"}, "Four": {"Type": "Fail", "Error": "Four", "Cause": "c"},
		"Bad": {"Type": "Fail", "ErrorPath": "$.e", "CausePath": "$.s"}}}`
	for input, want := range map[string]string{
		`{"n": 1, "s": "go"}`:            "",
		`{"n": 4, "s": "x"}`:             "Four: c",
		`{"n": 0, "s": "x", "e": "Own"}`: "Own: x",
		`{"n": 0, "s": "x", "e": 1}`:     "is no text",
		`{"n": 0, "s": "x"}`:             "round for ever",
		`{}`:                             "$.n is not there",
	} {
		_, err := run(t, &fake{}, machine, input)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", input, err, want)
		}
	}
}

func TestMap(t *testing.T) {
	machine := func(tolerated int) string {
		return fmt.Sprintf(`{"StartAt": "M", "States": {"M": {"Type": "Map", "End": true, "MaxConcurrency": 2, "ToleratedFailurePercentage": %d,
			"ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "JSON"}, "Parameters": {"Bucket": "b", "Key.$": "$.key"}},
			"ItemSelector": {"v.$": "$$.Map.Item.Value.v", "run.$": "$$.Execution.Name", "in.$": "$.key"},
			"ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "b", "Prefix": "out"}},
			"ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, "StartAt": "T", "States": {"T": {%s, "OutputPath": "$.Payload", "Next": "P"},
				"P": {"Type": "Pass", "Parameters": {"own.$": "$$.Execution.Name", "v.$": "$.v"}, "End": true}}}}}}`, tolerated, task)
	}
	world := func() *fake {
		return &fake{objects: map[string]string{"b/items": `[{"v": 1}, {"v": 2}]`}, answer: func(payload string) (string, error) {
			if strings.Contains(payload, `"v":2`) {
				return "", &Error{"Two", "2"}
			}
			return payload, nil
		}}
	}
	f := world()
	if got, err := run(t, f, machine(50), `{"key": "items"}`); err != nil || !strings.Contains(got, `"Key":"out/exec-M/manifest.json"`) {
		t.Errorf("got %s, %v", got, err)
	}
	// A child is an execution of its own.
	if got := f.objects["b/out/exec-M/SUCCEEDED_0.json"]; got != `[{"Output":{"own":"exec-M[0]","v":1}}]` {
		t.Errorf("succeeded: %s", got)
	}
	if got := f.objects["b/out/exec-M/FAILED_0.json"]; got != `[{"Cause":"2","Error":"Two"}]` {
		t.Errorf("failed: %s", got)
	}
	for input, want := range map[string]string{`{"key": "items"}`: "States.ExceedToleratedFailureThreshold", `{"key": "none"}`: "States.ItemReaderFailed"} {
		_, err := run(t, world(), machine(49), input)
		var failed *Error
		if !errors.As(err, &failed) || failed.Name != want {
			t.Errorf("%s: got %v", input, err)
		}
	}
}

func TestPayloadLimit(t *testing.T) {
	f := &fake{answer: func(string) (string, error) {
		body, err := json.Marshal(strings.Repeat("x", maxPayload))
		return string(body), err
	}}
	_, err := run(t, f, one(task+`, "Next": "B", "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "B"}]`), `{}`)
	var failed *Error
	if !errors.As(err, &failed) || failed.Name != "States.DataLimitExceeded" {
		t.Errorf("got %v", err)
	}
}
