package objects

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/regsweep/regsweep/internal/awsapi"
)

// maxPut is the most that one PutObject takes ("Uploading objects" in the
// Amazon S3 user guide).
const maxPut = 5 << 30

// errNotStored is an answer of 200 that does not say that anything was stored.
var errNotStored = errors.New("the answer does not say that the object is stored")

// put sends what the function writes.
func (o *Object) put(ctx context.Context, write func(io.Writer) error) error {
	s := newSpool()
	defer s.close()
	if err := write(s); err != nil {
		return err
	}
	if s.size > maxPut {
		return fmt.Errorf("%s: these are %d bytes, and Amazon S3 takes %d in one request", o.path, s.size, int64(maxPut))
	}
	checksum := s.checksum()
	_, err := o.call(ctx, "s3:PutObject", "", func(client *s3.Client, region string) error {
		body, err := s.body()
		if err != nil {
			return err
		}
		// The checksum is in a signed header, so that S3 takes these bytes and no
		// others; it keeps it for whoever reads the object.
		out, err := client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &o.bucket, Key: &o.key, Body: body, ContentLength: &s.size,
			ChecksumAlgorithm: types.ChecksumAlgorithmSha256, ChecksumSHA256: &checksum,
		}, in(region))
		// What was stored has an entity tag, which every answer of S3 names; another
		// server in between may say 200 too.
		if err == nil && aws.ToString(out.ETag) == "" {
			err = errNotStored
		}
		return err
	})
	return err
}

// get begins to read the object.
func (o *Object) get(ctx context.Context) (io.ReadCloser, error) {
	r := &reader{ctx: ctx, object: o}
	err := r.open("", &s3.GetObjectInput{ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// in makes a call go to a region; "" is the client's own.
func in(region string) func(*s3.Options) {
	return func(opts *s3.Options) {
		if region != "" {
			opts.Region = region
		}
	}
}

// call does what is given with a client, in the region or, where S3 says that
// the bucket is elsewhere, there. "" is the session's region. It returns the
// region where the bucket is.
func (o *Object) call(ctx context.Context, action, region string, do func(client *s3.Client, region string) error) (string, error) {
	cfg, err := o.session.Config(ctx, awsapi.Target{})
	if err != nil {
		return "", fmt.Errorf("%s: %w", o.path, err)
	}
	client := s3.NewFromConfig(cfg, func(opts *s3.Options) {
		// The names of buckets are no hosts of an endpoint that is not AWS's own.
		opts.UsePathStyle = opts.BaseEndpoint != nil
	})
	if region == "" {
		region = cfg.Region
	}
	err = do(client, region)
	if elsewhere := bucketRegion(err); elsewhere != "" && elsewhere != region {
		region = elsewhere
		err = do(client, region)
	}
	return region, o.explain(err, action, region)
}

// bucketRegion returns the region that S3 says a bucket is in, where it is an
// error to have asked elsewhere, or "".
func bucketRegion(err error) string {
	response, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok || response.Response == nil || response.Response.Response == nil {
		return ""
	}
	return response.Response.Header.Get("X-Amz-Bucket-Region")
}

// explain gives an error of a call its type and the path.
func (o *Object) explain(err error, action, region string) error {
	if err == nil {
		return nil
	}
	if denied, ok := errors.AsType[*awsapi.DeniedError](err); ok {
		if denied.Action == "s3:ListObjectsV2" { // the call's name; the action has another
			denied.Action = listAction
		}
		if denied.Resource == "" && denied.Action == action {
			denied.Resource = fmt.Sprintf("arn:%s:s3:::%s", awsapi.Partition(region), o.bucket)
			if action != listAction {
				denied.Resource += "/" + o.key
			}
		}
		// See GetObject in the API reference, "Permissions".
		if action == "s3:GetObject" && (denied.Principal == "" || denied.Action == "s3:ListBucket") {
			return fmt.Errorf("%s: %w (or there is no such object, which S3 tells only those who may call s3:ListBucket)", o.path, err)
		}
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		switch api.ErrorCode() {
		case "NoSuchKey":
			return &NotFoundError{Path: o.path, Err: err}
		case "NoSuchBucket":
			return &NotFoundError{Path: o.path, Bucket: true, Err: err}
		}
	}
	return fmt.Errorf("%s: %w", o.path, err)
}

// retryer returns the retries of the session.
func (o *Object) retryer(ctx context.Context) (aws.Retryer, error) {
	cfg, err := o.session.Config(ctx, awsapi.Target{})
	if err != nil {
		return nil, err
	}
	return cfg.Retryer(), nil
}
