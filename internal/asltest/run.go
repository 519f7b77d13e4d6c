package asltest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
)

// Error is an error of an execution, by its name in the States Language.
type Error struct{ Name, Cause string }

// Error returns both.
func (e *Error) Error() string { return e.Name + ": " + e.Cause }

// World is what an execution calls.
type World struct {
	// Invoke calls a Lambda function. What the function failed with is an *Error.
	Invoke func(ctx context.Context, function string, payload []byte) ([]byte, error)
	// Get and Put read and write an object in Amazon S3.
	Get func(bucket, key string) ([]byte, bool)
	Put func(bucket, key string, body []byte)
	// Wait is called for the pauses before retries.
	Wait func(ctx context.Context, d time.Duration) error
}

// Execution is one run of a state machine.
type Execution struct {
	Name  string
	World World

	mu      sync.Mutex
	events  []Event
	largest int
}

// Event is something that happened: a state that was entered, or an error in it.
type Event struct {
	// State is its name, with that of its Map and the number of the item before it.
	State string
	// Error is what went wrong, and Retried says that it was tried again.
	Error   string
	Retried bool
}

// maxPayload is how large the input and the result of a state can be ("Quotas" in
// the AWS Step Functions developer guide).
const maxPayload = 256 << 10

// Run runs the machine, and returns its output. How the execution failed is an
// *Error; another error is a mistake of the definition or of the test.
func (e *Execution) Run(ctx context.Context, m *Machine, input []byte) ([]byte, error) {
	var data any
	if err := json.Unmarshal(input, &data); err != nil {
		return nil, err
	}
	output, err := e.run(ctx, m, data, map[string]any{"Execution": map[string]any{"Name": e.Name}}, "")
	if err != nil {
		return nil, err
	}
	return json.Marshal(output)
}

// Events returns what happened, in order; what several items of a Map do at the
// same time is in any order.
func (e *Execution) Events() []Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.events)
}

// Largest returns the size of the largest payload there was, in bytes.
func (e *Execution) Largest() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.largest
}

func (e *Execution) note(event Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.events = append(e.events, event)
}

// limit refuses data that is too large.
func (e *Execution) limit(data any) error {
	encoded, err := json.Marshal(data)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.largest = max(e.largest, len(encoded))
	if len(encoded) > maxPayload {
		return &Error{"States.DataLimitExceeded", fmt.Sprintf("%d bytes", len(encoded))}
	}
	return nil
}

// maxSteps ends a machine that goes round for ever.
const maxSteps = 1000

// run goes from state to state.
func (e *Execution) run(ctx context.Context, m *Machine, data any, object map[string]any, in string) (any, error) {
	name := m.StartAt
	for range maxSteps {
		s := m.States[name]
		e.note(Event{State: in + name})
		if err := e.limit(data); err != nil {
			return nil, err
		}
		output, next, err := e.enter(ctx, s, scope{data, object}, in+name)
		if err != nil {
			return nil, err
		}
		if err := e.limit(output); err != nil {
			return nil, err
		}
		if next == "" {
			return output, nil
		}
		name, data = next, output
	}
	return nil, errors.New("the machine goes round for ever")
}

// enter does what one state does, and returns its output and what follows.
func (e *Execution) enter(ctx context.Context, s *State, in scope, path string) (output any, next string, err error) {
	switch s.Type {
	case "Succeed":
		return in.data, "", nil
	case "Fail":
		return nil, "", s.fail(in)
	case "Choice":
		next, err = s.choose(in)
		return in.data, next, err
	}
	for attempts := make([]int, len(s.Retry)); ; {
		output, err = e.do(ctx, s, in, path)
		var failed *Error
		if err == nil || !errors.As(err, &failed) {
			return output, s.Next, err
		}
		again, delay := s.retry(failed.Name, attempts)
		e.note(Event{State: path, Error: failed.Name, Retried: again})
		if !again {
			return s.caught(in, failed)
		}
		if err := e.World.Wait(ctx, delay); err != nil {
			return nil, "", err
		}
	}
}

// do makes one attempt at a Task, Map or Pass.
func (e *Execution) do(ctx context.Context, s *State, in scope, path string) (any, error) {
	var result any
	var err error
	switch s.Type {
	case "Task":
		result, err = e.invoke(ctx, s, in)
	case "Map":
		result, err = e.each(ctx, s, in, path)
	case "Pass":
		if result = in.data; s.Parameters != nil {
			result, err = in.fill(s.Parameters)
		}
	}
	if err == nil && s.ResultSelector != nil {
		result, err = scope{result, in.context}.fill(s.ResultSelector)
	}
	if err != nil {
		return nil, err
	}
	output, err := place(in.data, s.ResultPath, result)
	if err != nil || s.OutputPath == "" {
		return output, err
	}
	return scope{output, in.context}.must(s.OutputPath)
}

// invoke calls a function, as the optimized integration does: its answer is in
// Payload.
func (e *Execution) invoke(ctx context.Context, s *State, in scope) (any, error) {
	filled, err := in.fill(s.Parameters)
	if err != nil {
		return nil, err
	}
	parameters, _ := filled.(map[string]any)
	function, _ := parameters["FunctionName"].(string)
	if len(parameters) != 2 || parameters["Payload"] == nil || function == "" {
		return nil, fmt.Errorf("a task needs FunctionName and Payload, and has %v", filled)
	}
	payload, err := json.Marshal(parameters["Payload"])
	if err != nil {
		return nil, err
	}
	answer, err := e.World.Invoke(ctx, function, payload)
	if err != nil {
		return nil, err
	}
	var value any
	if err := json.Unmarshal(answer, &value); err != nil {
		return nil, err
	}
	return map[string]any{"Payload": value, "StatusCode": 200, "ExecutedVersion": "$LATEST"}, nil
}

// equals reports whether an error is one of those that are named. States.ALL is
// every one but those that nothing can be done about.
func equals(names []string, name string) bool {
	return slices.Contains(names, name) ||
		slices.Contains(names, "States.ALL") && name != "States.DataLimitExceeded" && name != "States.Runtime"
}

// retry says whether an error is tried again and after which pause, and counts
// the attempts of each retrier.
func (s *State) retry(name string, attempts []int) (again bool, delay time.Duration) {
	for i, r := range s.Retry {
		if !equals(r.ErrorEquals, name) {
			continue
		}
		most, rate, interval := 3, r.BackoffRate, r.IntervalSeconds
		if r.MaxAttempts != nil {
			most = *r.MaxAttempts
		}
		if rate == 0 {
			rate = 2
		}
		if interval == 0 {
			interval = 1
		}
		if attempts[i] >= most {
			return false, 0
		}
		seconds := interval * math.Pow(rate, float64(attempts[i]))
		if r.MaxDelaySeconds > 0 {
			seconds = min(seconds, r.MaxDelaySeconds)
		}
		attempts[i]++
		return true, time.Duration(seconds * float64(time.Second))
	}
	return false, 0
}

// caught returns where an execution goes on after an error, or the error.
func (s *State) caught(in scope, failed *Error) (output any, next string, err error) {
	for _, c := range s.Catch {
		if equals(c.ErrorEquals, failed.Name) {
			output, err = place(in.data, c.ResultPath, map[string]any{"Error": failed.Name, "Cause": failed.Cause})
			return output, c.Next, err
		}
	}
	return nil, "", failed
}

func (s *State) fail(in scope) error {
	name, cause := s.Error, s.Cause
	for path, into := range map[string]*string{s.ErrorPath: &name, s.CausePath: &cause} {
		if path == "" {
			continue
		}
		v, err := in.must(path)
		if err != nil {
			return err
		}
		text, ok := v.(string)
		if !ok {
			return &Error{"States.Runtime", path + " is no text"}
		}
		*into = text
	}
	return &Error{name, cause}
}

func (s *State) choose(in scope) (next string, err error) {
	for _, r := range s.Choices {
		ok, err := r.holds(in)
		if err != nil {
			return "", err
		}
		if ok {
			return r.Next, nil
		}
	}
	if s.Default == "" {
		return "", &Error{"States.NoChoiceMatched", "no choice matched"}
	}
	return s.Default, nil
}

func (r *Rule) holds(in scope) (bool, error) {
	if r.And != nil {
		for i := range r.And {
			if ok, err := r.And[i].holds(in); err != nil || !ok {
				return false, err
			}
		}
		return true, nil
	}
	value, there, err := in.look(r.Variable)
	if err != nil {
		return false, err
	}
	if r.IsPresent != nil {
		return there == *r.IsPresent, nil
	}
	if !there {
		return false, &Error{"States.Runtime", "the path " + r.Variable + " is not there"}
	}
	text, _ := value.(string)
	number, isNumber := value.(float64)
	switch {
	case r.StringEquals != nil:
		return text == *r.StringEquals, nil
	case r.NumericEquals != nil:
		return isNumber && number == *r.NumericEquals, nil
	case r.NumericGreaterThan != nil:
		return isNumber && number > *r.NumericGreaterThan, nil
	}
	return false, errors.New("a choice without a comparison: " + strings.TrimSpace(r.Comment))
}
