// Package embedded is an AWS account that lives in this process: a real HTTP
// server that speaks the AWS wire protocols (JSON 1.0 and 1.1, REST-JSON,
// REST-XML and Query) for the services that regsweep calls. The demo, the tests, the
// benchmarks and the fault injection all run against it, through the same SDK
// code that talks to AWS.
//
// A Server holds accounts, an Account holds regions, and a Region holds the
// state of each service:
//
//	srv := embedded.New(embedded.Options{Clock: time.Now})
//	region := srv.Account("111122223333").Region("eu-west-1")
//	repo, err := region.CreateRepository("apps/web", embedded.RepositoryOptions{})
//
// Serve it with any http.Server or httptest.NewServer, or hand Server.Client
// to the SDK to leave out the network altogether (which also works inside a
// testing/synctest bubble).
//
// Requests need no valid signature. The access key id and the region are read
// from the credential scope of the Authorization header, and say who calls and
// where. What is signed for s3 goes to Amazon S3.
//
// # Adding a service
//
// A service is one value of type service (see service.go): its names, its
// protocol and a table from operation name to handler. It is plugged in by one
// line in the function services, and keeps its state in one field of Region.
// A handler is written as
//
//	func (c *Call, in *listThingsInput) (any, error)
//
// and put in the table with handle(listThings), or with inRepository where it is
// about one repository of ECR and takes that too. It returns a struct with JSON
// tags (times as epoch), or an *Error. Everything that is common to all calls
// (latency, rate limits, faults, records, policies, expired keys) has
// been done before it is called.
package embedded
