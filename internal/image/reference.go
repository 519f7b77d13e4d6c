package image

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Reference is a parsed image reference: where an image is, and which one. A
// bare image id has no host and no repository.
type Reference struct {
	// Host is lower-case, with its port if the reference has one. A short name
	// has "docker.io", as docker resolves it.
	Host string
	// Repository is the path without the host, for example "apps/web".
	Repository string
	// Tag is empty where the reference has none; see TagOrLatest.
	Tag string
	// Digest is the digest after the "@", or zero.
	Digest Digest
	// OtherDigest is a digest of another algorithm than SHA-256, as written. It
	// cannot be compared with what a registry says, so it may be any image of
	// the repository. Digest is zero then.
	OtherDigest string
	// ImageID is set for a bare image id only. Docker and CRI-O call the digest
	// of the image's config by this name.
	ImageID Digest
}

// The longest parts that are accepted. ECR allows repository names of 256 and
// tags of 300 characters (model of its API: RepositoryName, ImageTag), where
// the OCI distribution specification ends at 255 and 128.
const (
	maxHost       = 255
	maxRepository = 256
	maxTag        = 300
)

const (
	hubHost    = "docker.io"
	hubOldHost = "index.docker.io"
	hubLibrary = "library/"
	latest     = "latest"
)

// schemes are the prefixes that container runtimes, nodes and tools put in
// front of a reference or an image id.
var schemes = [...]string{"docker-pullable", "docker", "docker-image", "oci", "containerd", "cri-o", "crio"}

// What can be wrong with a reference.
var (
	errEmpty      = errors.New("it is empty")
	errCharacter  = errors.New("it has white space, control characters or others beyond ASCII")
	errURL        = errors.New("it is a URL")
	errImageID    = errors.New("the image id is not a whole digest")
	errHost       = errors.New("the host is malformed")
	errUpperCase  = errors.New("the repository has upper-case letters")
	errRepository = errors.New("the repository is malformed")
	errTooLong    = errors.New("the host or the repository is too long")
	errTag        = errors.New("the tag is malformed")
	errDigest     = errors.New("the digest is malformed")
)

// ParseReference reads an image reference as container runtimes write it:
// "[host[:port]/]repository[:tag][@digest]", or a bare image id ("sha256:…" or
// 64 hexadecimal digits), with or without a prefix such as
// "docker-pullable://". The error quotes s. The grammar is that of
// https://github.com/distribution/reference, with tags of up to 300 characters.
func ParseReference(s string) (Reference, error) {
	ref, err := parseReference(s)
	if err != nil {
		if !isGraphic(s) {
			err = errCharacter
		}
		return Reference{}, fmt.Errorf("%q is not an image reference: %w", s, err)
	}
	return ref, nil
}

func parseReference(s string) (Reference, error) {
	s, err := cutScheme(s)
	if err != nil {
		return Reference{}, err
	}
	if s == "" {
		return Reference{}, errEmpty
	}
	if ref, ok, err := parseID(s); ok || err != nil {
		return ref, err
	}
	var ref Reference
	name, digest, ok := strings.Cut(s, "@")
	if ok && !ref.setDigest(digest) {
		return Reference{}, errDigest
	}
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		if ref.Tag = name[i+1:]; !validTag(ref.Tag) {
			return Reference{}, errTag
		}
		name = name[:i]
	}
	ref.Host, ref.Repository = splitHost(name)
	switch {
	case len(ref.Host) > maxHost || len(ref.Repository) > maxRepository:
		return Reference{}, errTooLong
	case !validHost(ref.Host):
		return Reference{}, errHost
	case !validRepository(ref.Repository):
		if strings.ToLower(ref.Repository) != ref.Repository {
			return Reference{}, errUpperCase
		}
		return Reference{}, errRepository
	}
	return ref, nil
}

// cutScheme removes a prefix such as "docker-pullable://".
func cutScheme(s string) (string, error) {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return s, nil
	}
	for _, known := range schemes {
		if scheme == known {
			return rest, nil
		}
	}
	return "", errURL
}

// parseID reads a bare image id; ok is false for anything else. What starts
// like an id and is none is an error, since docker would look for a repository
// of the name "sha256".
func parseID(s string) (ref Reference, ok bool, err error) {
	algorithm, hexDigits, found := strings.Cut(s, ":")
	if !found {
		if len(s) != 64 || !isHex(s) {
			return Reference{}, false, nil
		}
		algorithm, hexDigits = "sha256", s
	}
	var size int
	switch algorithm {
	case "sha256":
		size = 64
	case "sha384":
		size = 96
	case "sha512":
		size = 128
	default:
		return Reference{}, false, nil
	}
	if strings.IndexByte(hexDigits, '@') >= 0 {
		return Reference{}, false, nil
	}
	if len(hexDigits) != size || !isHex(hexDigits) {
		return Reference{}, false, errImageID
	}
	if algorithm != "sha256" {
		return Reference{OtherDigest: s}, true, nil
	}
	d, err := ParseDigest(digestPrefix + hexDigits)
	if err != nil || d.IsZero() {
		return Reference{}, false, errImageID
	}
	return Reference{ImageID: d}, true, nil
}

// setDigest reads what stands after the "@". The zero digest means "none" in
// this program, and no content has it, so it is refused.
func (r *Reference) setDigest(s string) bool {
	if !strings.HasPrefix(s, digestPrefix) {
		r.OtherDigest = s
		return validOtherDigest(s)
	}
	d, err := ParseDigest(s)
	r.Digest = d
	return err == nil && !d.IsZero()
}

// splitHost separates the host from the repository as docker does: the first
// component is a host if it looks like one.
func splitHost(name string) (host, repository string) {
	host, repository, ok := strings.Cut(name, "/")
	if !ok || (strings.IndexByte(host, '.') < 0 && strings.IndexByte(host, ':') < 0 && !strings.EqualFold(host, "localhost")) {
		host, repository = hubHost, name
	}
	// Other letters must not become ASCII ones: validHost is to refuse them.
	if isGraphic(host) {
		host = strings.ToLower(host)
	}
	if host == hubOldHost {
		host = hubHost
	}
	if host == hubHost && strings.IndexByte(repository, '/') < 0 {
		repository = hubLibrary + repository
	}
	return host, repository
}

// IsBare reports whether the reference is only an image id (ImageID, or
// OtherDigest alone), which names no repository.
func (r Reference) IsBare() bool { return r.Repository == "" }

// TagOrLatest returns the tag, or "latest" where the reference has neither a
// tag nor a digest, or "" where it has a digest alone.
func (r Reference) TagOrLatest() string {
	if r.Tag == "" && r.Digest.IsZero() && r.OtherDigest == "" && !r.IsBare() {
		return latest
	}
	return r.Tag
}

// WithDigest returns the reference with d in place of its digest.
func (r Reference) WithDigest(d Digest) Reference {
	r.Digest, r.OtherDigest = d, ""
	return r
}

// SameRepository reports whether both name the same repository. The hosts of
// one ECR registry are the same; a bare image id is in no known repository.
func (r Reference) SameRepository(o Reference) bool {
	if r.IsBare() || r.Repository != o.Repository {
		return false
	}
	if r.Host == o.Host {
		return true
	}
	a, isECR := ParseECRHost(r.Host)
	b, isToo := ParseECRHost(o.Host)
	return isECR && isToo && a.SameRegistry(b)
}

// String returns the canonical form, which ParseReference reads back as the
// same reference. It always has the host, and a tag only where there is one.
func (r Reference) String() string {
	if r.IsBare() {
		if r.OtherDigest != "" {
			return r.OtherDigest
		}
		return r.ImageID.String()
	}
	s := r.Host + "/" + r.Repository
	if r.Tag != "" {
		s += ":" + r.Tag
	}
	switch {
	case !r.Digest.IsZero():
		s += "@" + r.Digest.String()
	case r.OtherDigest != "":
		s += "@" + r.OtherDigest
	}
	return s
}

// validHost reports whether s is a host name or address with an optional port.
func validHost(s string) bool {
	if strings.HasPrefix(s, "[") {
		address, port, ok := strings.Cut(s[1:], "]")
		ip, err := netip.ParseAddr(address)
		return ok && err == nil && ip.Is6() && ip.Zone() == "" &&
			(port == "" || port[0] == ':' && validPort(port[1:]))
	}
	name, port, hasPort := strings.Cut(s, ":")
	if hasPort && !validPort(port) {
		return false
	}
	// Every label starts and ends with a letter or digit.
	previous := byte('.')
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case isAlphanumeric(c):
		case c == '-' && previous != '.':
		case c == '.' && previous != '.' && previous != '-':
		default:
			return false
		}
		previous = c
	}
	return previous != '.' && previous != '-'
}

// validPort accepts one to five digits.
func validPort(s string) bool { return len(s) >= 1 && len(s) <= 5 && isDigits(s) }

// validRepository accepts words of lower-case letters and digits with one
// separator between every two of them.
func validRepository(s string) bool {
	for i := 0; ; {
		word := i
		for i < len(s) && isAlphanumeric(s[i]) {
			i++
		}
		if i == word {
			return false
		}
		if i == len(s) {
			return true
		}
		separator := i
		for i < len(s) && !isAlphanumeric(s[i]) {
			i++
		}
		switch s[separator:i] {
		case "/", ".", "_", "__", "-":
		default:
			if strings.Trim(s[separator:i], "-") != "" {
				return false
			}
		}
	}
}

// validTag accepts letters, digits and "_", and "." and "-" after the first.
func validTag(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !isAlphanumeric(c) && !isUpper(c) && c != '_' && (i == 0 || c != '.' && c != '-') {
			return false
		}
	}
	return s != "" && len(s) <= maxTag
}

// validOtherDigest accepts "algorithm:encoded" by the grammar of the OCI image
// specification (descriptor.md, "Digests").
func validOtherDigest(s string) bool {
	algorithm, encoded, ok := strings.Cut(s, ":")
	if !ok || encoded == "" {
		return false
	}
	separated := true
	for i := 0; i < len(algorithm); i++ {
		if isAlphanumeric(algorithm[i]) {
			separated = false
			continue
		}
		if separated || strings.IndexByte("+._-", algorithm[i]) < 0 {
			return false
		}
		separated = true
	}
	for i := 0; i < len(encoded); i++ {
		c := encoded[i]
		if !isAlphanumeric(c) && !isUpper(c) && c != '=' && c != '_' && c != '-' {
			return false
		}
	}
	return !separated
}
