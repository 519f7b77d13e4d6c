// Package kubeclient reads and writes single objects of a Kubernetes cluster:
// what belongs to regsweep itself, its Lease and its Events. Objects are plain
// JSON, so that the typed API packages of Kubernetes stay out of the binary
// (25 MiB; client-go's own leader election needs them).
package kubeclient

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// dialTimeout bounds connecting to an API server.
const dialTimeout = 5 * time.Second

// Client calls one API server. Its methods may be called by several goroutines
// at once.
type Client struct {
	rest *rest.RESTClient
	http *http.Client
	host string
}

// New returns a client and sends nothing. The error is that of a configuration
// that cannot be used, such as a certificate that is none.
func New(config *rest.Config) (*Client, error) {
	config = dynamic.ConfigFor(config) // plain JSON
	config.UserAgent = "regsweep"
	config.QPS, config.Burst = -1, -1
	config.WarningHandler = rest.NoWarnings{}
	config.Dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", config.Host, err)
	}
	client, err := rest.UnversionedRESTClientForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", config.Host, err)
	}
	return &Client{rest: client, http: httpClient, host: config.Host}, nil
}

// Close ends the connections that are idle.
func (c *Client) Close() { utilnet.CloseIdleConnectionsFor(c.http.Transport) }

// Resource is a kind of objects in a namespace.
type Resource struct {
	// Group is "" for the core group.
	Group, Version string
	// Name is the plural, such as "leases".
	Name      string
	Namespace string
}

// String writes the kind as kubectl does: "leases.coordination.k8s.io".
func (r Resource) String() string {
	if r.Group == "" {
		return r.Name
	}
	return r.Name + "." + r.Group
}

func (r Resource) path(name ...string) []string {
	path := []string{"apis", r.Group}
	if r.Group == "" {
		path = []string{"api"}
	}
	return append(append(path, r.Version, "namespaces", r.Namespace, r.Name), name...)
}

// AccessError means that the cluster does not allow a call.
type AccessError struct {
	// Verb, Resource and Namespace are what is not allowed: "update",
	// "leases.coordination.k8s.io".
	Verb, Resource, Namespace string
	Err                       error
}

// Error names the verb, the resource and the missing rule.
func (e *AccessError) Error() string {
	return fmt.Sprintf("%s %s in namespace %s: access denied: bind a Role with verb %[1]s on them (regsweep permissions rbac --lease prints it): %[4]v",
		e.Verb, e.Resource, e.Namespace, e.Err)
}

// Unwrap returns the server's answer.
func (e *AccessError) Unwrap() error { return e.Err }

// Get reads an object into a pointer. That there is none is an error that
// apierrors.IsNotFound knows.
func (c *Client) Get(ctx context.Context, r Resource, name string, into any) error {
	return c.do(ctx, "get", r, c.rest.Get().AbsPath(r.path(name)...), into)
}

// Create makes an object and reads the answer into a pointer. That there is one
// already is an error that apierrors.IsAlreadyExists knows.
func (c *Client) Create(ctx context.Context, r Resource, object, into any) error {
	return c.send(ctx, "create", r, c.rest.Post().AbsPath(r.path()...), object, into)
}

// Update replaces an object and reads the answer into a pointer. That it was
// changed meanwhile is an error that apierrors.IsConflict knows.
func (c *Client) Update(ctx context.Context, r Resource, name string, object, into any) error {
	return c.send(ctx, "update", r, c.rest.Put().AbsPath(r.path(name)...), object, into)
}

func (c *Client) send(ctx context.Context, verb string, r Resource, req *rest.Request, object, into any) error {
	body, err := json.Marshal(object)
	if err != nil {
		return fmt.Errorf("%s %s: %w", verb, r, err)
	}
	return c.do(ctx, verb, r, req.SetHeader("Content-Type", "application/json").Body(body), into)
}

func (c *Client) do(ctx context.Context, verb string, r Resource, req *rest.Request, into any) error {
	// client-go logs to stderr in a form of its own; what matters comes back as
	// errors.
	result := req.MaxRetries(0).Do(logr.NewContext(ctx, logr.Discard()))
	err := result.Error()
	var raw []byte
	if err == nil {
		if raw, err = result.Raw(); err == nil {
			err = json.Unmarshal(raw, into)
		}
	}
	switch {
	case err == nil:
		return nil
	case apierrors.IsForbidden(err):
		return &AccessError{Verb: verb, Resource: r.String(), Namespace: r.Namespace, Err: err}
	}
	return fmt.Errorf("%s %s in namespace %s of %s: %w", verb, r, r.Namespace, c.host, err)
}
