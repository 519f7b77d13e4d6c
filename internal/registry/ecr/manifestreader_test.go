package ecr

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/schemas"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/regsweep/regsweep/internal/image"
)

// takeOutput hands on what the SDK made of an answer.
func takeOutput(take manifestTaker, out *ecr.BatchGetImageOutput) {
	take.begin()
	for i := range out.Failures {
		f := &out.Failures[i]
		take.failure([]byte(imageDigest(f.ImageId)), []byte(f.FailureCode), []byte(aws.ToString(f.FailureReason)))
	}
	for i := range out.Images {
		img := &out.Images[i]
		take.image([]byte(imageDigest(img.ImageId)), []byte(aws.ToString(img.ImageManifestMediaType)), []byte(aws.ToString(img.ImageManifest)))
	}
}

// taken is everything that an answer has in it.
type taken struct{ images, failures [][3]string }

// taker returns what takes it.
func (t *taken) taker() manifestTaker {
	return manifestTaker{
		begin:   func() { *t = taken{} },
		image:   func(a, b, c []byte) { t.images = append(t.images, [3]string{string(a), string(b), string(c)}) },
		failure: func(a, b, c []byte) { t.failures = append(t.failures, [3]string{string(a), string(b), string(c)}) },
	}
}

// ourManifests reads an answer through a window of so many bytes.
func ourManifests(body []byte, window int) (t taken, err error) {
	err = newManifestReader(window).read(bytes.NewReader(body), t.taker())
	return t, err
}

// sdkManifests reads an answer as the SDK does.
func sdkManifests(body []byte) (t taken, err error) {
	var out ecr.BatchGetImageOutput
	response := &smithyhttp.Response{Response: &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(body))}}
	operation := smithy.NewOperationSchema(schemas.BatchGetImage, schemas.BatchGetImageRequest, schemas.BatchGetImageResponse)
	protocol := ecr.New(ecr.Options{Region: region}).Options().Protocol
	if err := protocol.DeserializeResponse(context.Background(), operation, ecr.TypeRegistry, response, &out); err != nil {
		return taken{}, err
	}
	takeOutput(t.taker(), &out)
	return t, nil
}

// compareManifests reads an answer as the SDK and as manifestReader do.
func compareManifests(t failer, body []byte) {
	t.Helper()
	want, sdkErr := sdkManifests(body)
	for _, window := range []int{16, pageWindow} {
		got, err := ourManifests(body, window)
		switch {
		case err == nil && sdkErr != nil:
			t.Fatalf("window %d: got %q, want an error, since the SDK has %v\n%q", window, got, sdkErr, body)
		case err == nil && !json.Valid(body):
			t.Fatalf("window %d: got %q of what is not JSON\n%q", window, got, body)
		case err != nil && sdkErr == nil && json.Valid(body) && !twoLists(body):
			t.Fatalf("window %d: %v, while the SDK has %q\n%q", window, err, want, body)
		case err == nil:
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(taken{})); diff != "" {
				t.Fatalf("window %d (-SDK +ours):\n%s\n%q", window, diff, body)
			}
		}
	}
}

// twoLists reports whether a list occurs twice in an answer, which manifestReader
// does not take.
func twoLists(body []byte) bool {
	decoder := json.NewDecoder(bytes.NewReader(body))
	seen := map[json.Token]int{}
	_, _ = decoder.Token() // the document is valid
	for decoder.More() {
		name, _ := decoder.Token()
		var value json.RawMessage
		if decoder.Decode(&value) == nil && string(value) != "null" {
			seen[name]++
		}
	}
	return seen["images"] > 1 || seen["failures"] > 1
}

// writeManifests returns an answer of BatchGetImage as choose says.
func writeManifests(choose func(n int) int) []byte {
	return writeAnswer(choose, func(a *author) {
		id := func() {
			a.members(map[string]func(){"imageDigest": a.digest, "imageTag": a.text}, a.some("imageDigest", "imageTag", "imageDigest", "other")...)
		}
		a.members(map[string]func(){
			"images": func() {
				a.list(func() {
					a.members(map[string]func(){
						"imageManifest": a.manifest, "imageId": id, "imageManifestMediaType": a.text, "registryId": a.text, "repositoryName": a.text,
					}, a.some("imageManifest", "imageId", "imageManifest", "imageManifestMediaType", "registryId", "repositoryName", "other")...)
				})
			},
			"failures": func() {
				a.list(func() {
					a.members(map[string]func(){"imageId": id, "failureCode": a.text, "failureReason": a.text},
						a.some("imageId", "failureCode", "failureReason", "imageId", "other")...)
				})
			},
		}, "images", "failures", "other")
	})
}

// manifest writes a document as a string.
func (a *author) manifest() {
	if a.choose(3) == 0 {
		a.text()
		return
	}
	plain := author{choose: a.choose}
	plain.any(4)
	quoted, err := json.Marshal(plain.String())
	if err != nil {
		panic(err) // of a string
	}
	text := string(quoted)
	if a.choose(2) == 1 {
		text = strings.ReplaceAll(text, "/", `\/`)
	}
	a.WriteString(text)
}

// FuzzDecodeManifests compares manifestReader with the SDK, on what data is
// itself and on what an author makes of it.
func FuzzDecodeManifests(f *testing.F) {
	for _, body := range []string{
		`{}`, `null`, ``, `{"images":null,"failures":[]}`, `{"images":[null,{}],"failures":[null,{}]}`, `{"images":[],"images":[{}]}`,
		`{"images":[{"imageManifest":"{\"a\":\n1}","imageManifest":null,"imageId":{"imageDigest":"x"},"imageId":{}}]}`,
		`{"images":[{"imageManifest":"{\"a\":1}","imageManifest":"\u007b\ud83d\ude00\u00e9"}]} `, `{"images":[{"imageManifest":7}]}`,
		`{"failures":[{"failureCode":"ImageNotFound","failureReason":"gone","imageId":{"imageDigest":"sha256:\u0061"}}],"images":[]}`,
		"{\"images\":[{\"imageManifest\":\"\\n\xff\"},{\"imageManifest\":\"\xff\"}]}", `{"images":[{}]}}`, `{"images":{}}`, `{"images":[1]}`,
	} {
		f.Add(false, []byte(body))
	}
	for seed := range 40 {
		f.Add(true, authorSeed(seed))
	}
	f.Fuzz(func(t *testing.T, written bool, data []byte) {
		if written {
			data = writeManifests(func(n int) int {
				if len(data) == 0 {
					return 0
				}
				choice := int(data[0]) % n
				data = data[1:]
				return choice
			})
		}
		compareManifests(t, data)
	})
}

// TestManifestsReadAsTheSDKReadsThem is the fuzz test with chances that rapid
// draws.
func TestManifestsReadAsTheSDKReadsThem(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		compareManifests(t, writeManifests(func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "choice") }))
	})
}

// fullAnswer returns an answer of so many indexes as ECR writes one.
func fullAnswer(tb testing.TB, images int) []byte {
	tb.Helper()
	var list []string
	for i := range images {
		index := fmt.Sprintf("{\n   \"schemaVersion\": 2,\n   \"mediaType\": %q,\n   \"manifests\": [", image.MediaTypeOCIIndex)
		for n, arch := range []string{"amd64", "arm64"} {
			index += fmt.Sprintf("%s\n      {\n         \"mediaType\": %q,\n         \"size\": 1234,\n         \"digest\": %q,\n         \"platform\": {\"architecture\": %q, \"os\": \"linux\"}\n      }",
				strings.Repeat(",", n), image.MediaTypeOCIManifest, image.DigestOf(fmt.Append(nil, i, arch)), arch)
		}
		index += "\n   ]\n}"
		quoted, err := json.Marshal(index)
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, fmt.Sprintf(`{"imageId":{"imageDigest":%q},"imageManifest":%s,"imageManifestMediaType":%q,"registryId":%q,"repositoryName":"apps/web"}`,
			image.DigestOf([]byte(index)), quoted, image.MediaTypeOCIIndex, ownAccount))
	}
	return []byte(`{"failures":[],"images":[` + strings.Join(list, ",") + `]}`)
}

// What breaks off is an error at every place, and what comes in pieces is read as
// if it came at once; and one reader reads after the other answer.
func TestManifestsInPieces(t *testing.T) {
	body := fullAnswer(t, 3)
	want, err := sdkManifests(body)
	if err != nil || len(want.images) != 3 {
		t.Fatalf("the SDK has %q, %v", want, err)
	}
	reader := newManifestReader(100)
	failure := errors.New("the line is cut")
	for n := range body {
		var got taken
		if err := reader.read(bytes.NewReader(body[:n]), got.taker()); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%d bytes: %v, want that the answer ended early", n, err)
		}
		if err := reader.read(io.MultiReader(bytes.NewReader(body[:n]), iotest.ErrReader(failure)), got.taker()); !errors.Is(err, failure) {
			t.Fatalf("after %d bytes: %v, want that the line is cut", n, err)
		}
		if err := reader.read(iotest.HalfReader(bytes.NewReader(body)), got.taker()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(taken{})); diff != "" {
			t.Fatalf("(-SDK +ours):\n%s", diff)
		}
	}
}

// A broken answer is asked for again, and nothing of it is kept.
func TestBrokenAnswerOfManifests(t *testing.T) {
	w := newWorld(t)
	_, indexes := pushIndexes(w, "apps/web", 2)
	to, cut := w.client.Transport, 0
	w.client = &http.Client{Transport: roundTripper(func(request *http.Request) (*http.Response, error) {
		response, err := to.RoundTrip(request)
		if err != nil || !strings.HasSuffix(request.Header.Get("X-Amz-Target"), ".BatchGetImage") || cut == 2 {
			return response, err
		}
		cut++
		content, err := io.ReadAll(response.Body)
		if err != nil {
			return nil, err
		}
		content = content[:len(content)-2]
		if cut == 2 { // whole, but for its type
			content = []byte(`{"images":[{"imageManifest":["x"]}]}`)
		}
		response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(content)), int64(len(content))
		response.Header.Del("Content-Length")
		return response, nil
	})}
	r := w.reader(t, Config{}, t.TempDir())
	got := read(t, r, "apps/web", false)
	for _, index := range indexes {
		if i := at(t, got, index); got.Manifests[i] == nil || len(got.Unreadable) > 0 {
			t.Errorf("the manifest of %s is not known: %v", index, got.Unreadable)
		}
	}
	if cut != 2 {
		t.Errorf("%d answers were broken, want 2", cut)
	}
}

// TestOtherSuccessOfManifests has answers of another status than 200, which say
// nothing of any manifest.
func TestOtherSuccessOfManifests(t *testing.T) {
	for _, status := range []int{201, 204, 206} {
		w := newWorld(t)
		_, indexes := pushIndexes(w, "apps/web", 1)
		w.answer("BatchGetImage", status, `{"images":[]}`)
		if got, err := w.reader(t, Config{}, "").Read(t.Context(), image.Repository{Name: "apps/web"}, false); got != nil || err == nil {
			t.Errorf("status %d: got %v, %v; want an error", status, got, err)
		}
		writer, err := Config{}.OpenWriter(t.Context(), "prod", w.env(t, ""))
		if err != nil {
			t.Fatal(err)
		}
		asked := []image.Image{{Digest: digestOf(t, indexes[0])}}
		if got, err := writer.Manifests(t.Context(), "apps/web", asked); got != nil || err == nil {
			t.Errorf("status %d: got %v, %v; want an error", status, got, err)
		}
	}
}

// BenchmarkDecodeManifests reads an answer with the manifests of a hundred
// indexes from memory, as the SDK does and as we do.
func BenchmarkDecodeManifests(b *testing.B) {
	body := fullAnswer(b, maxBatch)
	reader := newManifestReader(manifestWindow)
	images := 0
	count := manifestTaker{begin: func() { images = 0 }, image: func(_, _, _ []byte) { images++ }, failure: func(_, _, _ []byte) {}}
	for _, decoder := range []struct {
		name string
		read func() error
	}{
		{"SDK", func() error {
			t, err := sdkManifests(body)
			images = len(t.images)
			return err
		}},
		{"ours", func() error { return reader.read(bytes.NewReader(body), count) }},
	} {
		b.Run(decoder.name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if err := decoder.read(); err != nil || images != maxBatch {
					b.Fatalf("%d images, %v", images, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/maxBatch, "ns/image")
		})
	}
}
