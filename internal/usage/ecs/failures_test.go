package ecs

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"
)

// TestCheckFailures: an answer must speak of everything that was asked for.
func TestCheckFailures(t *testing.T) {
	failure := func(arn, reason string) types.Failure {
		return types.Failure{Arn: aws.String(arn), Reason: aws.String(reason)}
	}
	for _, test := range []struct {
		name      string
		described []string
		failures  []types.Failure
		want      string
	}{
		{name: "all described", described: []string{"a", "b", "c"}},
		{name: "one is gone", described: []string{"a", "c"}, failures: []types.Failure{failure("b", "MISSING")}},
		{
			name: "a failure of another name stands for one", described: []string{"a", "c"},
			failures: []types.Failure{failure("revision of b", "MISSING")},
		},
		{
			name: "another reason", described: []string{"a", "c"}, failures: []types.Failure{failure("b", "ACCESS_DENIED")},
			want: "describe of b: ECS answers ACCESS_DENIED",
		},
		{name: "one left out", described: []string{"a", "c"}, want: "describe of b: the answer of ECS leaves it out"},
		{
			name: "two left out and one failure", described: []string{"a"}, failures: []types.Failure{failure("other", "MISSING")},
			want: "describe of b: the answer of ECS leaves it out\ndescribe of c: the answer of ECS leaves it out",
		},
		{
			name: "nothing at all",
			want: "describe of a: the answer of ECS leaves it out\ndescribe of b: the answer of ECS leaves it out\ndescribe of c: the answer of ECS leaves it out",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var r reader
			r.checkFailures("describe", []string{"a", "b", "c"}, test.described, test.failures)
			_, err := r.record.Findings(t.Context())
			got := ""
			if err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseDefinition(t *testing.T) {
	const arn = "arn:aws:ecs:eu-west-1:111122223333:task-definition/"
	for _, test := range []struct {
		name, arn string
		want      definition
		err       bool
	}{
		{name: "usual", arn: arn + "web:12", want: definition{arn + "web:12", "web", 12}},
		{name: "no revision", arn: arn + "web", err: true},
		{name: "a revision that is no number", arn: arn + "web:x", err: true},
		{name: "no family", arn: arn + ":1", err: true},
		{name: "something else", arn: strings.Replace(arn, "task-definition", "task", 1) + "web:1", err: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseDefinition(test.arn)
			if (err != nil) != test.err {
				t.Fatalf("error %v, want one: %t", err, test.err)
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(definition{})); diff != "" {
				t.Errorf("definition (-want +got):\n%s", diff)
			}
		})
	}
}

// TestInsert: the newest n by number, whatever the order of the list is.
func TestInsert(t *testing.T) {
	var newest []definition
	// A list that changes while it is read can have a revision on two pages.
	for _, revision := range []int{3, 10, 1, 10, 9, 2, 11, 11, 9} {
		newest = insert(newest, definition{revision: revision}, 3)
	}
	var got []int
	for _, d := range newest {
		got = append(got, d.revision)
	}
	if diff := cmp.Diff([]int{11, 10, 9}, got); diff != "" {
		t.Errorf("revisions (-want +got):\n%s", diff)
	}
}
