package app_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/app"
	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/lifecycle"
	"github.com/regsweep/regsweep/internal/registry"
)

// putter notes what is put, and fails as it is told, by repository.
type putter struct {
	put  []string
	fail map[string]error
}

func (p *putter) PutLifecyclePolicy(_ context.Context, repository, policy string) error {
	if err := p.fail[repository]; err != nil {
		return err
	}
	p.put = append(p.put, repository+" "+policy)
	return nil
}

func TestPutLifecycle(t *testing.T) {
	report := &lifecycle.Report{Repositories: []lifecycle.RepositoryReport{
		{Registry: "prod", Name: "a", Text: "A"}, {Registry: "prod", Name: "b", Text: "B"}, {Registry: "prod", Name: "none"},
		{Registry: "prod", Name: "unread", Text: "U", Error: "denied"}, {Registry: "prod", Name: "c", Text: "C"},
	}}
	expired := &awsapi.CredentialsError{Err: errors.New("expired")}
	tests := []struct {
		name string
		fail map[string]error
		done []string
		err  string
	}{
		{"all", nil, []string{"prod/a", "prod/b", "prod/c"}, ""},
		{"one that fails does not end the others", map[string]error{"b": errors.New("refused")}, []string{"prod/a", "prod/c"}, "refused"},
		{"what concerns all ends it", map[string]error{"b": expired}, []string{"prod/a"}, "expired"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := &putter{fail: tt.fail}
			opened := 0
			done, err := new(app.App).PutLifecycle(t.Context(), report, func(context.Context, string) (registry.LifecycleWriter, error) {
				opened++
				return w, nil
			})
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
			if diff := cmp.Diff(tt.done, done); diff != "" || opened != 1 {
				t.Errorf("opened %d times (-want +got of what was put):\n%s", opened, diff)
			}
			if slices.Contains(w.put, "unread U") || slices.Contains(w.put, "none ") {
				t.Errorf("put %v", w.put)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	done, err := new(app.App).PutLifecycle(ctx, report, func(context.Context, string) (registry.LifecycleWriter, error) { return &putter{}, nil })
	if len(done) > 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v, %v", done, err)
	}
}
