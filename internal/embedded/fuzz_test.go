package embedded_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/regsweep/regsweep/internal/embedded"
)

// FuzzRequest sends any body to any ECR operation. The server never panics,
// and always answers in JSON; a body that is no JSON is a
// SerializationException.
func FuzzRequest(f *testing.F) {
	w := newWorld(embedded.Options{})
	var operations []string
	for _, op := range w.Operations() {
		if name, ok := strings.CutPrefix(op, "ecr:"); ok {
			operations = append(operations, name)
		}
	}
	for i := range operations {
		f.Add(i, `{"repositoryName":"apps/web","imageIds":[{"imageTag":"v1"},{"imageDigest":"sha256:00"}],"maxResults":5}`)
		f.Add(i, `{"repositoryName":"apps/web","imageId":{"imageTag":"v1"},"targetStorageClass":"ARCHIVE"`)
	}
	f.Add(0, `{"imageIds":7}`)
	f.Add(0, `[null]`)
	f.Add(0, `{"repositoryName":"apps/web","imageManifest":"{\"schemaVersion\":2,\"config\":null,\"layers\":[{}]}","imageManifestMediaType":"application/vnd.oci.image.manifest.v1+json"}`)
	f.Add(0, `{"repositoryName":"apps/web","filter":{"tagStatus":"TAGGED"},"nextToken":"eA=="}`)
	f.Fuzz(func(t *testing.T, n int, body string) {
		w := newWorld(embedded.Options{})
		push(w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{}), image("a"), "v1")
		operation := operations[uint(n)%uint(len(operations))]
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("X-Amz-Target", targets["ecr"]+"."+operation)
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAX/20260301/eu-west-1/ecr/aws4_request")
		rec := httptest.NewRecorder()
		w.ServeHTTP(rec, r)
		if !json.Valid(rec.Body.Bytes()) {
			t.Errorf("%s answers %q, which is no JSON", operation, rec.Body)
		}
		if body != "" && !json.Valid([]byte(body)) && rec.Header().Get("X-Amzn-Errortype") != "SerializationException" {
			t.Errorf("%s answers %d %s to a body that is no JSON", operation, rec.Code, rec.Body)
		}
		if rec.Code >= 500 {
			t.Errorf("%s answers %d %s", operation, rec.Code, rec.Body)
		}
	})
}
