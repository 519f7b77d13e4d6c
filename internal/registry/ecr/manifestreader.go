package ecr

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
)

// manifestTaker takes what an answer of BatchGetImage has in it. What it is
// given is good until it returns.
type manifestTaker struct {
	// begin is called before an answer: what it took of one before is void, since
	// that was broken.
	begin func()
	// image takes an image: the digest that the answer says it has, its media
	// type and its manifest; each is empty where the answer does not tell.
	image func(digest, mediaType, manifest []byte)
	// failure takes an image that was not returned: its digest, the code and the
	// reason, likewise.
	failure func(digest, code, reason []byte)
}

// manifestCall makes one call of BatchGetImage. Where it returns an error, what
// was taken is void.
type manifestCall func(ctx context.Context, in *ecr.BatchGetImageInput, take manifestTaker) error

// newManifestCall makes it of the SDK's.
func newManifestCall(call func(context.Context, *ecr.BatchGetImageInput, ...func(*ecr.Options)) (*ecr.BatchGetImageOutput, error)) manifestCall {
	readers := &sync.Pool{} // of the *manifestReader that no call uses
	return func(ctx context.Context, in *ecr.BatchGetImageInput, take manifestTaker) error {
		taken := false
		_, err := call(ctx, in, readAnswer(func(body io.Reader) error {
			reader, ok := readers.Get().(*manifestReader)
			if !ok {
				reader = newManifestReader(manifestWindow)
			}
			defer readers.Put(reader)
			err := reader.read(body, take)
			taken = err == nil
			return err
		}))
		if err == nil && !taken {
			err = errors.New("the answer is not what an answer of BatchGetImage is: its status is not 200")
		}
		return err
	}
}

// manifestReader reads answers of BatchGetImage, one after the other, and hands
// on what is in them. The SDK holds such an answer three times over, which with
// its hundred manifests is more than all that is kept of them.
//
// It takes for an answer what the SDK does and reads the same from it, but these,
// which it takes for broken answers:
//   - what is not JSON to its last byte, or goes on after that;
//   - an answer with two lists of images, or two of failures;
//   - an image, or another member of the answer, of more than maxUnit bytes.
type manifestReader struct {
	bodyReader

	digest, mediaType, code, reason []byte
	// manifest is memory of its own, which is used for one after the other.
	manifest []byte
}

// newManifestReader returns a reader with a window of so many bytes.
func newManifestReader(window int) *manifestReader {
	return &manifestReader{bodyReader: bodyReader{window: window}}
}

// read reads an answer to its end. With an error, what was taken is void.
func (m *manifestReader) read(body io.Reader, take manifestTaker) error {
	m.open(body)
	defer m.forget()
	take.begin()
	var images, failures bool
	return m.document(func(name string) error {
		switch {
		case name == "images" && !images:
			images = true
			return m.items(m.image, func() { take.image(m.digest, m.mediaType, m.manifest) })
		case name == "failures" && !failures:
			failures = true
			return m.items(m.failure, func() { take.failure(m.digest, m.code, m.reason) })
		case name == "images" || name == "failures":
			return m.Wrong("one list of " + name)
		}
		return m.whole(m.Skip)
	})
}

// forget lets go of what is not the reader's own, and of more memory than is
// usual.
func (m *manifestReader) forget() {
	m.clear()
	if m.body = nil; cap(m.manifest) > m.window {
		m.manifest = nil
	}
}

// clear drops what was read of an image or a failure.
func (m *manifestReader) clear() {
	m.digest, m.mediaType, m.code, m.reason, m.manifest = nil, nil, nil, nil, m.manifest[:0]
}

// object reads an object or null, which is as good as an empty one.
func (m *manifestReader) object(each func(name []byte) error) error {
	m.clear()
	if null, err := m.Null(); err != nil || null {
		return err
	}
	return m.Object(each)
}

// image reads one image. Of members that occur again the last one counts, and
// those that are null are absent.
func (m *manifestReader) image() error {
	return m.object(func(name []byte) (err error) {
		switch string(name) {
		case "imageId":
			err = m.imageID()
		case "imageManifest":
			m.manifest, err = m.AppendText(m.manifest[:0])
		case "imageManifestMediaType":
			m.mediaType, err = m.Text()
		case "registryId", "repositoryName":
			_, err = m.Text()
		default:
			err = m.Skip()
		}
		return err
	})
}

// failure reads one failure.
func (m *manifestReader) failure() error {
	return m.object(func(name []byte) (err error) {
		switch string(name) {
		case "imageId":
			err = m.imageID()
		case "failureCode":
			m.code, err = m.Text()
		case "failureReason":
			m.reason, err = m.Text()
		default:
			err = m.Skip()
		}
		return err
	})
}

// imageID reads the digest of an ImageIdentifier.
func (m *manifestReader) imageID() error {
	m.digest = nil
	return m.Object(func(name []byte) (err error) {
		switch string(name) {
		case "imageDigest":
			m.digest, err = m.Text()
		case "imageTag":
			_, err = m.Text()
		default:
			err = m.Skip()
		}
		return err
	})
}
