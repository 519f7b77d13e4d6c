package awsusage

import "strings"

// RepositoryOf returns an image reference without its tag and its digest:
// "host:5000/a/b" of "host:5000/a/b:1@sha256:…".
func RepositoryOf(reference string) string {
	reference, _, _ = strings.Cut(reference, "@")
	if colon := strings.LastIndexByte(reference, ':'); colon > strings.LastIndexByte(reference, '/') {
		reference = reference[:colon]
	}
	return reference
}

// Pinned returns what was pulled for a reference when the platform tells the
// digest beside it: "repository@digest". Without a digest it is "".
//
// A digest protects in every repository, so that one whose reference is not
// known is still worth reporting, under a repository name that nothing has.
func Pinned(reference, digest string) string {
	switch {
	case digest == "":
		return ""
	case reference == "":
		return "unknown@" + digest
	}
	return RepositoryOf(reference) + "@" + digest
}

// LastPart returns what follows the last slash, which in the ARNs of AWS is
// the name or the id of the resource.
func LastPart(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }
