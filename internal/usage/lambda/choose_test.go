package lambda

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestChooseListedTwice: a list that changes while it is read can have a version
// on two pages, which takes the place of no other one.
func TestChooseListedTwice(t *testing.T) {
	f := &function{name: "orders"}
	for _, n := range []int{1, 2, 3, 3, 2} {
		f.versions = append(f.versions, version{function: f, name: string(rune('0' + n)), number: n})
	}
	var got []string
	for _, v := range f.choose(2) {
		got = append(got, v.name)
	}
	if diff := cmp.Diff([]string{"3", "2"}, got); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
}
