package objects

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithytime "github.com/aws/smithy-go/time"
)

// reader reads an object in Amazon S3. Where the connection breaks off it reads
// on from there, as often as the session repeats a call.
type reader struct {
	// ctx is that of the call that began reading, as with an HTTP body.
	ctx    context.Context
	object *Object
	region string
	// etag names the content, and length is its bytes, or -1 if S3 did not say.
	etag   string
	length int64
	body   io.ReadCloser
	// at is how many bytes were read, and attempts how often reading began.
	at       int64
	attempts int
	// err is why no more can be read.
	err error
}

// errOtherRange is an answer that cannot be joined to what was read.
var errOtherRange = errors.New("the answer is not the rest that was asked for")

// open begins to read as the request asks for, in the region.
func (r *reader) open(region string, request *s3.GetObjectInput) error {
	request.Bucket, request.Key = &r.object.bucket, &r.object.key
	r.attempts++
	found, err := r.object.call(r.ctx, "s3:GetObject", region, func(client *s3.Client, region string) error {
		out, err := client.GetObject(r.ctx, request, in(region), func(o *s3.Options) {
			if request.Range != nil { // a checksum is that of the whole
				o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
			}
		})
		if err != nil {
			return err
		}
		r.body = out.Body
		if request.Range == nil {
			r.etag, r.length = aws.ToString(out.ETag), -1
			if out.ContentLength != nil {
				r.length = *out.ContentLength
			}
		} else if !strings.HasPrefix(aws.ToString(out.ContentRange), fmt.Sprintf("bytes %d-", r.at)) {
			_ = r.body.Close() // whatever it is
			return errOtherRange
		}
		return nil
	})
	r.region = found
	return err
}

// Read reads on.
func (r *reader) Read(b []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	for {
		n, err := r.body.Read(b)
		r.at += int64(n)
		switch {
		case err == nil:
			return n, nil
		case errors.Is(err, io.EOF) && (r.at == r.length || r.length < 0):
			r.err = io.EOF
			return n, r.err
		case errors.Is(err, io.EOF):
			err = io.ErrUnexpectedEOF
		}
		if r.err = r.resume(err); r.err != nil {
			return n, r.err
		}
		if n > 0 {
			return n, nil
		}
	}
}

// resume begins to read where an error ended it, or returns that error.
func (r *reader) resume(broken error) error {
	failed := fmt.Errorf("%s: at byte %d of %d: %w", r.object.path, r.at, r.length, broken)
	if err := r.ctx.Err(); err != nil {
		return err
	}
	retryer, err := r.object.retryer(r.ctx)
	// What is wrong with all of the content, such as its checksum, stays wrong.
	if err != nil || r.at >= r.length || r.etag == "" || !retryer.IsErrorRetryable(broken) {
		return failed
	}
	wait, err := retryer.RetryDelay(r.attempts, broken)
	if err != nil { // no attempt is left
		return failed
	}
	if err := smithytime.SleepWithContext(r.ctx, wait); err != nil {
		return err
	}
	_ = r.body.Close() // it is broken
	r.body = io.NopCloser(nil)
	// Never the end of another content, which somebody may have put meanwhile.
	return r.open(r.region, &s3.GetObjectInput{Range: aws.String(fmt.Sprintf("bytes=%d-", r.at)), IfMatch: &r.etag})
}

// Close ends reading.
func (r *reader) Close() error { return r.body.Close() }
