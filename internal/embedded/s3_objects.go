package embedded

import (
	"bytes"
	"crypto/md5" //nolint:gosec // what Amazon S3 makes its entity tags of
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"net/http"
	"strconv"
	"strings"
)

// put makes an object the content of the key. The lock is held.
func (b *Bucket) put(key string, o object) object {
	sum := md5.Sum(o.body) //nolint:gosec // as Amazon S3
	o.etag = `"` + hex.EncodeToString(sum[:]) + `"`
	b.objects.put(key, o)
	return o
}

// checksums are the headers that an object can be sent with, beginning with
// X-Amz-Checksum-, and how they are computed ("Checking object integrity" in
// the Amazon S3 user guide).
var checksums = map[string]func() hash.Hash{
	"Sha256":    sha256.New,
	"Crc32":     func() hash.Hash { return crc32.NewIEEE() },
	"Crc32c":    func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) },
	"Crc64nvme": func() hash.Hash { return crc64.New(crc64.MakeTable(0x9a6c9329ac4bc9b5)) },
}

func putObject(c *Call) (any, error) {
	h := c.request.Header
	switch condition := h.Get("If-None-Match"); {
	case h.Get("X-Amz-Copy-Source") != "":
		return nil, notImplemented("Copies are not implemented")
	case condition != "" && condition != "*":
		return nil, notImplemented("A header you provided implies functionality that is not implemented: If-None-Match: %s", condition)
	}
	sums, err := verify(c)
	if err != nil {
		return nil, err
	}
	c.Server.s3.mu.Lock()
	defer c.Server.s3.mu.Unlock()
	b, err := c.bucket()
	if err != nil {
		return nil, err
	}
	key := c.Path("Key")
	const longestKey = 1024
	if len(key) > longestKey {
		return nil, errorf("KeyTooLongError", "Your key is too long")
	}
	if _, exists := b.objects.get(key); exists && h.Get("If-None-Match") != "" {
		return nil, preconditionFailed()
	}
	o := object{body: c.Body, contentType: h.Get("Content-Type"), modified: c.Now, checksums: sums}
	if o.contentType == "" {
		o.contentType = "binary/octet-stream"
	}
	o = b.put(key, o)
	out := http.Header{}
	out.Set("Etag", o.etag)
	o.tellChecksums(out)
	return &rawAnswer{status: http.StatusOK, header: out}, nil
}

// verify compares the body with the hashes that it was sent with, and returns
// the checksums to keep.
func verify(c *Call) (map[string]string, error) {
	h := c.request.Header
	if declared := h.Get("X-Amz-Content-Sha256"); strings.HasPrefix(declared, "STREAMING-") {
		return nil, notImplemented("A body in signed chunks or with a trailer is not implemented: %s", declared)
	} else if sum := sha256.Sum256(c.Body); declared != "UNSIGNED-PAYLOAD" && declared != hex.EncodeToString(sum[:]) {
		return nil, errorf("XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.")
	}
	if declared := h.Get("Content-Md5"); declared != "" {
		if sum := md5.Sum(c.Body); declared != base64.StdEncoding.EncodeToString(sum[:]) { //nolint:gosec // as Amazon S3
			return nil, errorf("BadDigest", "The Content-MD5 you specified did not match what we received.")
		}
	}
	kept := map[string]string{}
	for name, algorithm := range checksums {
		header := "X-Amz-Checksum-" + name
		declared := h.Get(header)
		if declared == "" {
			continue
		}
		sum := algorithm()
		sum.Write(c.Body)
		if declared != base64.StdEncoding.EncodeToString(sum.Sum(nil)) {
			return nil, errorf("BadDigest", "The %s you specified did not match the calculated checksum.", strings.ToUpper(name))
		}
		kept[header] = declared
	}
	return kept, nil
}

func (o *object) tellChecksums(h http.Header) {
	for name, value := range o.checksums {
		h.Set(name, value)
		h.Set("X-Amz-Checksum-Type", "FULL_OBJECT")
	}
}

func preconditionFailed() *Error {
	return &Error{Code: "PreconditionFailed", Message: "At least one of the pre-conditions you specified did not hold", Status: http.StatusPreconditionFailed}
}

// getObject answers GetObject, and HeadObject, of which only the head is sent.
func getObject(c *Call) (any, error) {
	c.Server.s3.mu.Lock()
	defer c.Server.s3.mu.Unlock()
	b, err := c.bucket()
	if err != nil {
		return nil, err
	}
	o, exists := b.objects.get(c.Path("Key"))
	if !exists {
		// Who may not list the bucket is not told what is in it (API reference,
		// GetObject).
		if c.Server.refusal(c.Principal, "s3:ListBucket", func() []string { return []string{bucketARN(b.Name)} }) != nil {
			return nil, c.service.accessDenied("Access Denied")
		}
		return nil, &Error{Code: "NoSuchKey", Message: "The specified key does not exist.", Status: http.StatusNotFound}
	}
	in, out := c.request.Header, http.Header{}
	if want := in.Get("If-Match"); want != "" && want != "*" && strings.Trim(want, `"`) != strings.Trim(o.etag, `"`) {
		return nil, preconditionFailed()
	}
	out.Set("Etag", o.etag)
	out.Set("Content-Type", o.contentType)
	out.Set("Last-Modified", o.modified.UTC().Format(http.TimeFormat))
	out.Set("Accept-Ranges", "bytes")
	out.Set("X-Amz-Server-Side-Encryption", "AES256")
	first, length, ok := cutRange(in.Get("Range"), len(o.body))
	switch {
	case !ok:
		return nil, &Error{Code: "InvalidRange", Message: "The requested range is not satisfiable", Status: http.StatusRequestedRangeNotSatisfiable}
	case in.Get("Range") == "":
		if strings.EqualFold(in.Get("X-Amz-Checksum-Mode"), "ENABLED") {
			o.tellChecksums(out)
		}
		return &rawAnswer{status: http.StatusOK, header: out, body: o.body}, nil
	}
	out.Set("Content-Range", "bytes "+strconv.Itoa(first)+"-"+strconv.Itoa(first+length-1)+"/"+strconv.Itoa(len(o.body)))
	return &rawAnswer{status: http.StatusPartialContent, header: out, body: o.body[first : first+length]}, nil
}

// cutRange returns where the range begins that a request asks for, and its
// length, which is the whole for a request without one. ok is false for a range
// that cannot be answered. Several ranges are none that S3 answers.
func cutRange(header string, size int) (first, length int, ok bool) {
	if header == "" {
		return 0, size, true
	}
	text, isBytes := strings.CutPrefix(header, "bytes=")
	from, to, isRange := strings.Cut(text, "-")
	if !isBytes || !isRange {
		return 0, 0, false
	}
	if from == "" { // the last ones
		n, err := strconv.Atoi(to)
		n = min(n, size)
		return size - n, n, err == nil && n > 0
	}
	first, err := strconv.Atoi(from)
	last := size - 1
	if to != "" && err == nil {
		last, err = strconv.Atoi(to)
		last = min(last, size-1)
	}
	return first, last - first + 1, err == nil && first >= 0 && first <= last
}

func deleteObject(c *Call) (any, error) {
	c.Server.s3.mu.Lock()
	defer c.Server.s3.mu.Unlock()
	b, err := c.bucket()
	if err != nil {
		return nil, err
	}
	b.objects.remove(c.Path("Key")) // one that is not there is no error
	return &rawAnswer{status: http.StatusNoContent}, nil
}

// repeatXMLToken is repeatToken for answers in XML.
func repeatXMLToken(answer []byte, element, token string) []byte {
	open, end := []byte("<"+element+">"), []byte("</"+element+">")
	before, rest, found := bytes.Cut(answer, open)
	_, after, ended := bytes.Cut(rest, end)
	if token == "" || !found || !ended {
		return answer
	}
	return bytes.Join([][]byte{before, open, []byte(token), end, after}, nil)
}
