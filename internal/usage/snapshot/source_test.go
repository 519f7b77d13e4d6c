package snapshot

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/usage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var created = time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)

// text is a snapshot with one source of the given status.
func text(t testing.TB, status string) string {
	t.Helper()
	s := &usage.Snapshot{
		CreatedAt: created,
		Sources:   []usage.Status{{Name: "ecs", Uses: 1, Status: status, Detail: "a detail"}},
		Uses:      []image.Use{{Source: "ecs", State: image.Rollback, Reference: "images.example.com/web:1", Holder: "ecs/cluster/web"}},
	}
	var b strings.Builder
	if err := s.Encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var observed = []usage.Observation{{Holder: "ecs/cluster/web", State: image.Rollback, Asked: "images.example.com/web:1"}}

func write(t *testing.T, content string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "other.json"), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func collect(t *testing.T, c Config, dir string, now time.Time) (usage.Findings, error) {
	t.Helper()
	sources, err := c.Open("other", usage.Env{Dir: dir, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	if len(sources) != 1 || sources[0].Name() != "other" {
		t.Fatalf("got %v", sources)
	}
	return sources[0].Collect(t.Context())
}

func TestOpen(t *testing.T) {
	tests := []struct {
		name   string
		config Config
		want   string
	}{
		{"no path", Config{}, "path: it is missing"},
		{"negative age", Config{Path: "a", MaxAge: -time.Second}, "maxAge: -1s is less than zero"},
		{"a web address", Config{Path: "https://example.com/a.json"}, `path: "https://example.com/a.json" is neither`},
		{"a bucket without a key", Config{Path: "s3://bucket"}, `path: "s3://bucket" is not an S3 object`},
		{"a bucket with an empty key", Config{Path: "s3://bucket/"}, `path: "s3://bucket/" is not an S3 object`},
		{"a bucket in upper case", Config{Path: "s3://Bucket/a"}, `path: "s3://Bucket/a" is not an S3 object`},
		{"a bucket with a port", Config{Path: "s3://example.com:80/a"}, `path: "s3://example.com:80/a" is not an S3 object`},
		{"no bucket", Config{Path: "s3:///a"}, `path: "s3:///a" is not an S3 object`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.config.Open("other", usage.Env{})
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestCollect(t *testing.T) {
	dir := write(t, text(t, usage.StatusOK))
	for name, path := range map[string]string{"relative": "other.json", "absolute": filepath.Join(dir, "other.json")} {
		t.Run(name, func(t *testing.T) {
			from := dir
			if filepath.IsAbs(path) {
				from = t.TempDir()
			}
			got, err := collect(t, Config{Path: path}, from, created.AddDate(10, 0, 0))
			want := usage.Findings{Observations: observed, Notes: []string{"ecs: a detail"}}
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestMaxAge(t *testing.T) {
	dir := write(t, text(t, usage.StatusOK))
	tests := []struct {
		name string
		age  time.Duration
		want string
	}{
		{"fresh", time.Minute, ""},
		{"exactly as old as allowed", time.Hour, ""},
		{"too old", time.Hour + time.Second, "it was created at 2026-11-20T08:00:00Z, 1h0m1s ago, and maxAge is 1h0m0s"},
		{"clock a little ahead", -5 * time.Minute, ""},
		{"of the future", -5*time.Minute - time.Second, "it was created at 2026-11-20T08:00:00Z, which is still to come"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := collect(t, Config{Path: "other.json", MaxAge: time.Hour}, dir, created.Add(tt.age))
			if diff := cmp.Diff(observed, got.Observations); diff != "" {
				t.Errorf("the uses protect at any age (-want +got):\n%s", diff)
			}
			if tt.want == "" {
				if err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			if _, ok := errors.AsType[*AgeError](err); !ok || !strings.HasSuffix(err.Error(), tt.want) || !strings.Contains(err.Error(), "other.json") {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestAGapWithinIsAGap(t *testing.T) {
	got, err := collect(t, Config{Path: "other.json", MaxAge: time.Hour}, write(t, text(t, usage.StatusGap)), created.Add(2*time.Hour))
	if err == nil || !strings.Contains(err.Error(), "its source ecs is a gap: a detail") || !strings.Contains(err.Error(), "maxAge is 1h") {
		t.Errorf("got %v, want the gap and the age", err)
	}
	if diff := cmp.Diff(observed, got.Observations); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	t.Run("missing", func(t *testing.T) {
		_, err := collect(t, Config{Path: "other.json"}, t.TempDir(), created)
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "other.json") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a folder", func(t *testing.T) {
		dir := t.TempDir()
		_, err := collect(t, Config{Path: "."}, dir, created)
		if err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("got %v", err)
		}
	})
	whole := text(t, usage.StatusOK)
	for name, content := range map[string]string{"empty": "", "truncated": whole[:len(whole)-10], "no snapshot": "nginx:1\n"} {
		t.Run(name, func(t *testing.T) {
			got, err := collect(t, Config{Path: "other.json"}, write(t, content), created)
			if _, ok := errors.AsType[*usage.FormatError](err); !ok || !strings.Contains(err.Error(), "other.json") || got.Observations != nil {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

// A snapshot of a snapshot keeps the holders and grows by the source's name.
func TestHoldersKeepTheirText(t *testing.T) {
	c := Config{Path: "other.json"}
	sources, err := c.Open("account-b", usage.Env{Dir: write(t, text(t, usage.StatusOK))})
	if err != nil {
		t.Fatal(err)
	}
	result, err := usage.Collect(t.Context(), []usage.Entry{{Source: sources[0]}}, usage.Options{Now: func() time.Time { return created }})
	if err != nil {
		t.Fatal(err)
	}
	want := []image.Use{{Source: "account-b", State: image.Rollback, Reference: "images.example.com/web:1", Holder: "account-b/ecs/cluster/web"}}
	if diff := cmp.Diff(want, result.Snapshot.Uses); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
