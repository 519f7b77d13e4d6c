package kubernetes

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/regsweep/regsweep/internal/image"
)

const (
	// helmKind stands for a release in holders: "shop/HelmRelease/web".
	helmKind = "HelmRelease"
	// maxRelease bounds a decompressed release in bytes. A Secret holds at most
	// 1 MiB, and the YAML in it rarely packs better than one to twenty.
	maxRelease = 32 << 20
	// maxListDepth bounds Lists within Lists in a manifest.
	maxListDepth = 8
)

// errReleaseTooLarge is returned for a release beyond maxRelease.
var errReleaseTooLarge = fmt.Errorf("the release is larger than %d MiB", maxRelease>>20)

// release is the part of a Helm release that is needed.
// (https://github.com/helm/helm/blob/v3.19.0/pkg/release/release.go)
type release struct {
	Name string `json:"name"`
	Info struct {
		Status string `json:"status"`
	} `json:"info"`
	Manifest string `json:"manifest"`
	Hooks    []struct {
		Path     string `json:"path"`
		Manifest string `json:"manifest"`
	} `json:"hooks"`
}

// readHelmSecret reads one revision of a release. The deployed one is declared;
// every other revision is something that `helm rollback` can return to.
func readHelmSecret(o *object) (reading, error) {
	var data struct {
		Release []byte `json:"release"`
	}
	if err := json.Unmarshal(o.Data, &data); err != nil {
		return reading{}, fmt.Errorf("read data.release: %w", err)
	}
	rel, err := decodeRelease(data.Release)
	if err != nil {
		return reading{}, err
	}
	r := reading{state: image.Rollback, name: rel.Name}
	if rel.Info.Status == "deployed" {
		r.state = image.Declared
	}
	r.images, err = rel.images()
	return r, err
}

// decodeRelease undoes what Helm does to a release before storing it: JSON,
// gzip (not by very old versions), base64.
func decodeRelease(stored []byte) (*release, error) {
	if len(stored) == 0 {
		return nil, errors.New("data.release is empty")
	}
	packed, err := base64.StdEncoding.AppendDecode(nil, stored)
	if err != nil {
		return nil, fmt.Errorf("decode release: %w", err)
	}
	var content io.Reader = bytes.NewReader(packed)
	if bytes.HasPrefix(packed, []byte{0x1f, 0x8b}) {
		if content, err = gzip.NewReader(content); err != nil {
			return nil, fmt.Errorf("unpack release: %w", err)
		}
	}
	limited := &io.LimitedReader{R: content, N: maxRelease + 1}
	decoder := json.NewDecoder(limited)
	rel := new(release)
	err = decoder.Decode(rel)
	if err == nil {
		// Reading to the end makes gzip compare its checksum.
		if _, err = decoder.Token(); err == nil {
			err = errors.New("there is more than one JSON value")
		} else if errors.Is(err, io.EOF) {
			err = nil
		}
	}
	switch {
	case limited.N <= 0:
		return nil, errReleaseTooLarge
	case err != nil:
		return nil, fmt.Errorf("parse release: %w", err)
	case rel.Name == "":
		return nil, errors.New("parse release: it has no name")
	}
	return rel, nil
}

// images returns what the workloads of the manifest and of the hooks name. With
// an error it returns what the readable documents name.
func (r *release) images() ([]pull, error) {
	pulls, err := manifestImages(r.Manifest)
	errs := []error{wrap("manifest", err)}
	for _, h := range r.Hooks {
		found, err := manifestImages(h.Manifest)
		pulls = append(pulls, found...)
		errs = append(errs, wrap("hook "+h.Path, err))
	}
	return pulls, errors.Join(errs...)
}

// wrap says what was being read; nil stays nil.
func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// manifestImages reads a stream of YAML documents as Helm does: duplicate keys
// are no mistake there.
func manifestImages(manifest string) ([]pull, error) {
	reader := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(manifest)))
	var pulls []pull
	var errs []error
	for n := 1; ; n++ {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return pulls, errors.Join(errs...)
		}
		if err != nil {
			return pulls, errors.Join(append(errs, fmt.Errorf("document %d: %w", n, err))...)
		}
		found, err := yamlImages(document)
		pulls = append(pulls, found...)
		if err != nil {
			errs = append(errs, fmt.Errorf("document %d: %w", n, err))
		}
	}
}

func yamlImages(document []byte) ([]pull, error) {
	data, err := yaml.YAMLToJSON(document)
	if err != nil {
		return nil, err
	}
	if bytes.Equal(bytes.TrimSpace(data), []byte("null")) {
		return nil, nil // comments only
	}
	return documentImages(data, 0)
}

// documentImages reads one object of a manifest: kinds of the table by their
// fields, custom resources by searching them, other built-in kinds not at all,
// since they run nothing.
func documentImages(data []byte, depth int) ([]pull, error) {
	var head struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		Items      []json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(data, &head); err != nil && !typeMismatch(err) {
		return nil, err
	}
	switch w := workloadOf(head.APIVersion, head.Kind); {
	case head.Kind == "":
		return nil, errors.New("the document has no kind")
	case w != nil:
		var o object
		decodeErr := json.Unmarshal(data, &o)
		r, err := w.read(&o)
		return r.images, errors.Join(decodeErr, err)
	case strings.HasSuffix(head.Kind, "List") && head.Items != nil:
		if depth == maxListDepth {
			return nil, fmt.Errorf("lists are nested more than %d deep", maxListDepth)
		}
		var pulls []pull
		var errs []error
		for _, item := range head.Items {
			found, err := documentImages(item, depth+1)
			pulls = append(pulls, found...)
			errs = append(errs, err)
		}
		return pulls, errors.Join(errs...)
	case builtIn(groupOf(head.APIVersion)):
		return nil, nil
	default:
		return sweepObject(data)
	}
}
