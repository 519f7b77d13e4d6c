package image

import "strings"

// ECRHost says what the host name of an Amazon ECR registry tells.
type ECRHost struct {
	// Account and Region are empty for the public registry.
	Account, Region string
	// FIPS is set for the endpoints with validated cryptography. They serve the
	// same registry.
	FIPS bool
	// Public is set for the public registry, which is one for everybody.
	Public bool
}

// SameRegistry reports whether both hosts serve one registry.
func (h ECRHost) SameRegistry(o ECRHost) bool {
	return h.Account == o.Account && h.Region == o.Region && h.Public == o.Public
}

// ecrServices are what stands between account and region: with a dot in the
// classic names, and with a hyphen in those that serve IPv6 too.
var ecrServices = [...]struct {
	part string
	fips bool
}{
	{".dkr.ecr.", false}, {".dkr.ecr-fips.", true}, {".dkr-ecr.", false}, {".dkr-ecr-fips.", true},
}

// ecrSuffixes are the DNS suffixes of the AWS partitions that have ECR, from
// the endpoint rules of the service model. They start after the region.
var ecrSuffixes = [...]string{
	".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".on.aws", ".on.amazonwebservices.com.cn",
	".sc2s.sgov.gov", ".c2s.ic.gov", ".cloud.adc-e.uk", ".csp.hci.ic.gov",
}

// ParseECRHost reads the host name of an ECR registry, with or without a port
// and in any case. ok is false for every other host.
func ParseECRHost(host string) (h ECRHost, ok bool) {
	if name, port, found := strings.Cut(host, ":"); found {
		if !validPort(port) {
			return ECRHost{}, false
		}
		host = name
	}
	if !isGraphic(host) {
		return ECRHost{}, false
	}
	host = strings.ToLower(host)
	if host == "public.ecr.aws" || host == "ecr-public.aws.com" {
		return ECRHost{Public: true}, true
	}
	const accountLength = 12
	if len(host) <= accountLength || !isDigits(host[:accountLength]) {
		return ECRHost{}, false
	}
	account, rest := host[:accountLength], host[accountLength:]
	for _, service := range ecrServices {
		tail, found := strings.CutPrefix(rest, service.part)
		if !found {
			continue
		}
		// A region is one label, so the suffix starts at the first dot.
		dot := strings.IndexByte(tail, '.')
		if dot < 0 || !validRegion(tail[:dot]) {
			return ECRHost{}, false
		}
		for _, suffix := range ecrSuffixes {
			if tail[dot:] == suffix {
				return ECRHost{Account: account, Region: tail[:dot], FIPS: service.fips}, true
			}
		}
	}
	return ECRHost{}, false
}

// validRegion accepts any word of letters, digits and hyphens that starts with
// a letter: new regions come faster than releases.
func validRegion(s string) bool {
	if s == "" || s[0] < 'a' || s[0] > 'z' || s[len(s)-1] == '-' {
		return false
	}
	for i := 0; i < len(s); i++ {
		if !isAlphanumeric(s[i]) && s[i] != '-' {
			return false
		}
	}
	return true
}
