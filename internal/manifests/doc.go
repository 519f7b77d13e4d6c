// Package manifests remembers on disk what manifests say, so that each is read
// from its registry once in its life: the content of a digest never changes,
// and in ECR reading a manifest counts as a pull (aws/containers-roadmap#2390).
// For that second reason it also remembers where and when a manifest was read.
//
// The memory is one append-only file. A record is a magic number, the length of
// its payload, a checksum and the payload, so that a record that was damaged or
// written in part is seen to be so, is passed over, and is read from the
// registry again. Every process appends whole records in one write, so that
// processes can share the file without locks. What is held in the process is
// the position of each record, about 20 bytes a manifest, and not the manifests.
package manifests
