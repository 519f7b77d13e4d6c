// Package kubernetes is the usage source that reads what Kubernetes clusters
// run, declare and can roll back to.
//
// It lists each kind of the table in workloads.go once, in pages, and keeps
// only which object names which image and who owns what. Owners are resolved
// from that at the end, so there is no call for a single object.
//
// It uses client-go's REST client and none of its typed API packages. Even
// client-go's discovery package is left out: it links all of k8s.io/api, which
// takes a program from 10 to 26 MB (measured with client-go 0.36.3), and it
// ignores the caller's context. What is needed of it is in discovery.go.
//
// # Named namespaces
//
// With namespaces named in the configuration each kind is listed in each of
// them, so that a Role in each suffices. A named namespace that does not exist
// is an error: somebody expected images there. It is looked up (verb get) only
// where nothing at all was found in it. Cluster-scoped custom resources are
// outside the named namespaces and are not read then; a note says so.
//
// # Watching
//
// Watch tells what comes into use as soon as the API server does, by reflectors
// over a store that keeps nothing (watch.go, watchkind.go). It is made for what
// lives too short to be listed.
//
// # Errors
//
// Whatever cannot be read is an error beside what was found: a denied kind, a
// lost connection, an object of an unexpected form, a Helm payload that cannot
// be decoded, an API group that discovery cannot see. Only a cluster that
// cannot be reached or that refuses the credentials ends the reading early.
package kubernetes
