// Package kubetest runs a real etcd and a real kube-apiserver for tests.
//
// There is no scheduler, no kubelet and no controller manager: objects are
// stored, defaulted, validated, authorised and listed as in any cluster, but
// nothing acts on them. A Deployment makes no ReplicaSet and a Pod never runs,
// so a test writes the ReplicaSets, Pods and statuses that it wants to see.
//
// # One server for a test package
//
// A server starts in about three seconds, so a package starts one and each
// test takes a namespace of its own:
//
//	var server *kubetest.Server
//
//	func TestMain(m *testing.M) {
//		s, stop, err := kubetest.Run(kubetest.Options{})
//		if err != nil {
//			fmt.Fprintln(os.Stderr, err)
//			os.Exit(1)
//		}
//		server = s
//		code := m.Run()
//		stop()
//		os.Exit(code)
//	}
//
//	func TestPods(t *testing.T) {
//		ns := server.Namespace(t)
//		server.Apply(t, ns, `
//	apiVersion: v1
//	kind: Pod
//	metadata: {name: web}
//	spec:
//	  containers: [{name: app, image: registry.example.com/web:1}]
//	status:
//	  phase: Running
//	  containerStatuses:
//	  - name: app
//	    image: registry.example.com/web:1
//	    imageID: registry.example.com/web@sha256:…
//	    ready: true
//	    restartCount: 0
//	`)
//		config, kubeconfig := server.ServiceAccountConfig(t, ns, "reader", []kubetest.Rule{
//			{Verbs: []string{"list"}, APIGroups: []string{""}, Resources: []string{"pods"}},
//		})
//		…
//	}
//
// What a test creates with Apply, Namespace and ServiceAccountConfig is gone
// when the test ends. Tests of one package may run in parallel, as long as
// those that list the whole cluster expect the objects of the others.
//
// # A server that a test may break
//
// A test that calls Kill takes a server of its own with Start, and so does one
// that wants an expired continue token (410), since that works only without
// the watch cache:
//
//	s := kubetest.Start(t, kubetest.Options{NoWatchCache: true})
//	… list the first page …
//	s.ExpireContinueTokens(t)
//	… the next page is answered with 410 Gone …
//
// To kill the server in mid-list, wrap the transport of the configuration
// (rest.Config.Wrap) and call Kill after the first response.
//
// # Binaries
//
// The two programs come from the folder that REGSWEEP_KUBE_BIN names, or else
// from scripts/kube-binaries, which builds them once (some minutes).
//
// # When a test is killed
//
// The kernel ends both programs with the test process (on Linux). Only their
// folder, kubetest-* of some 130 MB among the temporary files, stays.
//
// # Goroutine leak checks
//
// One goroutine for each program lives as long as the program. Give goleak the
// option IgnoreServer.
package kubetest
