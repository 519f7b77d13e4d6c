package registry

import (
	"strings"

	"github.com/regsweep/regsweep/internal/image"
)

// Holds reports whether ref points into this registry: by the registry's own
// host, by any host form of its ECR account and region, or by an alias. An
// alias without a port stands for its host at any port. A bare image id points
// to no registry.
func (id Identity) Holds(ref image.Reference) bool {
	if ref.Host == "" {
		return false
	}
	host := bareHost(ref.Host)
	if id.Host != "" && host == bareHost(id.Host) {
		return true
	}
	if ecr, ok := image.ParseECRHost(host); ok && id.Account != "" && ecr.Account == id.Account && ecr.Region == id.Region {
		return true
	}
	for _, alias := range id.Aliases {
		alias = bareHost(alias)
		if alias == "" {
			continue
		}
		if host == alias || !hasPort(alias) && withoutPort(host) == alias {
			return true
		}
	}
	return false
}

// bareHost lower-cases a host, removes the default port of HTTPS or HTTP, and
// gives Docker Hub's hosts the name that references have.
func bareHost(host string) string {
	host = strings.ToLower(host)
	host = strings.TrimSuffix(strings.TrimSuffix(host, ":443"), ":80")
	switch host {
	case "index.docker.io", "registry-1.docker.io":
		return "docker.io"
	}
	return host
}

// hasPort reports whether host ends in a port; a bracketed IPv6 address has
// colons of its own.
func hasPort(host string) bool { return withoutPort(host) != host }

func withoutPort(host string) string {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		return host[:i]
	}
	return host
}
