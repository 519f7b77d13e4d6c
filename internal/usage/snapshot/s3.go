package snapshot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go/encoding/httpbinding"

	"github.com/regsweep/regsweep/internal/awsapi"
)

// One GetObject is all that is needed of Amazon S3. It is made by hand, since
// the SDK's client would be the largest part of the program.

// object is the address of an S3 object.
type object struct{ bucket, key string }

// bucketName is the form of the names of general purpose buckets ("Bucket
// naming rules" in the Amazon S3 user guide).
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// parseObject reads s3://bucket/key.
func parseObject(path string) (object, error) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(path, "s3://"), "/")
	if !bucketName.MatchString(bucket) || key == "" {
		return object{}, fmt.Errorf("%q is not an S3 object: want s3://bucket/key", path)
	}
	return object{bucket, key}, nil
}

// partitions are the AWS partitions by the beginning of their regions' names.
// The last one is all others.
var partitions = []struct{ regions, name, suffix string }{
	{"cn-", "aws-cn", "amazonaws.com.cn"},
	{"us-gov-", "aws-us-gov", "amazonaws.com"},
	{"us-iso-", "aws-iso", "c2s.ic.gov"},
	{"us-isob-", "aws-iso-b", "sc2s.sgov.gov"},
	{"eu-isoe-", "aws-iso-e", "cloud.adc-e.uk"},
	{"us-isof-", "aws-iso-f", "csp.hci.ic.gov"},
	{"eusc-", "aws-eusc", "amazonaws.eu"},
	{"", "aws", "amazonaws.com"},
}

func partitionOf(region string) (name, suffix string) {
	for _, p := range partitions {
		if strings.HasPrefix(region, p.regions) {
			return p.name, p.suffix
		}
	}
	return "", ""
}

// s3Reader reads one object.
type s3Reader struct {
	object
	config func(context.Context) (aws.Config, error)
	// endpoint replaces the service's own, as AWS_ENDPOINT_URL_S3 says, or "".
	endpoint string
	now      func() time.Time
}

// S3Error is an answer of Amazon S3 that is not the object.
type S3Error struct {
	// Status is the HTTP status.
	Status int
	// Code and Message are what S3 says, for example "NoSuchKey".
	Code, Message string
	// Region is the bucket's region where S3 tells it, or "".
	Region string
}

func (e *S3Error) Error() string {
	text := fmt.Sprintf("Amazon S3 answered %d %s", e.Status, e.Code)
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// open starts reading the object. A bucket may be in another region than the
// session: S3 then says where.
func (r *s3Reader) open(ctx context.Context) (io.ReadCloser, error) {
	cfg, err := r.config(ctx)
	if err != nil {
		return nil, err
	}
	region := cfg.Region
	body, err := r.get(ctx, cfg, region)
	if failure, ok := errors.AsType[*S3Error](err); ok && failure.Region != "" && failure.Region != region {
		region = failure.Region
		body, err = r.get(ctx, cfg, region)
	}
	if failure, ok := errors.AsType[*S3Error](err); ok && failure.Code == "AccessDenied" {
		partition, _ := partitionOf(region)
		return nil, &awsapi.DeniedError{
			Action:   "s3:GetObject",
			Resource: fmt.Sprintf("arn:%s:s3:::%s/%s", partition, r.bucket, r.key),
			Err:      err,
		}
	}
	return body, err
}

// get makes the call in one region.
func (r *s3Reader) get(ctx context.Context, cfg aws.Config, region string) (io.ReadCloser, error) {
	address, err := r.address(cfg, region)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return nil, err
	}
	// The text of an URL leaves it open what its path was escaped from.
	request.URL = address
	if err := r.sign(ctx, cfg, region, request); err != nil {
		return nil, err
	}
	client := cfg.HTTPClient
	if client == nil {
		client = awshttp.NewBuildableClient()
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusOK {
		return response.Body, nil
	}
	defer response.Body.Close()
	return nil, readError(response)
}

// address returns the URL of the object: with the bucket in the host name, as
// S3 wants it, or in the path where the host is not S3's own or a dot in the
// bucket's name would not fit its certificate.
func (r *s3Reader) address(cfg aws.Config, region string) (*url.URL, error) {
	endpoint := r.endpoint
	if endpoint == "" && cfg.BaseEndpoint != nil {
		endpoint = *cfg.BaseEndpoint
	}
	_, suffix := partitionOf(region)
	host := "s3." + region + "." + suffix
	path := "/" + r.bucket + "/" + r.key
	switch {
	case endpoint != "":
	case strings.Contains(r.bucket, "."):
		endpoint = "https://" + host
	default:
		endpoint, path = "https://"+r.bucket+"."+host, "/"+r.key
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, fmt.Errorf("the endpoint of Amazon S3: %w", err)
	}
	path = strings.TrimSuffix(u.Path, "/") + path
	u.Path, u.RawPath = path, httpbinding.EscapePath(path, false)
	return u, nil
}

// sign signs a request without a body. S3 wants the digest of the body in a
// header, and the path escaped once only.
func (r *s3Reader) sign(ctx context.Context, cfg aws.Config, region string, request *http.Request) error {
	if cfg.Credentials == nil {
		return errors.New("there are no AWS credentials")
	}
	credentials, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return &awsapi.CredentialsError{Err: fmt.Errorf("get AWS credentials: %w", err)}
	}
	sum := sha256.Sum256(nil)
	payload := hex.EncodeToString(sum[:])
	request.Header.Set("X-Amz-Content-Sha256", payload)
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	return signer.SignHTTP(ctx, credentials, request, payload, "s3", region, r.now())
}

// readError reads the XML that S3 explains a failure with. What is no such XML
// leaves the status.
func readError(response *http.Response) error {
	failure := &S3Error{
		Status: response.StatusCode,
		Code:   http.StatusText(response.StatusCode),
		Region: response.Header.Get("X-Amz-Bucket-Region"),
	}
	var said struct {
		Code    string `xml:"Code"`
		Message string `xml:"Message"`
	}
	const maxExplanation = 64 << 10
	if err := xml.NewDecoder(io.LimitReader(response.Body, maxExplanation)).Decode(&said); err == nil && said.Code != "" {
		failure.Code, failure.Message = said.Code, said.Message
	}
	return failure
}
