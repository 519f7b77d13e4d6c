package kubernetes

import (
	"encoding/json"
	"net/netip"
	"regexp"
	"slices"
)

// reference matches what can name an image: an optional registry host with a
// dot, a port or the name localhost, a path, a tag, a digest.
// (https://github.com/opencontainers/distribution-spec: names and tags)
var reference = regexp.MustCompile(`^` +
	`((?:localhost|[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)+|[a-zA-Z0-9-]+:[0-9]+|\[[0-9a-fA-F:]+\])(?::[0-9]+)?/)?` + // 1: host
	`[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*` + // path
	`(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?` + // 2: tag
	`(@sha256:[0-9a-f]{64})?$`) // 3: digest

// maxReference is longer than any reference: a registry's host, 255 bytes of
// path, 128 of tag and a digest.
const maxReference = 1024

// Keys beside a reference without tag and digest that hold the one or the
// other, as in the image values of Helm charts.
var (
	tagKeys    = []string{"tag", "imageTag", "version"}
	digestKeys = []string{"digest", "imageDigest", "sha"}
)

// sweepJSON returns every string in a JSON value that looks like a reference
// with a registry host, sorted, each once.
func sweepJSON(data []byte) ([]pull, error) {
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, err
	}
	return sweep(v), nil
}

// sweepObject is sweepJSON for a whole API object. It leaves out what holds no
// image but much that looks like one: the object's own apiVersion and its
// metadata but for the annotations ("example.com/finalizer").
func sweepObject(data []byte) ([]pull, error) {
	var v map[string]any
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, err
	}
	delete(v, "apiVersion")
	if m, ok := v["metadata"].(map[string]any); ok {
		v["metadata"] = m["annotations"]
	}
	return sweep(v), nil
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
			if s, ok := e.(string); ok {
				joinSiblings(s, v, found)
			}
		}
	}
}

// joinSiblings adds repo:tag and repo@digest where an object holds the parts of
// a reference in fields of their own. The bare repository stays too.
func joinSiblings(repo string, fields map[string]any, found *[]string) {
	m := reference.FindStringSubmatch(repo)
	if m == nil || m[1] == "" || m[2] != "" || m[3] != "" || !looksLikeReference(repo) {
		return
	}
	for separator, keys := range map[string][]string{":": tagKeys, "@": digestKeys} {
		for _, key := range keys {
			if part, ok := fields[key].(string); ok && looksLikeReference(repo+separator+part) {
				*found = append(*found, repo+separator+part)
			}
		}
	}
}

// looksLikeReference tells whether a string can name an image in a registry: it
// has a registry host, or a digest, which protects whatever the host is.
func looksLikeReference(s string) bool {
	if len(s) > maxReference {
		return false
	}
	m := reference.FindStringSubmatch(s)
	if m == nil || m[1] == "" && m[3] == "" {
		return false
	}
	// An address range such as 10.0.0.0/8 has the same form.
	_, err := netip.ParsePrefix(s)
	return err != nil
}
