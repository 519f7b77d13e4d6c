// Package clusters tests the examples that run in a Kubernetes cluster: their
// manifests are applied to a real API server, and the real command runs as they
// say, with the rights they give, against an embedded AWS account.
package clusters
