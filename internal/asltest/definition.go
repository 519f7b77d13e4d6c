// Package asltest runs state machines of AWS Step Functions in tests: the part of
// the Amazon States Language (https://states-language.net/spec.html, and "Amazon
// States Language" in the AWS Step Functions developer guide) that the examples
// use, in JSONPath. What it does not know it refuses, so that no test passes by
// something that was left out.
package asltest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Machine is a state machine, or the part of a Map state that is run for each item.
type Machine struct {
	Comment         string
	StartAt         string
	TimeoutSeconds  int
	States          map[string]*State
	ProcessorConfig *struct{ Mode, ExecutionType string }
}

// State is one state; which fields it may have depends on its type.
type State struct {
	Type, Comment, Next string
	End                 bool

	// Of Task, Pass and Map.
	Parameters     json.RawMessage
	ResultSelector json.RawMessage
	ResultPath     *string
	OutputPath     string
	Retry          []Retrier
	Catch          []Catcher

	// Of Task.
	Resource string

	// Of Map.
	ItemReader                 *ItemReader
	ItemSelector               json.RawMessage
	ItemProcessor              *Machine
	ResultWriter               *Writer
	MaxConcurrency             int
	ToleratedFailurePercentage float64

	// Of Choice.
	Choices []Rule
	Default string

	// Of Fail.
	Error, ErrorPath, Cause, CausePath string
}

// Retrier says which errors are tried again, and when.
type Retrier struct {
	ErrorEquals     []string
	IntervalSeconds float64
	MaxAttempts     *int
	BackoffRate     float64
	MaxDelaySeconds float64
	JitterStrategy  string
}

// Catcher says where an execution goes on after an error.
type Catcher struct {
	ErrorEquals []string
	ResultPath  *string
	Next        string
}

// ItemReader says where the items of a Map are.
type ItemReader struct {
	Resource     string
	ReaderConfig struct{ InputType string }
	Parameters   json.RawMessage
}

// Writer says where the results of a Map go.
type Writer struct {
	Resource   string
	Parameters json.RawMessage
}

// Rule is a rule of a Choice: a comparison, or several that must hold together.
type Rule struct {
	Comment            string
	Next               string
	And                []Rule
	Variable           string
	StringEquals       *string
	NumericEquals      *float64
	NumericGreaterThan *float64
	IsPresent          *bool
}

// maxDefinition is how large a definition can be ("Quotas" in the AWS Step
// Functions developer guide).
const maxDefinition = 1 << 20

// Parse reads a definition, in which ${Name} stands for a value, as in
// CloudFormation and Terraform. Whatever is not known in it is an error.
func Parse(definition []byte, values map[string]string) (*Machine, error) {
	for name, value := range values {
		definition = bytes.ReplaceAll(definition, []byte("${"+name+"}"), []byte(value))
	}
	if i := bytes.Index(definition, []byte("${")); i >= 0 {
		return nil, fmt.Errorf("nothing is known of %.20s", definition[i:])
	}
	if len(definition) > maxDefinition {
		return nil, fmt.Errorf("the definition has %d bytes, and %d are the most", len(definition), maxDefinition)
	}
	var m Machine
	d := json.NewDecoder(bytes.NewReader(definition))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return nil, err
	}
	return &m, m.check("")
}

// check finds mistakes that Step Functions refuses a definition for.
func (m *Machine) check(in string) error {
	if m.States[m.StartAt] == nil {
		return fmt.Errorf("%sthere is no state %q to start at", in, m.StartAt)
	}
	reached := map[string]bool{m.StartAt: true}
	for _, name := range slices.Sorted(maps.Keys(m.States)) {
		s := m.States[name]
		if err := s.check(); err != nil {
			return fmt.Errorf("%s%s: %w", in, name, err)
		}
		for _, next := range s.nexts() {
			if m.States[next] == nil {
				return fmt.Errorf("%s%s: there is no state %q", in, name, next)
			}
			reached[next] = true
		}
		if s.ItemProcessor != nil {
			if err := s.ItemProcessor.check(in + name + "."); err != nil {
				return err
			}
		}
	}
	for name := range m.States {
		if !reached[name] {
			return fmt.Errorf("%snothing leads to %s", in, name)
		}
	}
	return nil
}

// nexts returns all states that can follow.
func (s *State) nexts() (all []string) {
	for _, next := range []string{s.Next, s.Default} {
		if next != "" {
			all = append(all, next)
		}
	}
	for _, c := range s.Catch {
		all = append(all, c.Next)
	}
	for _, r := range s.Choices {
		all = append(all, r.Next)
	}
	return all
}

const (
	invokeResource = ":states:::lambda:invoke"
	getResource    = ":states:::s3:getObject"
	putResource    = ":states:::s3:putObject"
)

func (s *State) check() error {
	goesOn := s.Type == "Task" || s.Type == "Map" || s.Type == "Pass"
	switch {
	case !slices.Contains([]string{"Task", "Map", "Pass", "Choice", "Succeed", "Fail"}, s.Type):
		return fmt.Errorf("the type %q is not known", s.Type)
	case goesOn == (s.Next == "" && !s.End) || s.Next != "" && s.End:
		return fmt.Errorf("a %s with Next %q and End %t", s.Type, s.Next, s.End)
	case s.Type == "Task" && !strings.HasSuffix(s.Resource, invokeResource):
		return fmt.Errorf("the resource %q is not known", s.Resource)
	case s.Type == "Choice" && len(s.Choices) == 0:
		return fmt.Errorf("a Choice without choices")
	case s.Type == "Map":
		return s.checkMap()
	case (s.Retry != nil || s.Catch != nil) && s.Type != "Task":
		return fmt.Errorf("a %s with Retry or Catch is not known", s.Type)
	}
	return nil
}

func (s *State) checkMap() error {
	p := s.ItemProcessor
	switch {
	case s.Retry != nil:
		return fmt.Errorf("a Map with Retry is not known")
	case p == nil || p.ProcessorConfig == nil || p.ProcessorConfig.Mode != "DISTRIBUTED" || p.ProcessorConfig.ExecutionType != "STANDARD":
		return fmt.Errorf("only distributed maps of standard workflows are known")
	case s.ItemReader == nil || !strings.HasSuffix(s.ItemReader.Resource, getResource) || s.ItemReader.ReaderConfig.InputType != "JSON":
		return fmt.Errorf("only items in JSON in Amazon S3 are known")
	case s.ResultWriter == nil || !strings.HasSuffix(s.ResultWriter.Resource, putResource):
		return fmt.Errorf("only results in Amazon S3 are known")
	}
	return nil
}
