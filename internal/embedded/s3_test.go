package embedded_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/embedded"
)

// s3Client returns a client of the account's administrator that never retries.
// It calls the addresses of AWS themselves, unless the region is "".
func (w *world) s3Client(account, region string) *s3.Client {
	o := s3.Options{
		Region: region, HTTPClient: w.Client(), Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(w.Account(account).AccessKeyID(), "secret", ""),
	}
	if region == "" {
		o.Region, o.BaseEndpoint = west, aws.String("http://127.0.0.1:4566")
	}
	return s3.New(o)
}

// put sends an object without what the SDK adds of itself.
func putObject(ctx context.Context, c *s3.Client, bucket, key, body string) error {
	_, err := c.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &bucket, Key: &key, Body: strings.NewReader(body),
	}, func(o *s3.Options) { o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired })
	return err
}

func getObject(ctx context.Context, c *s3.Client, in *s3.GetObjectInput) (string, error) {
	out, err := c.GetObject(ctx, in)
	if err != nil {
		return "", err
	}
	defer out.Body.Close()
	text, err := io.ReadAll(out.Body)
	return string(text), err
}

// The bucket may be in the path or in the host name, and a key may hold
// anything.
func TestS3Addresses(t *testing.T) {
	for name, region := range map[string]string{"path": "", "host name": west} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(embedded.Options{})
			client := w.s3Client(home, region)
			bucket := embedded.Must(w.region.S3().CreateBucket("exchange"))
			for _, key := range []string{"a", "a/b", "/a//b/", "../c", "ü + %2F?x=1&y#z", "s3://exchange/a", "exchange/a"} {
				if err := putObject(t.Context(), client, "exchange", key, "content of "+key); err != nil {
					t.Fatalf("put %q: %v", key, err)
				}
				if got, ok := bucket.Get(key); !ok || string(got) != "content of "+key {
					t.Errorf("%q holds %q, %v; the keys are %q", key, got, ok, bucket.Keys())
				}
				got, err := getObject(t.Context(), client, &s3.GetObjectInput{Bucket: &bucket.Name, Key: &key})
				if err != nil || got != "content of "+key {
					t.Errorf("get %q: %q, %v", key, got, err)
				}
			}
		})
	}
}

func TestS3Errors(t *testing.T) {
	exchange := aws.String("exchange")
	create := func(name, location string) func(context.Context, *s3.Client) error {
		return func(ctx context.Context, c *s3.Client) error {
			in := &s3.CreateBucketInput{Bucket: &name}
			if location != "" {
				in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(location)}
			}
			_, err := c.CreateBucket(ctx, in)
			return err
		}
	}
	get := func(in *s3.GetObjectInput) func(context.Context, *s3.Client) error {
		return func(ctx context.Context, c *s3.Client) error { _, err := getObject(ctx, c, in); return err }
	}
	put := func(change func(*s3.PutObjectInput)) func(context.Context, *s3.Client) error {
		return func(ctx context.Context, c *s3.Client) error {
			in := &s3.PutObjectInput{Bucket: exchange, Key: aws.String("a"), Body: strings.NewReader("b")}
			change(in)
			_, err := c.PutObject(ctx, in, func(o *s3.Options) { o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired })
			return err
		}
	}
	list := func(in *s3.ListObjectsV2Input) func(context.Context, *s3.Client) error {
		return func(ctx context.Context, c *s3.Client) error {
			in.Bucket = exchange
			_, err := c.ListObjectsV2(ctx, in)
			return err
		}
	}
	for _, test := range []struct {
		name, code string
		status     int
		call       func(context.Context, *s3.Client) error
	}{
		{"no such bucket", "NoSuchBucket", 404, get(&s3.GetObjectInput{Bucket: aws.String("none"), Key: aws.String("a")})},
		{"no such key", "NoSuchKey", 404, get(&s3.GetObjectInput{Bucket: exchange, Key: aws.String("none")})},
		{"a range after the end", "InvalidRange", 416, get(&s3.GetObjectInput{Bucket: exchange, Key: aws.String("a"), Range: aws.String("bytes=7-")})},
		{"a range of nothing", "InvalidRange", 416, get(&s3.GetObjectInput{Bucket: exchange, Key: aws.String("a"), Range: aws.String("bytes=2-1")})},
		{"another content", "PreconditionFailed", 412, get(&s3.GetObjectInput{Bucket: exchange, Key: aws.String("a"), IfMatch: aws.String(`"other"`)})},
		{"the key exists", "PreconditionFailed", 412, put(func(in *s3.PutObjectInput) { in.IfNoneMatch = aws.String("*") })},
		{"a condition that is none", "NotImplemented", 501, put(func(in *s3.PutObjectInput) { in.IfNoneMatch = aws.String("x") })},
		{"a write of what is known", "NotImplemented", 501, put(func(in *s3.PutObjectInput) { in.IfMatch = aws.String(`"other"`) })},
		{"a read of what is new", "NotImplemented", 501, get(&s3.GetObjectInput{Bucket: exchange, Key: aws.String("a"), IfNoneMatch: aws.String(`"other"`)})},
		{"an expected owner", "NotImplemented", 501, put(func(in *s3.PutObjectInput) { in.ExpectedBucketOwner = aws.String(other) })},
		{"a wrong checksum", "BadDigest", 400, put(func(in *s3.PutObjectInput) { in.ChecksumCRC32 = aws.String("AAAAAA==") })},
		{"a wrong MD5", "BadDigest", 400, put(func(in *s3.PutObjectInput) { in.ContentMD5 = aws.String("AAAA") })},
		{"a long key", "KeyTooLongError", 400, put(func(in *s3.PutObjectInput) { in.Key = aws.String(strings.Repeat("k", 1025)) })},
		{"a bucket of the caller", "BucketAlreadyOwnedByYou", 409, create("exchange", west)},
		{"a bucket of another", "BucketAlreadyExists", 409, create("others", west)},
		{"a bad name", "InvalidBucketName", 400, create("Bad_name", west)},
		{"another location", "IllegalLocationConstraintException", 400, create("new", "us-east-2")},
		{"no location", "IllegalLocationConstraintException", 400, create("new", "")},
		{"a bucket of an account without trust", "AccessDenied", 403, get(&s3.GetObjectInput{Bucket: aws.String("others"), Key: aws.String("a")})},
		{"a bucket elsewhere", "PermanentRedirect", 301, get(&s3.GetObjectInput{Bucket: aws.String("far"), Key: aws.String("a")})},
		{"a token of another list", "InvalidArgument", 400, list(&s3.ListObjectsV2Input{ContinuationToken: aws.String("a")})},
		{"a page of less than none", "InvalidArgument", 400, list(&s3.ListObjectsV2Input{MaxKeys: aws.Int32(-1)})},
		{"a version", "NotImplemented", 501, get(&s3.GetObjectInput{Bucket: exchange, Key: aws.String("a"), VersionId: aws.String("1")})},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(embedded.Options{})
			embedded.Must(w.region.S3().CreateBucket("exchange")).Put("a", []byte("content"))
			embedded.Must(w.Account(other).Region(west).S3().CreateBucket("others"))
			embedded.Must(w.Account(home).Region("us-east-2").S3().CreateBucket("far"))
			err := test.call(t.Context(), w.s3Client(home, ""))
			wantCode(t, err, test.code)
			var response *smithyhttp.ResponseError
			if !errors.As(err, &response) || response.HTTPStatusCode() != test.status {
				t.Fatalf("got %v, want status %d", err, test.status)
			}
			if region := response.Response.Header.Get("X-Amz-Bucket-Region"); test.status == 301 && region != "us-east-2" {
				t.Errorf("the region of the bucket is told as %q", region)
			}
		})
	}
}

func TestS3Ranges(t *testing.T) {
	w := newWorld(embedded.Options{})
	embedded.Must(w.region.S3().CreateBucket("exchange")).Put("a", []byte("0123456789"))
	for asked, want := range map[string]string{
		"bytes=0-0": "0", "bytes=3-5": "345", "bytes=7-": "789", "bytes=7-99": "789", "bytes=-2": "89", "bytes=-99": "0123456789",
	} {
		got, err := getObject(t.Context(), w.s3Client(home, ""), &s3.GetObjectInput{Bucket: aws.String("exchange"), Key: aws.String("a"), Range: &asked})
		if err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", asked, got, err, want)
		}
	}
}

// A bucket may be used by accounts that its owner trusts, and by nobody who is
// denied it. Who may not list it is not told what is not there.
func TestS3Denied(t *testing.T) {
	w := newWorld(embedded.Options{})
	embedded.Must(w.Account(other).Region(west).S3().CreateBucket("exchange")).Put("a", []byte("content"))
	w.Account(other).Trust(home)
	client := w.s3Client(home, "")
	object := func(key string) *s3.GetObjectInput {
		return &s3.GetObjectInput{Bucket: aws.String("exchange"), Key: &key}
	}
	if got, err := getObject(t.Context(), client, object("a")); err != nil || got != "content" {
		t.Fatalf("got %q, %v", got, err)
	}
	key := w.Account(home).AccessKeyID()
	w.Deny(key, "s3:ListBucket", "arn:aws:s3:::exchange")
	_, err := getObject(t.Context(), client, object("none"))
	wantCode(t, err, "AccessDenied")
	w.Deny(key, "s3:PutObject", "arn:aws:s3:::exchange/a/*")
	wantCode(t, putObject(t.Context(), client, "exchange", "b", "text"), "")
	err = putObject(t.Context(), client, "exchange", "a/b", "text")
	wantCode(t, err, "AccessDenied")
	if want := `is not authorized to perform: s3:PutObject on resource: "arn:aws:s3:::exchange/a/b" because`; !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	w.Deny(key, "s3:GetObject", "")
	_, err = client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("exchange"), Key: aws.String("a")})
	wantCode(t, err, "Forbidden") // an answer to HEAD has no body
	w.ExpireKey(key)
	_, err = getObject(t.Context(), client, object("a"))
	wantCode(t, err, "ExpiredToken")
}

// Faults, limits and counts are those of every service.
func TestS3Faults(t *testing.T) {
	body := strings.Repeat("content ", 100)
	for _, test := range []struct {
		name  string
		fault embedded.Fault
		want  string // in the error
	}{
		{"none", embedded.Fault{}, ""},
		{"internal", embedded.Fault{Kind: embedded.FaultInternal}, "InternalError"},
		{"of a code", embedded.Fault{Kind: embedded.FaultError, Code: "InvalidObjectState", Status: 403}, "InvalidObjectState"},
		{"dropped", embedded.Fault{Kind: embedded.FaultDropBefore}, "dropped"},
		{"truncated", embedded.Fault{Kind: embedded.FaultTruncate}, "unexpected EOF"},
		{"half of it", embedded.Fault{Kind: embedded.FaultMalformed}, "checksum"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(embedded.Options{Faults: embedded.FaultOn("s3", "GetObject", test.fault)})
			embedded.Must(w.region.S3().CreateBucket("exchange"))
			client := w.s3Client(home, "")
			_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("exchange"), Key: aws.String("a"), Body: strings.NewReader(body), ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme})
			wantCode(t, err, "")
			got, err := getObject(t.Context(), client, &s3.GetObjectInput{Bucket: aws.String("exchange"), Key: aws.String("a"), ChecksumMode: types.ChecksumModeEnabled})
			if test.want == "" && (err != nil || got != body) || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %d bytes, %v, want %q", len(got), err, test.want)
			}
			if diff := cmp.Diff(map[string]int{"s3:PutObject": 1, "s3:GetObject": 1}, w.Stats().Calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
	w := newWorld(embedded.Options{})
	w.SetRate("s3:HeadBucket", embedded.Rate{PerSecond: 0.001, Burst: 1})
	embedded.Must(w.region.S3().CreateBucket("exchange"))
	for _, want := range []int{0, http.StatusServiceUnavailable} {
		_, err := w.s3Client(home, "").HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: aws.String("exchange")})
		var response *smithyhttp.ResponseError
		if got := errors.As(err, &response); got != (want != 0) || got && response.HTTPStatusCode() != want {
			t.Errorf("got %v, want status %d", err, want)
		}
	}
}

// A list comes in pages, whose entries are keys and groups of keys.
func TestS3List(t *testing.T) {
	w := newWorld(embedded.Options{})
	bucket := embedded.Must(w.region.S3().CreateBucket("exchange"))
	for _, key := range []string{"a/", "a/1", "a/2", "a/b/1", "a/b/2", "a/c/1", "a0", "b", "ü /+"} {
		bucket.Put(key, []byte(key))
	}
	for _, test := range []struct {
		prefix, delimiter string
		want              []string
	}{
		{"", "", []string{"a/", "a/1", "a/2", "a/b/1", "a/b/2", "a/c/1", "a0", "b", "ü /+"}},
		{"", "/", []string{"(a/)", "a0", "b", "(ü /)"}},
		{"a/", "/", []string{"a/", "a/1", "a/2", "(a/b/)", "(a/c/)"}},
		{"a", "/", []string{"(a/)", "a0"}},
		{"none", "/", nil},
	} {
		for size := range 4 {
			t.Run(fmt.Sprintf("%s%s by %d", test.prefix, test.delimiter, size+1), func(t *testing.T) {
				pages := s3.NewListObjectsV2Paginator(w.s3Client(home, ""), &s3.ListObjectsV2Input{
					Bucket: aws.String("exchange"), Prefix: &test.prefix, Delimiter: &test.delimiter, MaxKeys: aws.Int32(int32(size + 1)),
				})
				var got []string
				for pages.HasMorePages() {
					page, err := pages.NextPage(t.Context())
					wantCode(t, err, "")
					var entries []string
					for _, o := range page.Contents {
						entries = append(entries, aws.ToString(o.Key))
					}
					for _, p := range page.CommonPrefixes {
						entries = append(entries, "("+aws.ToString(p.Prefix)+")")
					}
					if len(entries) != int(aws.ToInt32(page.KeyCount)) || len(entries) > size+1 {
						t.Errorf("a page of %q has the count %d", entries, aws.ToInt32(page.KeyCount))
					}
					got = append(got, entries...)
				}
				// An answer has keys and groups apart.
				slices.SortFunc(got, func(a, b string) int { return strings.Compare(strings.Trim(a, "("), strings.Trim(b, "(")) })
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	}
	page, err := w.s3Client(home, "").ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("exchange"), MaxKeys: aws.Int32(0)})
	if err != nil || len(page.Contents) != 0 || aws.ToBool(page.IsTruncated) {
		t.Errorf("a page of none: %v, %v", page, err)
	}
	// The fault of a server that goes in circles.
	w.SetFaults(embedded.FaultOn("s3", "ListObjectsV2", embedded.Fault{Kind: embedded.FaultRepeatToken}))
	token := ""
	for i := range 3 {
		in := &s3.ListObjectsV2Input{Bucket: aws.String("exchange"), MaxKeys: aws.Int32(1)}
		if i > 0 {
			in.ContinuationToken = &token
		}
		page, err := w.s3Client(home, "").ListObjectsV2(t.Context(), in)
		wantCode(t, err, "")
		if next := aws.ToString(page.NextContinuationToken); i > 0 && next != token {
			t.Errorf("page %d: token %s, want %s again", i, next, token)
		} else {
			token = next
		}
	}
}

// The region without a name in requests and answers.
func TestS3FirstRegion(t *testing.T) {
	w := newWorld(embedded.Options{})
	client := w.s3Client(home, "us-east-1")
	_, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("exchange")})
	wantCode(t, err, "")
	out, err := client.GetBucketLocation(t.Context(), &s3.GetBucketLocationInput{Bucket: aws.String("exchange")})
	if err != nil || out.LocationConstraint != "" {
		t.Errorf("got %v, %v", out, err)
	}
	_, err = client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("exchange"), Key: aws.String("a")})
	wantCode(t, err, "NotFound")
	b, ok := w.Bucket("exchange")
	if !ok {
		t.Fatal("no bucket")
	}
	b.Put("a", bytes.Repeat([]byte("a"), 1234))
	head, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("exchange"), Key: aws.String("a")})
	if err != nil || aws.ToInt64(head.ContentLength) != 1234 || !aws.ToTime(head.LastModified).Equal(start) {
		t.Errorf("got %v, %v", head, err)
	}
}
