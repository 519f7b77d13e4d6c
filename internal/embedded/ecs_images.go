package embedded

import (
	"regexp"
	"strings"
)

// containerImage is a container of a task or of a service revision: its name,
// the image that its definition names, and the digest that this was resolved
// to, which is "" where it could not be.
type containerImage struct {
	Name, Image, Digest string
}

// registryReference splits a reference to an ECR registry: account, region,
// repository, tag and digest. A registry has several hosts: with FIPS, with IPv6,
// and with both.
var registryReference = regexp.MustCompile(
	`^([0-9]{12})\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com|on\.aws)(?::[0-9]+)?/([^:@]+)(?::([^@]+))?(?:@(.+))?$`)

// resolve returns the digest that a reference stands for now, as a node that
// pulls it finds out. It is "" for an image that its registry does not have.
// Registries outside of the embedded AWS have everything.
func (s *Server) resolve(reference string) string {
	host, path, _ := strings.Cut(reference, "/")
	parts := registryReference.FindStringSubmatch(strings.ToLower(host) + "/" + path)
	if parts == nil {
		if _, digest, pinned := strings.Cut(reference, "@"); pinned {
			return digest
		}
		return Digest([]byte("image " + reference))
	}
	account, exists := s.lookupAccount(parts[1])
	if !exists {
		return ""
	}
	repo, exists := account.Region(parts[2]).Repository(parts[3])
	if !exists {
		return ""
	}
	id := imageID{ImageTag: parts[4], ImageDigest: parts[5]}
	if id.ImageDigest != "" {
		id.ImageTag = "" // a digest wins over the tag beside it
	} else if id.ImageTag == "" {
		id.ImageTag = "latest"
	}
	repo.mu.Lock()
	defer repo.mu.Unlock()
	img, failure := repo.find(id)
	if failure != nil {
		return ""
	}
	return img.digest
}

// resolveAll resolves the images of all containers.
func (s *Server) resolveAll(containers []containerImage) []containerImage {
	resolved := make([]containerImage, len(containers))
	for i, c := range containers {
		resolved[i] = containerImage{c.Name, c.Image, s.resolve(c.Image)}
	}
	return resolved
}
