package controller

import (
	"context"
	"strings"
	"time"

	"github.com/regsweep/regsweep/internal/kubeclient"
)

// EventType is how an Event is shown.
type EventType string

// The types that Kubernetes has.
const (
	Normal  EventType = "Normal"
	Warning EventType = "Warning"
)

// Events takes what happens.
type Events interface {
	// Record notes an event. reason is one word, message a text for people.
	Record(ctx context.Context, kind EventType, reason, message string) error
}

const (
	// eventTimeout bounds recording one.
	eventTimeout = 5 * time.Second
	// maxMessage is the most that the API takes as a message (ValidateEvent in
	// k8s.io/kubernetes/pkg/apis/core/validation).
	maxMessage = 1024
)

// event records an event. What goes wrong is logged, and is nothing more.
func (c *Controller) event(ctx context.Context, kind EventType, reason, message string) {
	if c.Events == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), eventTimeout)
	defer cancel()
	if err := c.Events.Record(ctx, kind, reason, message); err != nil {
		c.tellOnce("event not recorded", reason, err)
	}
}

// Object is what Events are about.
type Object struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace"`
	Name       string `json:"name"`
	// UID is optional.
	UID string `json:"uid,omitempty"`
}

// clusterEvents makes Events in a cluster.
type clusterEvents struct {
	client   *kubeclient.Client
	object   Object
	instance string
	now      func() time.Time
}

// NewEvents returns what makes Events about an object, in its namespace.
// instance names this process.
func NewEvents(client *kubeclient.Client, about Object, instance string, now func() time.Time) Events {
	return &clusterEvents{client, about, instance, now}
}

// Record implements Events.
func (e *clusterEvents) Record(ctx context.Context, kind EventType, reason, message string) error {
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage-len("…")], "") + "…"
	}
	now := e.now().UTC().Format(time.RFC3339)
	object := map[string]any{
		"apiVersion": "v1", "kind": "Event",
		"metadata":       map[string]any{"generateName": "regsweep-", "namespace": e.object.Namespace},
		"involvedObject": e.object, "type": kind, "reason": reason, "message": message,
		"firstTimestamp": now, "lastTimestamp": now, "count": 1,
		"source":             map[string]any{"component": "regsweep"},
		"reportingComponent": "regsweep", "reportingInstance": e.instance,
	}
	var answer struct{}
	return e.client.Create(ctx, kubeclient.Resource{Version: "v1", Name: "events", Namespace: e.object.Namespace}, object, &answer)
}
