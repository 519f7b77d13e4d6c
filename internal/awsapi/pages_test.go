package awsapi

import (
	"context"
	"errors"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// script is a list whose pages and next tokens are given.
type script struct {
	pages [][]int
	next  []string // the token that each page names; "" names none
	fail  int      // the number of the page that fails, from 1
	calls int
}

var errScript = errors.New("refused")

func (s *script) fetch(_ context.Context, token *string) ([]int, *string, error) {
	at := 0
	if token != nil {
		n, err := strconv.Atoi(*token)
		if err != nil {
			return nil, nil, err
		}
		at = n
	}
	s.calls++
	if s.calls == s.fail {
		return nil, nil, errScript
	}
	return s.pages[at], &s.next[at], nil
}

func TestPages(t *testing.T) {
	for _, test := range []struct {
		name  string
		list  script
		want  []int
		calls int
		err   error
	}{
		{name: "one page", list: script{pages: [][]int{{1, 2}}, next: []string{""}}, want: []int{1, 2}, calls: 1},
		{name: "empty", list: script{pages: [][]int{{}}, next: []string{""}}, calls: 1},
		{name: "no list", list: script{pages: [][]int{nil}, next: []string{""}}, calls: 1, err: ErrNoList},
		{name: "a later page without a list", list: script{pages: [][]int{{1}, nil, {2}}, next: []string{"1", "2", ""}}, want: []int{1}, calls: 2, err: ErrNoList},
		{name: "three pages, one of them empty", list: script{pages: [][]int{{1}, {}, {2}}, next: []string{"1", "2", ""}}, want: []int{1, 2}, calls: 3},
		{name: "a page fails", list: script{pages: [][]int{{1}, {2}}, next: []string{"1", ""}, fail: 2}, want: []int{1}, calls: 2, err: errScript},
		{name: "the same token twice", list: script{pages: [][]int{{1}, {2}}, next: []string{"1", "1"}}, want: []int{1, 2}, calls: 2, err: ErrRepeatedToken},
		{name: "a circle of tokens", list: script{pages: [][]int{{0}, {1}, {2}}, next: []string{"1", "2", "1"}}, want: []int{0, 1, 2}, calls: 3, err: ErrRepeatedToken},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Pages(t.Context(), test.list.fetch)
			if !errors.Is(err, test.err) {
				t.Errorf("error %v, want %v", err, test.err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("items (-want +got):\n%s", diff)
			}
			if test.list.calls != test.calls {
				t.Errorf("%d calls, want %d", test.list.calls, test.calls)
			}
		})
	}
}

func TestPagesStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	got, err := Pages(ctx, func(context.Context, *string) ([]int, *string, error) {
		n++
		if n == 2 {
			cancel()
		}
		next := strconv.Itoa(n)
		return []int{n}, &next, nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	if diff := cmp.Diff([]int{1, 2}, got); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
}

func TestStreamStopsWhenTheReaderDoes(t *testing.T) {
	list := script{pages: [][]int{{1}, {2}}, next: []string{"1", ""}}
	for items, err := range Stream(t.Context(), list.fetch) {
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]int{1}, items); diff != "" {
			t.Errorf("items (-want +got):\n%s", diff)
		}
		break
	}
	if list.calls != 1 {
		t.Errorf("%d calls, want 1", list.calls)
	}
}
