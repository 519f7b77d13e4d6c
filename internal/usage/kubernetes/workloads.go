package kubernetes

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/regsweep/regsweep/internal/image"
)

// workload is one kind of object that names images.
type workload struct {
	group, version, resource, kind string
	// optional kinds are read where discovery finds them, in the version that
	// the server prefers. The others must exist.
	optional bool
	// wanted says for which configurations the kind is read; nil is all.
	wanted func(Config) bool
	// selector is a field selector that the server applies.
	selector string
	// page is the number of objects in one page; 0 is pageSize.
	page int
	// read returns what an object names. With an error it still returns what it
	// could read.
	read func(*object) (reading, error)
	// revision, where set, says that an object is one revision of its owner:
	// the owner's newest is declared and older ones are rollback.
	revision func(*object) int64
}

// reading is what one object says.
type reading struct {
	state  image.State
	images []pull
	// name replaces the object's own name in the holder; "" keeps it.
	name string
}

// workloads is every kind that is read. A new kind is one more row.
func workloads() []workload {
	return []workload{
		{version: "v1", resource: "pods", kind: "Pod", read: readPod},
		{version: "v1", resource: "replicationcontrollers", kind: "ReplicationController", read: readTemplate},
		{version: "v1", resource: "podtemplates", kind: "PodTemplate", read: readPodTemplate},
		{group: "apps", version: "v1", resource: "deployments", kind: "Deployment", read: readTemplate},
		{group: "apps", version: "v1", resource: "statefulsets", kind: "StatefulSet", read: readTemplate},
		{group: "apps", version: "v1", resource: "daemonsets", kind: "DaemonSet", read: readTemplate},
		{group: "apps", version: "v1", resource: "replicasets", kind: "ReplicaSet", read: readTemplate, revision: replicaSetRevision},
		{group: "apps", version: "v1", resource: "controllerrevisions", kind: "ControllerRevision", read: readControllerRevision,
			revision: func(o *object) int64 { return o.Revision }},
		{group: "batch", version: "v1", resource: "jobs", kind: "Job", read: readTemplate},
		{group: "batch", version: "v1", resource: "cronjobs", kind: "CronJob", read: readJobTemplate},
		{group: "argoproj.io", version: "v1alpha1", resource: "rollouts", kind: "Rollout", read: readRollout, optional: true},
		// A release can be a megabyte, so pages are small.
		{version: "v1", resource: "secrets", kind: helmKind, read: readHelmSecret, page: 20,
			selector: "type=helm.sh/release.v1", wanted: func(c Config) bool { return c.Helm }},
	}
}

// applies tells whether the configuration asks for the kind.
func (w *workload) applies(c Config) bool { return w.wanted == nil || w.wanted(c) }

func readPod(o *object) (reading, error) {
	r := reading{state: image.Running, images: o.podImages()}
	if o.Status.Phase == "Succeeded" || o.Status.Phase == "Failed" {
		r.state = image.Declared
	}
	return r, nil
}

func readTemplate(o *object) (reading, error) { return declared(o.Spec.Template, "spec.template") }

func readPodTemplate(o *object) (reading, error) { return declared(o.Template, "template") }

func readJobTemplate(o *object) (reading, error) {
	const path = "spec.jobTemplate.spec.template"
	if o.Spec.JobTemplate == nil {
		return declared(nil, path)
	}
	return declared(o.Spec.JobTemplate.Spec.Template, path)
}

func declared(t *podTemplate, path string) (reading, error) {
	if t == nil {
		return reading{}, fmt.Errorf("there is no %s", path)
	}
	return reading{state: image.Declared, images: t.Spec.images()}, nil
}

// readControllerRevision reads the template that a StatefulSet or DaemonSet
// stores. Other controllers store other things: those are searched for
// references.
func readControllerRevision(o *object) (reading, error) {
	if len(o.Data) == 0 {
		return reading{}, nil
	}
	var data struct {
		Spec struct {
			Template *podTemplate `json:"template"`
		} `json:"spec"`
	}
	// The form is the controller's own, so one that does not fit is no error:
	// it is searched instead.
	if err := json.Unmarshal(o.Data, &data); err == nil && data.Spec.Template != nil {
		if r, err := declared(data.Spec.Template, ""); err == nil && len(r.images) > 0 {
			return r, nil
		}
	}
	found, err := sweepJSON(o.Data)
	return reading{state: image.Declared, images: found}, err
}

// readRollout reads an Argo Rollout. One that refers to a workload instead of
// having a template is covered by that workload, if its kind is in the table.
func readRollout(o *object) (reading, error) {
	if ref := o.Spec.WorkloadRef; ref != nil && ref.Kind != "" && !inTable(ref.Kind) {
		return reading{}, fmt.Errorf("workloadRef names the %s %s, a kind that is not read", ref.Kind, ref.Name)
	}
	if o.Spec.Template == nil {
		return reading{}, nil
	}
	return declared(o.Spec.Template, "")
}

func inTable(kind string) bool {
	return slices.ContainsFunc(workloads(), func(w workload) bool { return w.kind == kind })
}

// workloadOf returns the row for a document of a manifest, or nil. Built-in
// kinds have moved between groups (extensions, apps), so their group does not
// matter.
func workloadOf(apiVersion, kind string) *workload {
	group := groupOf(apiVersion)
	for _, w := range workloads() {
		if w.kind == kind && w.kind != helmKind && (w.group == group || builtIn(w.group) && builtIn(group)) {
			return &w
		}
	}
	return nil
}

// groupOf returns the API group of an apiVersion, "" for the core group.
func groupOf(apiVersion string) string {
	group, _, ok := strings.Cut(apiVersion, "/")
	if !ok {
		return ""
	}
	return group
}

// describe names an object in an error.
func describe(kind string, m *metadata, err error) error {
	name := m.Name
	if m.Namespace != "" {
		name = m.Namespace + "/" + name
	}
	return fmt.Errorf("read %s %s: %w", kind, name, err)
}

// typeMismatch tells whether decoding met a field of an unexpected type. The
// rest of the object has been decoded then.
func typeMismatch(err error) bool {
	var mismatch *json.UnmarshalTypeError
	return errors.As(err, &mismatch)
}
