package embedded

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// s3Service answers for buckets and their objects. Requests are told from
// those of the other services by what their signature is for, since a bucket
// may have any name.
func s3Service() *service {
	return &service{
		name:     "s3",
		protocol: restXML,
		operations: map[string]operation{
			"CreateBucket":      createBucket,
			"DeleteObject":      deleteObject,
			"GetBucketLocation": getBucketLocation,
			"GetObject":         getObject,
			"HeadBucket":        headBucket,
			"HeadObject":        getObject,
			"ListObjectsV2":     listObjects,
			"PutObject":         putObject,
		},
		tokenIn: "continuation-token", tokenOut: "NextContinuationToken",
		throttled:   &Error{Code: "SlowDown", Message: "Please reduce your request rate.", Status: http.StatusServiceUnavailable},
		permissions: map[string]string{"HeadBucket": "ListBucket", "HeadObject": "GetObject", "ListObjectsV2": "ListBucket"},
		resources: func(c *Call) []string {
			if key := c.Path("Key"); key != "" {
				return []string{bucketARN(c.Path("Bucket")) + "/" + key}
			}
			return []string{bucketARN(c.Path("Bucket"))}
		},
	}
}

// s3State holds the buckets of all accounts, whose names are unique over all
// of them.
type s3State struct {
	mu      sync.Mutex
	buckets map[string]*Bucket
}

// S3 is Amazon S3 in one region of an account.
type S3 struct{ region *Region }

// S3 returns the region's Amazon S3.
func (r *Region) S3() S3 { return S3{r} }

// Bucket is one bucket.
type Bucket struct {
	// Name is the bucket's name.
	Name string

	region  *Region
	objects ordered[object]
}

// object is the content of a key. It is never changed, only replaced.
type object struct {
	body        []byte
	etag        string // with its quotes
	contentType string
	modified    time.Time
	// checksums are those that the object was sent with, by name of the header.
	checksums map[string]string
}

func bucketARN(name string) string { return "arn:aws:s3:::" + name }

// bucketName is the form of a bucket's name ("General purpose bucket naming
// rules" in the Amazon S3 user guide).
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// CreateBucket makes a bucket. It is an error when there is one of the name,
// in any account.
func (s S3) CreateBucket(name string) (*Bucket, error) {
	state := &s.region.Account.server.s3
	state.mu.Lock()
	defer state.mu.Unlock()
	return state.create(s.region, name)
}

// create makes a bucket. The lock is held.
func (s *s3State) create(region *Region, name string) (*Bucket, error) {
	if !bucketName.MatchString(name) {
		return nil, errorf("InvalidBucketName", "The specified bucket is not valid.")
	}
	if other := s.buckets[name]; other != nil {
		e := &Error{Code: "BucketAlreadyExists", Message: "The requested bucket name is not available.", Status: http.StatusConflict}
		if other.region.Account == region.Account {
			e.Code, e.Message = "BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it."
		}
		return nil, e
	}
	b := &Bucket{Name: name, region: region}
	if s.buckets == nil {
		s.buckets = map[string]*Bucket{}
	}
	s.buckets[name] = b
	return b, nil
}

// Bucket returns the bucket with the name, if there is one in any account.
func (s *Server) Bucket(name string) (*Bucket, bool) {
	s.s3.mu.Lock()
	defer s.s3.mu.Unlock()
	b, ok := s.s3.buckets[name]
	return b, ok
}

// Put makes the bytes the content of the key.
func (b *Bucket) Put(key string, body []byte) {
	server := b.region.Account.server
	server.s3.mu.Lock()
	defer server.s3.mu.Unlock()
	b.put(key, object{body: slices.Clone(body), contentType: "binary/octet-stream", modified: server.clock()})
}

// Get returns the content of the key, if it has any.
func (b *Bucket) Get(key string) ([]byte, bool) {
	state := &b.region.Account.server.s3
	state.mu.Lock()
	defer state.mu.Unlock()
	o, ok := b.objects.get(key)
	return slices.Clone(o.body), ok
}

// Keys returns the keys of all objects, in order.
func (b *Bucket) Keys() []string {
	state := &b.region.Account.server.s3
	state.mu.Lock()
	defer state.mu.Unlock()
	var keys []string
	for key := range b.objects.from("") {
		keys = append(keys, key)
	}
	return keys
}

// s3Routes names the operation by method and by whether a key is named, and
// what may stand in its query string. What else stands there is for operations
// that are not here. All may have x-id, by which the SDKs tell the operation.
var s3Routes = []struct {
	method    string
	key       bool
	name      string
	query     []string
	marked    string // must be in the query string
	condition string // the one header with a condition that it knows
}{
	{http.MethodPut, false, "CreateBucket", nil, "", ""},
	{http.MethodHead, false, "HeadBucket", nil, "", ""},
	{http.MethodGet, false, "GetBucketLocation", []string{"location"}, "location", ""},
	{http.MethodGet, false, "ListObjectsV2", []string{
		"list-type", "prefix", "delimiter", "max-keys", "start-after", "continuation-token", "encoding-type", "fetch-owner",
	}, "list-type", ""},
	{http.MethodPut, true, "PutObject", nil, "", "If-None-Match"},
	{http.MethodGet, true, "GetObject", nil, "", "If-Match"},
	{http.MethodHead, true, "HeadObject", nil, "", "If-Match"},
	{http.MethodDelete, true, "DeleteObject", nil, "", ""},
}

// s3Conditions are the headers on which it depends whether a request is done. One
// that the operation does not know must not be passed over.
var s3Conditions = []string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "X-Amz-Expected-Bucket-Owner"}

// serveS3 finds the operation of a request to Amazon S3.
func (s *Server) serveS3(w http.ResponseWriter, r *http.Request) {
	bucket, key := objectOf(r)
	r.SetPathValue("Bucket", bucket)
	r.SetPathValue("Key", key)
	query := r.URL.Query()
	for _, route := range s3Routes {
		if route.method != r.Method || route.key != (key != "") || bucket == "" || route.marked != "" && !query.Has(route.marked) {
			continue
		}
		known := true
		for name := range query {
			known = known && (name == "x-id" || slices.Contains(route.query, name))
		}
		for _, name := range s3Conditions {
			if r.Header.Get(name) != "" && name != route.condition {
				writeError(w, restXML, notImplemented("A header you provided implies functionality that is not implemented: %s", name), nil)
				return
			}
		}
		if known {
			s.serve(w, r, s.xml, route.name)
			return
		}
	}
	writeError(w, restXML, notImplemented("%s %s?%s is not implemented", r.Method, r.URL.Path, r.URL.RawQuery), nil)
}

// objectOf returns the bucket and the key that a request names: in the path,
// or with the bucket in the host name, as AWS is called.
func objectOf(r *http.Request) (bucket, key string) {
	path := strings.TrimPrefix(r.URL.Path, "/")
	host := r.Host
	if host == "" {
		host = r.URL.Host // of a request that never was on a network
	}
	if bucket, rest, ok := strings.Cut(host, ".s3."); ok && strings.Contains(rest, ".amazonaws.") {
		return bucket, path
	}
	bucket, key, _ = strings.Cut(path, "/")
	return bucket, key
}

// notImplemented is the answer to what this server cannot do.
func notImplemented(format string, args ...any) *Error {
	return &Error{Code: "NotImplemented", Message: fmt.Sprintf(format, args...), Status: http.StatusNotImplemented}
}

// bucket returns the bucket that a call is for, or the error of one that
// does not exist, is in another region, or is not the caller's. The lock is
// held.
func (c *Call) bucket() (*Bucket, error) {
	b := c.Server.s3.buckets[c.Path("Bucket")]
	switch {
	case b == nil:
		return nil, &Error{Code: "NoSuchBucket", Message: "The specified bucket does not exist", Status: http.StatusNotFound}
	case b.region.Name != c.Region.Name && c.Operation != "GetBucketLocation":
		return nil, &Error{
			Code:    "PermanentRedirect",
			Message: "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.",
			Status:  http.StatusMovedPermanently, region: b.region.Name,
		}
	case !b.region.Account.trusts(c.Principal.Account):
		return nil, c.denied(c.resources()[0], "")
	}
	return b, nil
}

func headBucket(c *Call) (any, error) {
	c.Server.s3.mu.Lock()
	defer c.Server.s3.mu.Unlock()
	b, err := c.bucket()
	if err != nil {
		return nil, err
	}
	h := http.Header{}
	h.Set("X-Amz-Bucket-Region", b.region.Name)
	return &rawAnswer{status: http.StatusOK, header: h}, nil
}

const (
	// s3Namespace is the XML namespace of the answers.
	s3Namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
	// firstRegion is the region that requests and answers do not name.
	firstRegion = "us-east-1"
)

func createBucket(c *Call) (any, error) {
	var in struct{ LocationConstraint string }
	if len(c.Body) > 0 {
		if err := xml.Unmarshal(c.Body, &in); err != nil {
			return nil, errorf("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
		}
	}
	want := c.Region.Name
	if want == firstRegion {
		want = ""
	}
	if in.LocationConstraint != want {
		return nil, errorf("IllegalLocationConstraintException",
			"The %s location constraint is incompatible for the region specific endpoint this request was sent to.", in.LocationConstraint)
	}
	c.Server.s3.mu.Lock()
	defer c.Server.s3.mu.Unlock()
	b, err := c.Server.s3.create(c.Region, c.Path("Bucket"))
	if err != nil {
		return nil, err
	}
	h := http.Header{}
	h.Set("Location", "/"+b.Name)
	return &rawAnswer{status: http.StatusOK, header: h}, nil
}

func getBucketLocation(c *Call) (any, error) {
	c.Server.s3.mu.Lock()
	defer c.Server.s3.mu.Unlock()
	b, err := c.bucket()
	if err != nil {
		return nil, err
	}
	out := struct {
		XMLName xml.Name
		Region  string `xml:",chardata"`
	}{xml.Name{Space: s3Namespace, Local: "LocationConstraint"}, b.region.Name}
	if out.Region == firstRegion {
		out.Region = ""
	}
	return out, nil
}
