package asltest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"golang.org/x/sync/errgroup"
)

// location is an object or a prefix in Amazon S3.
type location struct{ Bucket, Key, Prefix string }

func (s scope) location(parameters json.RawMessage) (l location, err error) {
	filled, err := s.fill(parameters)
	if err != nil {
		return l, err
	}
	encoded, err := json.Marshal(filled)
	if err != nil {
		return l, err
	}
	return l, json.Unmarshal(encoded, &l)
}

// each runs the processor for each item, as an execution of its own: its context
// object is not that of the machine.
func (e *Execution) each(ctx context.Context, s *State, in scope, path string) (any, error) {
	from, err := in.location(s.ItemReader.Parameters)
	if err != nil {
		return nil, err
	}
	body, ok := e.World.Get(from.Bucket, from.Key)
	if !ok {
		return nil, &Error{"States.ItemReaderFailed", fmt.Sprintf("there is no object s3://%s/%s", from.Bucket, from.Key)}
	}
	var items []any
	if err := json.Unmarshal(body, &items); err != nil {
		return nil, &Error{"States.ItemReaderFailed", err.Error()}
	}
	outputs, failures := make([]any, len(items)), make([]*Error, len(items))
	group, groupCtx := errgroup.WithContext(ctx)
	if s.MaxConcurrency > 0 {
		group.SetLimit(s.MaxConcurrency)
	}
	for i, item := range items {
		group.Go(func() error {
			object := maps.Clone(in.context)
			object["Map"] = map[string]any{"Item": map[string]any{"Index": i, "Value": item}}
			input := item
			if s.ItemSelector != nil {
				var err error
				if input, err = (scope{in.data, object}).fill(s.ItemSelector); err != nil {
					return err
				}
			}
			name := fmt.Sprintf("%s[%d]", path, i)
			child := map[string]any{"Execution": map[string]any{"Name": e.Name + "-" + name}}
			output, err := e.run(groupCtx, s.ItemProcessor, input, child, name+".")
			outputs[i] = output
			var failed *Error
			if errors.As(err, &failed) {
				failures[i] = failed
				return nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return e.write(s, in, path, outputs, failures)
}

// write puts the outputs where the ResultWriter says, and returns what the Map
// returns then.
func (e *Execution) write(s *State, in scope, path string, outputs []any, failures []*Error) (any, error) {
	to, err := in.location(s.ResultWriter.Parameters)
	if err != nil {
		return nil, err
	}
	prefix := to.Prefix + "/" + e.Name + "-" + path
	results := map[string][]any{}
	failed := 0
	for i := range outputs {
		kind, result := "SUCCEEDED", map[string]any{"Output": outputs[i]}
		if f := failures[i]; f != nil {
			failed++
			kind, result = "FAILED", map[string]any{"Error": f.Name, "Cause": f.Cause}
		}
		results[kind] = append(results[kind], result)
	}
	for kind, list := range results {
		body, err := json.Marshal(list)
		if err != nil {
			return nil, err
		}
		e.World.Put(to.Bucket, prefix+"/"+kind+"_0.json", body)
	}
	if 100*float64(failed) > s.ToleratedFailurePercentage*float64(len(outputs)) {
		return nil, &Error{"States.ExceedToleratedFailureThreshold", fmt.Sprintf("%d of %d items failed", failed, len(outputs))}
	}
	return map[string]any{
		"MapRunArn":           "arn:aws:states:eu-west-1:111122223333:mapRun:" + path,
		"ResultWriterDetails": map[string]any{"Bucket": to.Bucket, "Key": prefix + "/manifest.json"},
	}, nil
}
