// Package config reads regsweep.yaml. It is strict: whatever it does not know
// is a mistake, and all mistakes are reported at once with their positions.
package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/regsweep/regsweep/internal/config/strict"
	"github.com/regsweep/regsweep/internal/policy"
)

// Config is a configuration: what the file says, with ${env:…} replaced and
// the defaults filled in.
type Config struct {
	// Dir is the folder of the file, which relative paths in it start from.
	Dir string `yaml:"-"`
	// Compiled is Policy, ready for use.
	Compiled *policy.Policy `yaml:"-"`

	Version    int        `yaml:"version"`
	Registries []Registry `yaml:"registries"`
	Usage      Usage      `yaml:"usage"`
	// Policy is what is kept. Its Tag and Grace repeat those below, which are
	// the ones that the file sets.
	Policy policy.Spec `yaml:",inline"`
	// Grace is how long an image is marked before it is deleted; zero is not.
	Grace      time.Duration `yaml:"grace"`
	Tag        Tag           `yaml:"tag"`
	Price      Price         `yaml:"price"`
	Mode       Mode          `yaml:"mode"`
	Controller Controller    `yaml:"controller"`
	Notify     []Notify      `yaml:"notify"`
}

// Registry is one registry to clean.
type Registry struct {
	// Name is unique; it defaults to the kind.
	Name string
	// Kind is the name of its kind, "ecr".
	Kind string
	// Config is what the file says under the kind.
	Config RegistryConfig
}

// Usage says where images can be in use.
type Usage struct {
	// None says that the user declares that nothing is in use (usage: none).
	// Without it and without Sources nothing may be deleted.
	None    bool
	Sources []Source
}

// Source is one usage source.
type Source struct {
	// Name is unique; it defaults to the kind.
	Name string
	// Kind is the name of its kind, such as "kubernetes".
	Kind string
	// Config is what the file says under the kind.
	Config SourceConfig
	// Covers are globs of the repositories that are in doubt when the source
	// fails; none means all.
	Covers []string
	// AtLeast is how many uses the source must return to be believed; 0 means
	// any number.
	AtLeast int
}

// Tag is how `regsweep tag` marks images in use: with Prefix, then a time, or
// with Name, one image of a repository at a time.
type Tag struct {
	Prefix string `yaml:"prefix"`
	Name   string `yaml:"name"`
	// Refresh is how old a mark gets before it is written again.
	Refresh time.Duration `yaml:"refresh"`
	// KeepPerImage is how many marks of one image stay.
	KeepPerImage int `yaml:"keepPerImage"`
}

// Price is what storage costs.
type Price struct {
	// PerGBMonth is the price of 10^9 bytes for a month.
	PerGBMonth float64 `yaml:"perGBMonth"`
	// Currency is an ISO 4217 code.
	Currency string `yaml:"currency"`
}

// Mode is what the controller and the Lambda function may do.
type Mode string

// The modes.
const (
	ModePlan  Mode = "plan"
	ModeApply Mode = "apply"
)

// Controller is when and how the controller runs.
type Controller struct {
	// Interval is the time between runs; Schedule is the alternative.
	Interval time.Duration `yaml:"interval"`
	// Schedule is a cron expression of five fields, in TimeZone (UTC if empty).
	Schedule string `yaml:"schedule"`
	TimeZone string `yaml:"timeZone"`
	Page     Page   `yaml:"page"`
}

// Page is the controller's web page.
type Page struct {
	// Address is host:port to listen on; the host may be empty.
	Address string `yaml:"address"`
}

// Notify is one receiver of reports: a webhook or a topic.
type Notify struct {
	Webhook Webhook `yaml:"webhook"`
	SNS     SNS     `yaml:"sns"`
}

// SNS is a topic of Amazon SNS that reports are published to.
type SNS struct {
	TopicARN string `yaml:"topicArn"`
}

// Webhook receives reports by HTTP POST.
type Webhook struct {
	URL string `yaml:"url"`
}

// Errors are all mistakes of a configuration, sorted by position.
type Errors = strict.Errors

// Mistake is one of Errors.
type Mistake = strict.Mistake

// maxSize is one byte more than the largest file that Parse takes, so that it
// sees that there is more.
const maxSize = 1<<20 + 1

// Load reads the configuration at path. A file that cannot be read is an
// ordinary error, which wraps that of the os package; what is wrong in it is
// Errors.
func Load(path string, lookupEnv func(name string) (string, bool), kinds Kinds) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSize))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	cfg, err := Parse(path, data, lookupEnv, kinds)
	if err != nil {
		return nil, err
	}
	cfg.Dir = filepath.Dir(path)
	return cfg, nil
}

// Parse reads a configuration. name is what messages call the file. The error
// is always Errors.
func Parse(name string, data []byte, lookupEnv func(name string) (string, bool), kinds Kinds) (*Config, error) {
	cfg := defaults()
	doc := strict.Decode(name, data, cfg, options(lookupEnv, kinds))
	if !doc.Readable() {
		return nil, doc.Err()
	}
	check(doc, cfg)
	if err := doc.Err(); err != nil {
		return nil, err
	}
	return cfg, nil
}

// defaults returns what holds where the file says nothing.
func defaults() *Config {
	return &Config{
		Policy: policy.Spec{Limits: policy.Limits{MaxDeletes: 10_000, MaxShare: 1, MinRemaining: 1}},
		Tag:    Tag{Refresh: 24 * time.Hour, KeepPerImage: 1},
		// The list price of ECR storage in most regions.
		Price: Price{PerGBMonth: 0.10, Currency: "USD"},
		Mode:  ModePlan,
	}
}
