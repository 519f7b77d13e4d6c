// Package deploytest tests what deploys regsweep: the Helm chart, kustomize and
// plain manifests against a real API server, the CloudFormation template and the
// Terraform module, the container image, and the files of the release. The
// programs of test/deploy render and build them.
package deploytest
