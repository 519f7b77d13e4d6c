package planfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
)

// A list is the JSON of its values, whatever is stored between its segments.
func TestPutList(t *testing.T) {
	for _, n := range []int{0, 1, 2, 10_000} {
		s := NewStore()
		t.Cleanup(func() { _ = s.Close() })
		values := []any{}
		for i := range n {
			values = append(values, map[string]any{"a<b": fmt.Sprint(i), "n": i})
		}
		d, err := s.PutList(func(yield func(any) bool) {
			for i, v := range values {
				if i%1000 == 0 {
					if _, err := s.PutList(slices.Values([]any{"between"})); err != nil {
						t.Error(err)
					}
				}
				if !yield(v) {
					return
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(values)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := d.MarshalJSON(); err != nil || string(got) != string(want) {
			t.Errorf("%d values: %.100s, %v; want %.100s", n, got, err, want)
		}
	}
	s := NewStore()
	var storing *storeError
	if _, err := s.PutList(slices.Values([]any{func() {}})); !errors.As(err, &storing) {
		t.Errorf("what has no JSON: %v", err)
	}
}
