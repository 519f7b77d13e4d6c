// Package kinds lists the kinds of registries and usage sources. A new kind is
// a package of its own and a line here.
package kinds

import (
	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/usage/apprunner"
	"github.com/regsweep/regsweep/internal/usage/command"
	"github.com/regsweep/regsweep/internal/usage/ecs"
	"github.com/regsweep/regsweep/internal/usage/kubernetes"
	"github.com/regsweep/regsweep/internal/usage/lambda"
	"github.com/regsweep/regsweep/internal/usage/snapshot"
)

// All returns every kind.
func All() config.Kinds {
	return config.Kinds{
		Sources: []config.SourceKind{
			{Name: "kubernetes", Doc: "Clusters: pods, what creates them, and what they can be rolled back to.", New: newSource[kubernetes.Config], Settings: kubernetesSettings()},
			{Name: "ecs", Doc: "Amazon ECS: tasks, services with their deployments, and task definitions.", New: newSource[ecs.Config], Settings: ecsSettings()},
			{Name: "lambda", Doc: "AWS Lambda functions that are container images.", New: newSource[lambda.Config], Settings: lambdaSettings()},
			{Name: "appRunner", Doc: "AWS App Runner services.", New: newSource[apprunner.Config], Settings: awsSettings()},
			{Name: "snapshot", Doc: "What another run of regsweep saw: the output of regsweep usage -o json.", New: newSource[snapshot.Config], Settings: snapshotSettings()},
			{Name: "command", Doc: "A program that prints the references in use, one a line, or a snapshot.", New: newSource[command.Config], Settings: commandSettings()},
		},
		Registries: []config.RegistryKind{
			{Name: "ecr", Doc: "Amazon ECR: the private registry of an account in a region.", New: func() config.RegistryConfig { return new(ecrConfig) }, Settings: ecrSettings()},
		},
		LaterSources:    []string{"batch", "sageMaker", "codeBuild"},
		LaterRegistries: []string{"oci"},
	}
}

// newSource returns a pointer to a new configuration of the type C.
func newSource[C any, P interface {
	*C
	config.SourceConfig
}]() config.SourceConfig {
	return P(new(C))
}
