package kubernetes

import (
	"encoding/json"
	"strconv"
)

// object is the part of an API object that matters here. It is the union of
// all kinds of the table, so that one decoder serves them all: a field that a
// kind does not have stays empty.
type object struct {
	Metadata metadata  `json:"metadata"`
	Spec     spec      `json:"spec"`
	Status   podStatus `json:"status"`
	// Template is the template of a PodTemplate.
	Template *podTemplate `json:"template"`
	// Data is the content of a ControllerRevision or a Secret.
	Data json.RawMessage `json:"data"`
	// Revision is the revision of a ControllerRevision.
	Revision int64 `json:"revision"`
}

type metadata struct {
	Namespace       string      `json:"namespace"`
	Name            string      `json:"name"`
	UID             string      `json:"uid"`
	Annotations     annotations `json:"annotations"`
	OwnerReferences []owner     `json:"ownerReferences"`
}

// annotations are the two that say which revision a ReplicaSet is.
type annotations struct {
	Deployment string `json:"deployment.kubernetes.io/revision"`
	Rollout    string `json:"rollout.argoproj.io/revision"`
}

type owner struct {
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	UID        string `json:"uid"`
	Controller bool   `json:"controller"`
}

// spec is the spec of any kind: podSpec of a Pod, Template of most others.
type spec struct {
	podSpec
	Template    *podTemplate `json:"template"`
	JobTemplate *struct {
		Spec struct {
			Template *podTemplate `json:"template"`
		} `json:"spec"`
	} `json:"jobTemplate"`
	WorkloadRef *struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	} `json:"workloadRef"`
}

type podTemplate struct {
	Spec podSpec `json:"spec"`
}

type podSpec struct {
	Containers          []container `json:"containers"`
	InitContainers      []container `json:"initContainers"`
	EphemeralContainers []container `json:"ephemeralContainers"`
	Volumes             []volume    `json:"volumes"`
}

type container struct {
	Name  string `json:"name"`
	Image string `json:"image"`
}

// volume is a volume; only one that is an image (OCI artifact) matters.
type volume struct {
	Name  string `json:"name"`
	Image *struct {
		Reference string `json:"reference"`
	} `json:"image"`
}

type podStatus struct {
	Phase                      string            `json:"phase"`
	ContainerStatuses          []containerStatus `json:"containerStatuses"`
	InitContainerStatuses      []containerStatus `json:"initContainerStatuses"`
	EphemeralContainerStatuses []containerStatus `json:"ephemeralContainerStatuses"`
}

type containerStatus struct {
	Name         string        `json:"name"`
	Image        string        `json:"image"`
	ImageID      string        `json:"imageID"`
	VolumeMounts []volumeMount `json:"volumeMounts"`
}

// volumeMount is a mounted volume as the kubelet reports it. ImageRef is what
// was pulled for an image volume (feature gate ImageVolumeWithDigest).
type volumeMount struct {
	Name         string `json:"name"`
	VolumeStatus struct {
		Image struct {
			ImageRef string `json:"imageRef"`
		} `json:"image"`
	} `json:"volumeStatus"`
}

// pull is one image that an object names: what was asked for and, where a node
// reports it, what was pulled.
type pull struct {
	asked, got string
}

// images returns what the spec of a pod or of a template names.
func (s *podSpec) images() []pull {
	var pulls []pull
	for _, list := range [][]container{s.Containers, s.InitContainers, s.EphemeralContainers} {
		for _, c := range list {
			pulls = append(pulls, pull{asked: c.Image})
		}
	}
	for _, v := range s.Volumes {
		if v.Image != nil {
			pulls = append(pulls, pull{asked: v.Image.Reference})
		}
	}
	return pulls
}

// podImages returns what a pod names and what its node reports, matched by the
// container's name, which is unique in a pod. A status without a container of
// that name is listed too: an unexpected one is no reason to leave it out.
func (o *object) podImages() []pull {
	var pulls []pull
	known := map[string]bool{}
	statuses := o.Status.all()
	for _, list := range [][]container{o.Spec.Containers, o.Spec.InitContainers, o.Spec.EphemeralContainers} {
		for _, c := range list {
			known[c.Name] = true
			p := pull{asked: c.Image}
			for _, s := range statuses {
				if s.Name == c.Name {
					p.got = s.ImageID
				}
			}
			pulls = append(pulls, p)
		}
	}
	for _, s := range statuses {
		if !known[s.Name] {
			pulls = append(pulls, pull{asked: s.Image, got: s.ImageID})
		}
	}
	for _, v := range o.Spec.Volumes {
		if v.Image == nil {
			continue
		}
		got := mounted(statuses, v.Name)
		if len(got) == 0 {
			got = []string{""}
		}
		for _, g := range got {
			pulls = append(pulls, pull{asked: v.Image.Reference, got: g})
		}
	}
	return pulls
}

func (s *podStatus) all() []containerStatus {
	all := make([]containerStatus, 0, len(s.ContainerStatuses)+len(s.InitContainerStatuses)+len(s.EphemeralContainerStatuses))
	all = append(all, s.ContainerStatuses...)
	all = append(all, s.InitContainerStatuses...)
	return append(all, s.EphemeralContainerStatuses...)
}

// mounted returns what containers report to have mounted for an image volume.
func mounted(statuses []containerStatus, volume string) []string {
	var refs []string
	for _, s := range statuses {
		for _, m := range s.VolumeMounts {
			if ref := m.VolumeStatus.Image.ImageRef; m.Name == volume && ref != "" {
				refs = append(refs, ref)
			}
		}
	}
	return refs
}

// controller returns the owner that manages the object: the controller, or else
// the first owner, or nil.
func (m *metadata) controller() *owner {
	for i := range m.OwnerReferences {
		if m.OwnerReferences[i].Controller {
			return &m.OwnerReferences[i]
		}
	}
	if len(m.OwnerReferences) > 0 {
		return &m.OwnerReferences[0]
	}
	return nil
}

// replicaSetRevision returns the revision that a Deployment or a Rollout gave a
// ReplicaSet, and 0 where there is none that can be read. It only tells which
// of them is the newest, which does not change what is protected.
func replicaSetRevision(o *object) int64 {
	for _, s := range []string{o.Metadata.Annotations.Deployment, o.Metadata.Annotations.Rollout} {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n
		}
	}
	return 0
}
