// Package ecr reads and changes Amazon ECR registries.
package ecr

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/manifests"
	"github.com/regsweep/regsweep/internal/registry"
)

// Config names one ECR registry: an account's in a region.
type Config struct {
	// Region defaults to the caller's.
	Region string `yaml:"region"`
	// Account is the registry's account of 12 digits, and defaults to the
	// caller's. Another account than the caller's is reached by its repository
	// policies.
	Account string `yaml:"account"`
	// AssumeRole is the ARN of a role to call as.
	AssumeRole string `yaml:"assumeRole"`
	// Hosts are further host names by which images of this registry are known.
	Hosts []string `yaml:"hosts"`
}

// Env is what a registry needs of the run.
type Env struct {
	AWS *awsapi.Session
	// Now is the clock. It is required.
	Now func() time.Time
	// Manifests remembers what manifests say across repositories, registries and
	// runs; nil remembers nothing, so that every run reads every index again.
	Manifests *manifests.Store
}

// OpenReader opens the registry for reading. name is what the configuration
// calls it. AWS is asked for the caller's account where none is configured.
func (c Config) OpenReader(ctx context.Context, name string, env Env) (*Reader, error) {
	id, sdk, err := c.open(ctx, name, env)
	if err != nil {
		return nil, err
	}
	return newReader(id, sdk, env, func(ctx context.Context) bool {
		account, _, _, err := env.AWS.Identity(ctx, c.target())
		return err == nil && account == id.Account
	}), nil
}

// OpenWriter opens the registry for changes. name is what the configuration
// calls it. AWS is asked for the caller's account where none is configured.
func (c Config) OpenWriter(ctx context.Context, name string, env Env) (*Writer, error) {
	id, sdk, err := c.open(ctx, name, env)
	if err != nil {
		return nil, err
	}
	return newWriter(id, sdk, env), nil
}

// OpenTagger opens the registry for tags. name is what the configuration calls
// it. AWS is asked for the caller's account where none is configured.
func (c Config) OpenTagger(ctx context.Context, name string, env Env) (*Tagger, error) {
	id, sdk, err := c.open(ctx, name, env)
	if err != nil {
		return nil, err
	}
	return newTagger(id, sdk, env), nil
}

func (c Config) target() awsapi.Target {
	return awsapi.Target{Region: c.Region, AssumeRole: c.AssumeRole}
}

// open finds out which registry this is and how to call it.
func (c Config) open(ctx context.Context, name string, env Env) (registry.Identity, aws.Config, error) {
	fail := func(err error) (registry.Identity, aws.Config, error) {
		return registry.Identity{}, aws.Config{}, fmt.Errorf("open registry %s: %w", name, err)
	}
	sdk, err := env.AWS.Config(ctx, c.target())
	if err != nil {
		return fail(err)
	}
	account := c.Account
	if account == "" {
		if account, _, _, err = env.AWS.Identity(ctx, c.target()); err != nil {
			return fail(err)
		}
	}
	id := registry.Identity{Name: name, Host: host(account, sdk.Region), Account: account, Region: sdk.Region}
	if at, ok := image.ParseECRHost(id.Host); !ok || at.Account != account || at.Region != sdk.Region {
		return fail(fmt.Errorf("account %q and region %q are not those of an ECR registry: want 12 digits and a region such as eu-west-1", account, sdk.Region))
	}
	for _, alias := range c.Hosts {
		id.Aliases = append(id.Aliases, strings.ToLower(alias))
	}
	return id, sdk, nil
}

// suffixes are the DNS suffixes of the partitions that do not share that of the
// commercial one, by the prefix of their regions. They are those of the SDK's
// partition table (aws-sdk-go-v2, internal/endpoints/awsrulesfn).
var suffixes = []struct{ region, suffix string }{
	{"us-isob-", "sc2s.sgov.gov"},
	{"us-isof-", "csp.hci.ic.gov"},
	{"us-iso-", "c2s.ic.gov"},
	{"eu-isoe-", "cloud.adc-e.uk"},
	{"eusc-", "amazonaws.eu"},
	{"cn-", "amazonaws.com.cn"},
}

// host returns the registry's host name. FIPS and dual-stack names serve the
// same registry; image.ParseECRHost knows them.
func host(account, region string) string {
	suffix := "amazonaws.com"
	for _, s := range suffixes {
		if strings.HasPrefix(region, s.region) {
			suffix = s.suffix
			break
		}
	}
	return account + ".dkr.ecr." + region + "." + suffix
}
