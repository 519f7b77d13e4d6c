package kubernetes

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"

	"github.com/regsweep/regsweep/internal/image"
)

// maxReference is longer than any reference: it saves parsing long texts.
const maxReference = 1024

// Keys of the parts of a reference that stand side by side, as in the image values
// of Helm charts: a registry beside a repository, and a tag or a digest beside a
// reference that has neither.
var (
	repositoryKeys = []string{"repository", "image"}
	tagKeys        = []string{"tag", "imageTag", "version"}
	digestKeys     = []string{"digest", "imageDigest", "sha"}
)

// sweepJSON returns every string in a JSON value that looks like a reference
// with a registry host, sorted, each once.
func sweepJSON(data []byte) ([]pull, error) {
	var v any
	if err := decodeExactly(data, &v); err != nil {
		return nil, err
	}
	return sweep(v), nil
}

// sweepObject is sweepJSON for a whole API object. It leaves out what holds no
// image but much that looks like one: the object's own apiVersion and its
// metadata but for the annotations ("example.com/finalizer").
func sweepObject(data []byte) ([]pull, error) {
	var v map[string]any
	if err := decodeExactly(data, &v); err != nil {
		return nil, err
	}
	delete(v, "apiVersion")
	if m, ok := v["metadata"].(map[string]any); ok {
		v["metadata"] = m["annotations"]
	}
	return sweep(v), nil
}

// decodeExactly decodes a JSON value, with numbers as they are written: a tag can
// be one.
func decodeExactly(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return d.Decode(v)
}

func sweep(v any) []pull {
	var found []string
	walk(v, &found)
	slices.Sort(found)
	var pulls []pull
	for _, s := range slices.Compact(found) {
		pulls = append(pulls, pull{asked: s})
	}
	return pulls
}

// walk adds the references in v to found, in no certain order. The depth is
// bounded by the JSON decoder.
func walk(v any, found *[]string) {
	switch v := v.(type) {
	case string:
		if looksLikeReference(v) {
			*found = append(*found, v)
		}
	case []any:
		for _, e := range v {
			walk(e, found)
		}
	case map[string]any:
		for _, e := range v {
			walk(e, found)
			if s, ok := e.(string); ok && looksLikeReference(s) {
				joinSiblings(s, v, found)
			}
		}
		joinRegistry(v, found)
	}
}

// joinRegistry adds registry/repository where an object holds the two in fields of
// their own.
func joinRegistry(fields map[string]any, found *[]string) {
	registry, ok := fields["registry"].(string)
	if !ok {
		return
	}
	for _, key := range repositoryKeys {
		name, ok := fields[key].(string)
		if repo := registry + "/" + name; ok && looksLikeReference(repo) {
			*found = append(*found, repo)
			joinSiblings(repo, fields, found)
		}
	}
}

// joinSiblings adds repo:tag and repo@digest where an object holds the parts of
// a reference in fields of their own. The bare repository stays too.
func joinSiblings(repo string, fields map[string]any, found *[]string) {
	if ref, err := image.ParseReference(repo); err != nil || ref.TagOrLatest() == ref.Tag {
		return // it has a tag or a digest of its own
	}
	add := func(separator string, keys []string) {
		for _, key := range keys {
			part, ok := fields[key].(string)
			if number, is := fields[key].(json.Number); is {
				part, ok = number.String(), true
			}
			if ok && looksLikeReference(repo+separator+part) {
				*found = append(*found, repo+separator+part)
			}
		}
	}
	add(":", tagKeys)
	add("@", digestKeys)
}

// looksLikeReference tells whether a string can name an image in a registry: it
// starts with a registry host, which has a dot or a port or is localhost, or it
// ends with a digest, which protects whatever the host is.
func looksLikeReference(s string) bool {
	if len(s) > maxReference {
		return false
	}
	name := s
	if _, rest, ok := strings.Cut(s, "://"); ok {
		name = rest // of docker://…; a URL does not parse as a reference
	}
	host, _, ok := strings.Cut(name, "/")
	hasHost := ok && (strings.ContainsAny(host, ".:") || host == "localhost")
	if !hasHost && !strings.Contains(name, "@") {
		return false
	}
	ref, err := image.ParseReference(s)
	if err != nil || ref.IsBare() || !hasHost && ref.Digest.IsZero() && ref.OtherDigest == "" {
		return false
	}
	// An address range such as 10.0.0.0/8 has the same form.
	_, err = netip.ParsePrefix(s)
	return err != nil
}
