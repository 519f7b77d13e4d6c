package embedded_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/embedded"
)

func s3Steps(w *world) []cliStep {
	file := filepath.Join(w.dir, "body.json")
	check(os.WriteFile(file, []byte(`{"a":1}`), 0o600))
	const etag = `"bb6cb5c68df4652941caf652a366f2d8"` // md5sum
	read := embedded.Must(w.region.S3().CreateBucket("cli-read"))
	for _, key := range []string{"a b/ü+1.json", "a b/2", "c", "d/1", "d/2"} {
		read.Put(key, []byte(`{"a":1}`))
	}
	embedded.Must(w.region.S3().CreateBucket("cli-change")).Put("old", nil)
	with := func(in object, flags ...string) withFlags { return withFlags{in, flags} }
	return []cliStep{
		{"s3:CreateBucket", object{"Bucket": "cli-new", "CreateBucketConfiguration": object{"LocationConstraint": west}}, map[string]string{"Location": "/cli-new"}},
		{"s3:HeadBucket", object{"Bucket": "cli-read"}, map[string]string{"BucketRegion": west}},
		{"s3:GetBucketLocation", object{"Bucket": "cli-read"}, map[string]string{"LocationConstraint": west}},
		{"s3:ListObjectsV2", object{"Bucket": "cli-read"}, map[string]string{
			"Contents.#": "5", "Contents.0.Key": "a b/2", "Contents.1.Key": "a b/ü+1.json", "Contents.1.Size": "7", "Contents.1.ETag": etag,
			"Contents.1.StorageClass": "STANDARD", "CommonPrefixes": "<none>",
		}},
		{"s3:ListObjectsV2", with(object{"Bucket": "cli-read", "Delimiter": "/"}, "--page-size", "1"), map[string]string{
			"Contents.#": "1", "Contents.0.Key": "c",
			"CommonPrefixes.#": "2", "CommonPrefixes.0.Prefix": "a b/", "CommonPrefixes.1.Prefix": "d/",
		}},
		{"s3:ListObjectsV2", object{"Bucket": "cli-read", "Prefix": "d/", "Delimiter": "/", "StartAfter": "d/1"}, map[string]string{
			"Contents.#": "1", "Contents.0.Key": "d/2", "CommonPrefixes": "<none>",
		}},
		{"s3:PutObject", with(object{"Bucket": "cli-change", "Key": "a b/ü+1.json", "ContentType": "application/json"}, "--body", file),
			map[string]string{"ETag": etag}},
		{"s3:PutObject", with(object{"Bucket": "cli-change", "Key": "sum", "ChecksumAlgorithm": "SHA256"}, "--body", file),
			map[string]string{"ChecksumSHA256": "AVq9f1zFei3ZS3WQ8ErYCEJzkF7jPsXOvq5iJ2qX+GI="}},
		{"s3:GetObject", with(nil, "--bucket", "cli-read", "--key", "a b/ü+1.json", filepath.Join(w.dir, "whole")), map[string]string{
			"ContentLength": "7", "ContentType": "binary/octet-stream", "ETag": etag, "ContentRange": "<none>",
		}},
		{"s3:GetObject", with(nil, "--bucket", "cli-read", "--key", "c", "--range", "bytes=1-3", filepath.Join(w.dir, "part")),
			map[string]string{"ContentLength": "3", "ContentRange": "bytes 1-3/7"}},
		{"s3:HeadObject", object{"Bucket": "cli-read", "Key": "c"}, map[string]string{"ContentLength": "7", "ETag": etag}},
		{"s3:DeleteObject", object{"Bucket": "cli-change", "Key": "old"}, nil},
	}
}

// TestAWSCommandCopies copies to, from and within the world as people do, also
// to a bucket of a region that the command was not told of.
func TestAWSCommandCopies(t *testing.T) {
	w := newWorld(embedded.Options{})
	cli := newCLI(t, w)
	far := embedded.Must(w.Account(home).Region("us-east-2").S3().CreateBucket("far"))
	dir := t.TempDir()
	up, down := filepath.Join(dir, "up.json"), filepath.Join(dir, "down.json")
	want := strings.Repeat("content ", 1000)
	check(os.WriteFile(up, []byte(want), 0o600))
	for _, args := range [][]string{
		{"s3", "cp", up, "s3://far/some folder/object.json"},
		{"s3", "cp", "s3://far/some folder/object.json", down},
	} {
		if out, err := cli.command(t.Context(), args...); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	if diff := cmp.Diff([]string{"some folder/object.json"}, far.Keys()); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if got, err := os.ReadFile(down); err != nil || string(got) != want {
		t.Errorf("came back as %d bytes, %v", len(got), err)
	}
	out, err := cli.command(t.Context(), "s3", "ls", "s3://far", "--recursive")
	if line := fmt.Sprintf("%d some folder/object.json", len(want)); err != nil || !strings.Contains(string(out), line) {
		t.Errorf("%s, %v", out, err)
	}
}
