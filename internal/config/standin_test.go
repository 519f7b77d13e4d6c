package config_test

import (
	"context"
	"time"

	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/registry"
	"github.com/regsweep/regsweep/internal/usage"
)

type noSource struct{}

func (noSource) Open(string, usage.Env) ([]usage.Source, error) { return nil, nil }

type noRegistry struct{}

func (noRegistry) OpenReader(context.Context, string, config.RegistryEnv) (registry.Reader, error) {
	return nil, nil
}
func (noRegistry) OpenWriter(context.Context, string, config.RegistryEnv) (registry.Writer, error) {
	return nil, nil
}

type ecr struct {
	noRegistry
	Region     string   `yaml:"region"`
	Account    string   `yaml:"account"`
	AssumeRole string   `yaml:"assumeRole"`
	Hosts      []string `yaml:"hosts"`
}
type kubernetes struct {
	noSource
	Contexts        []string `yaml:"contexts"`
	Kubeconfig      string   `yaml:"kubeconfig"`
	Namespaces      []string `yaml:"namespaces"`
	Helm            bool     `yaml:"helm"`
	CustomResources bool     `yaml:"customResources"`
}
type ecs struct {
	noSource
	Regions    []string `yaml:"regions"`
	AssumeRole string   `yaml:"assumeRole"`
	Revisions  int      `yaml:"revisions"`
}
type lambda struct {
	noSource
	Regions    []string `yaml:"regions"`
	AssumeRole string   `yaml:"assumeRole"`
	Versions   string   `yaml:"versions"`
}
type apprunner struct {
	noSource
	Regions    []string `yaml:"regions"`
	AssumeRole string   `yaml:"assumeRole"`
}
type snapshot struct {
	noSource
	Path string `yaml:"path"`
}
type command struct {
	noSource
	Run     []string      `yaml:"run"`
	Timeout time.Duration `yaml:"timeout"`
}

func testKinds() config.Kinds {
	region := config.Setting{Pattern: `^[a-z]{2,}(-[a-z]+)+-[0-9]+$`, Want: "a region such as eu-west-1", Unique: true}
	role := config.Setting{Pattern: `^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$`, Want: "the ARN of a role such as arn:aws:iam::111122223333:role/regsweep"}
	account := config.Setting{Pattern: `^[0-9]{12}$`, Want: "an account id of 12 digits"}
	aws := map[string]config.Setting{"regions": region, "region": region, "assumeRole": role, "account": account}
	return config.Kinds{
		Registries: []config.RegistryKind{{Name: "ecr", New: func() config.RegistryConfig { return new(ecr) }, Doc: "Stand-in.", Settings: aws}},
		Sources: []config.SourceKind{
			{Name: "kubernetes", New: func() config.SourceConfig { return new(kubernetes) }},
			{Name: "ecs", New: func() config.SourceConfig { return &ecs{Revisions: 5} }, Doc: "Stand-in.", Settings: aws},
			{Name: "lambda", New: func() config.SourceConfig { return new(lambda) }, Doc: "Stand-in.", Settings: aws},
			{Name: "appRunner", New: func() config.SourceConfig { return new(apprunner) }, Doc: "Stand-in.", Settings: aws},
			{Name: "snapshot", New: func() config.SourceConfig { return new(snapshot) }},
			{Name: "command", New: func() config.SourceConfig { return new(command) }},
		},
		LaterSources:    []string{"batch", "sageMaker", "codeBuild"},
		LaterRegistries: []string{"oci"},
	}
}
