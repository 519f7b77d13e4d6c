// Package snapshot is the usage source for what another run of regsweep saw:
// it reads a snapshot that "regsweep usage -o json" wrote, from a file or from
// Amazon S3. That is how the uses of another account or cluster come into a run.
package snapshot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/regsweep/regsweep/internal/objects"
	"github.com/regsweep/regsweep/internal/usage"
)

// Config is the configuration of the source "snapshot".
type Config struct {
	// Path is a file, relative to the folder of the configuration, or
	// s3://bucket/key.
	Path string `yaml:"path"`
	// MaxAge is how old the snapshot may be; an older one is a gap. Zero means
	// any age.
	MaxAge time.Duration `yaml:"maxAge"`
}

var _ usage.Config = Config{}

// maxSkew is how far the clock of the other machine may be ahead.
const maxSkew = 5 * time.Minute

// Open returns the source. It reads nothing.
func (c Config) Open(name string, env usage.Env) ([]usage.Source, error) {
	if c.MaxAge < 0 {
		return nil, fmt.Errorf("maxAge: %s is less than zero", c.MaxAge)
	}
	if c.Path == "" {
		return nil, errors.New("path: it is missing")
	}
	o, err := objects.Open(c.Path, objects.Env{AWS: env.AWS, Dir: env.Dir})
	if err != nil {
		return nil, fmt.Errorf("path: %w", err)
	}
	return []usage.Source{&source{name: name, object: o, maxAge: c.MaxAge, now: env.Now}}, nil
}

type source struct {
	name   string
	object *objects.Object
	maxAge time.Duration
	now    func() time.Time
}

// AgeError says that a snapshot is too old, or of the future, so that nothing
// is known of what is in use now.
type AgeError struct {
	CreatedAt   time.Time
	Age, MaxAge time.Duration
}

func (e *AgeError) Error() string {
	created := e.CreatedAt.UTC().Format(time.RFC3339)
	if e.Age < 0 {
		return fmt.Sprintf("it was created at %s, which is still to come", created)
	}
	return fmt.Sprintf("it was created at %s, %s ago, and maxAge is %s", created, e.Age.Round(time.Second), e.MaxAge)
}

// Name implements usage.Source.
func (s *source) Name() string { return s.name }

// Collect reads the snapshot. Holders stay as they are written in it. A
// snapshot that cannot be read completely gives nothing but an error; one that
// is too old (*AgeError) or has gaps itself gives an error beside its uses.
func (s *source) Collect(ctx context.Context) (usage.Findings, error) {
	snapshot, err := s.read(ctx)
	if err != nil {
		return usage.Findings{}, fmt.Errorf("read the usage snapshot: %w", err)
	}
	findings, err := snapshot.Findings()
	if err := errors.Join(s.checkAge(snapshot.CreatedAt), err); err != nil {
		return findings, fmt.Errorf("the usage snapshot %s: %w", s.object, err)
	}
	return findings, nil
}

func (s *source) read(ctx context.Context) (*usage.Snapshot, error) {
	r, err := s.object.Read(ctx)
	if err != nil {
		return nil, err // which names the path
	}
	defer func() {
		// Closing a file that was only read loses nothing.
		_ = r.Close()
	}()
	snapshot, err := usage.Decode(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.object, err)
	}
	return snapshot, nil
}

func (s *source) checkAge(created time.Time) error {
	if s.maxAge == 0 {
		return nil
	}
	age := s.now().Sub(created)
	if age > s.maxAge || age < -maxSkew {
		return &AgeError{CreatedAt: created, Age: age, MaxAge: s.maxAge}
	}
	return nil
}
