package lease

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/regsweep/regsweep/internal/kubeclient"
)

// microTime is how a Lease writes times (MicroTime of the Kubernetes API).
const microTime = "2006-01-02T15:04:05.000000Z07:00"

// Record is a Lease object of coordination.k8s.io.
type Record struct {
	// Holder is who has it, "" for nobody.
	Holder string
	// Duration is how long it holds after Renewed.
	Duration time.Duration
	// Acquired and Renewed are by the holder's clock.
	Acquired, Renewed time.Time
	// Transitions is how often the holder changed.
	Transitions int
	// Version changes with every write, and a write of an older one is refused.
	Version string

	// metadata is what else the object has: labels of whoever made it.
	metadata map[string]any
}

// Store is where one Lease is kept. Its errors are those of the API: not found,
// conflict and already exists, as k8s.io/apimachinery knows them.
type Store interface {
	// Get reads the Lease.
	Get(ctx context.Context) (*Record, error)
	// Create makes it, and Update replaces the version that r was read in. Both
	// return it as it is then.
	Create(ctx context.Context, r *Record) (*Record, error)
	Update(ctx context.Context, r *Record) (*Record, error)
}

// object is the JSON form of a Lease.
type object struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Metadata   map[string]any `json:"metadata"`
	Spec       spec           `json:"spec"`
}

type spec struct {
	Holder      string `json:"holderIdentity,omitempty"`
	Seconds     int    `json:"leaseDurationSeconds,omitempty"`
	Acquired    string `json:"acquireTime,omitempty"`
	Renewed     string `json:"renewTime,omitempty"`
	Transitions int    `json:"leaseTransitions,omitempty"`
}

// clusterStore keeps a Lease in a cluster.
type clusterStore struct {
	client   *kubeclient.Client
	resource kubeclient.Resource
	name     string
}

// InCluster returns the Lease of this name in a namespace of a cluster.
func InCluster(client *kubeclient.Client, namespace, name string) Store {
	return &clusterStore{client, kubeclient.Resource{
		Group: "coordination.k8s.io", Version: "v1", Name: "leases", Namespace: namespace,
	}, name}
}

// Get implements Store.
func (s *clusterStore) Get(ctx context.Context) (*Record, error) {
	var o object
	if err := s.client.Get(ctx, s.resource, s.name, &o); err != nil {
		return nil, err
	}
	return o.record()
}

// Create implements Store.
func (s *clusterStore) Create(ctx context.Context, r *Record) (*Record, error) {
	var o object
	if err := s.client.Create(ctx, s.resource, s.object(r), &o); err != nil {
		return nil, err
	}
	return o.record()
}

// Update implements Store.
func (s *clusterStore) Update(ctx context.Context, r *Record) (*Record, error) {
	var o object
	if err := s.client.Update(ctx, s.resource, s.name, s.object(r), &o); err != nil {
		return nil, err
	}
	return o.record()
}

func (s *clusterStore) object(r *Record) object {
	o := object{APIVersion: "coordination.k8s.io/v1", Kind: "Lease", Metadata: r.metadata, Spec: spec{
		Holder: r.Holder, Seconds: int(r.Duration / time.Second), Transitions: r.Transitions,
		Acquired: r.Acquired.UTC().Format(microTime), Renewed: r.Renewed.UTC().Format(microTime),
	}}
	if o.Metadata == nil {
		o.Metadata = map[string]any{"name": s.name, "namespace": s.resource.Namespace}
	}
	if r.Version != "" {
		o.Metadata["resourceVersion"] = r.Version
	}
	return o
}

func (o *object) record() (*Record, error) {
	r := &Record{
		Holder: o.Spec.Holder, Duration: time.Duration(o.Spec.Seconds) * time.Second, Transitions: o.Spec.Transitions,
		metadata: o.Metadata,
	}
	r.Version, _ = o.Metadata["resourceVersion"].(string)
	for _, field := range []struct {
		text string
		into *time.Time
	}{{o.Spec.Acquired, &r.Acquired}, {o.Spec.Renewed, &r.Renewed}} {
		if field.text == "" {
			continue
		}
		t, err := time.Parse(time.RFC3339Nano, field.text)
		if err != nil {
			text, _ := json.Marshal(field.text)
			return nil, fmt.Errorf("read the Lease: %s is no time", text)
		}
		*field.into = t
	}
	return r, nil
}
