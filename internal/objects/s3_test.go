package objects_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/objects"
)

const west = "eu-west-1"

// world is an embedded account in virtual time, and what was sent to it.
type world struct {
	*embedded.Server
	bucket *embedded.Bucket
	sent   []*http.Request
}

// Do keeps the request and hands it on.
func (w *world) Do(r *http.Request) (*http.Response, error) {
	w.sent = append(w.sent, r)
	return w.Client().Do(r)
}

// newWorld returns an account with the bucket "exchange". It is called in a
// bubble.
func newWorld() *world {
	w := &world{Server: embedded.New(embedded.Options{Clock: time.Now})}
	w.bucket = embedded.Must(w.Account(embedded.DefaultAccount).Region(west).S3().CreateBucket("exchange"))
	return w
}

// env reaches the world as the administrator, under AWS's own addresses.
func (w *world) env(change ...func(*awsapi.Options)) objects.Env {
	o := awsapi.Options{
		Region: west, Now: time.Now, HTTPClient: w,
		Credentials: credentials.NewStaticCredentialsProvider(w.Account(embedded.DefaultAccount).AccessKeyID(), "secret", ""),
		Random:      func() float64 { return 1 },
	}
	for _, f := range change {
		f(&o)
	}
	return objects.Env{AWS: awsapi.NewSession(o)}
}

// fail makes the first calls of an operation go wrong.
func (w *world) fail(operation string, times int, fault embedded.Fault) {
	w.SetFaults(func(_ int, _, op string) embedded.Fault {
		if op != operation || times == 0 {
			return embedded.Fault{}
		}
		times--
		return fault
	})
}

func TestS3(t *testing.T) {
	for name, content := range map[string]string{
		"some": `{"a": 1}`, "nothing": "", "spaces": " \n", "more than is kept in memory": strings.Repeat("0123456789abcdef", 9<<20/16),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				o := open(t, "s3://exchange/team a/ü+1~.json", w.env())
				if err := o.Write(t.Context(), text(content)); err != nil {
					t.Fatal(err)
				}
				if got, ok := w.bucket.Get("team a/ü+1~.json"); !ok || string(got) != content {
					t.Errorf("the bucket has %q with %d bytes", w.bucket.Keys(), len(got))
				}
				if got, err := read(t.Context(), o); err != nil || got != content {
					t.Errorf("got %d bytes, %v, want %d", len(got), err, len(content))
				}
				if diff := cmp.Diff(map[string]int{"s3:PutObject": 1, "s3:GetObject": 1}, w.Stats().Calls); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
				put := w.sent[0]
				sum := sha256.Sum256([]byte(content))
				want := map[string]string{
					"url": "https://exchange.s3.eu-west-1.amazonaws.com/team%20a/%C3%BC%2B1~.json?x-id=PutObject", "length": fmt.Sprint(len(content)),
					"checksum": base64.StdEncoding.EncodeToString(sum[:]), "encoding": "", "encryption": "", "signed": "true",
				}
				got := map[string]string{
					"url": put.URL.String(), "length": fmt.Sprint(put.ContentLength),
					"checksum": put.Header.Get("X-Amz-Checksum-Sha256"), "encoding": put.Header.Get("Content-Encoding"),
					"encryption": put.Header.Get("X-Amz-Server-Side-Encryption"),
					"signed":     fmt.Sprint(strings.Contains(put.Header.Get("Authorization"), ";x-amz-checksum-sha256;")),
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("request (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestAddresses(t *testing.T) {
	for _, test := range []struct{ name, path, region, endpoint, want string }{
		{"host name", "s3://exchange/a/b.json", west, "", "https://exchange.s3.eu-west-1.amazonaws.com/a/b.json"},
		{"dot in the bucket", "s3://my.exchange/a", west, "", "https://s3.eu-west-1.amazonaws.com/my.exchange/a"},
		{"China", "s3://exchange/a", "cn-north-1", "", "https://exchange.s3.cn-north-1.amazonaws.com.cn/a"},
		{"isolated", "s3://exchange/a", "us-isob-east-1", "", "https://exchange.s3.us-isob-east-1.sc2s.sgov.gov/a"},
		{"endpoint of an address", "s3://exchange/a", west, "http://127.0.0.1:4566/", "http://127.0.0.1:4566/exchange/a"},
		{"endpoint of a name with a path", "s3://exchange/a", west, "http://minio.example.com:9000/s3", "http://minio.example.com:9000/s3/exchange/a"},
		{"dots in the key", "s3://exchange/../a//b", west, "", "https://exchange.s3.eu-west-1.amazonaws.com/../a//b"},
		{"key like a query", "s3://exchange/a?b#c%2F", west, "", "https://exchange.s3.eu-west-1.amazonaws.com/a%3Fb%23c%252F"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				env := w.env(func(o *awsapi.Options) { o.Region, o.Endpoint = test.region, test.endpoint })
				_, err := open(t, test.path, env).Read(t.Context())
				if err == nil {
					t.Fatal("nothing is there, and it was read")
				}
				if got, _, _ := strings.Cut(w.sent[0].URL.String(), "?x-id="); got != test.want {
					t.Errorf("asked %s, want %s", got, test.want)
				}
			})
		})
	}
}

// The environment of every AWS tool leads to an endpoint.
func TestEndpointOfTheEnvironment(t *testing.T) {
	for _, name := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		t.Setenv(name, "/dev/null")
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_REGION", west)
	t.Setenv("AWS_CA_BUNDLE", "")
	for _, test := range []struct{ all, s3, want string }{
		{"http://127.0.0.1:4566", "", "127.0.0.1:4566"},
		{"http://127.0.0.1:4566", "http://127.0.0.1:9000", "127.0.0.1:9000"},
		{"", "http://127.0.0.1:9000", "127.0.0.1:9000"},
	} {
		t.Setenv("AWS_ENDPOINT_URL", test.all)
		t.Setenv("AWS_ENDPOINT_URL_S3", test.s3)
		w := &world{Server: embedded.New(embedded.Options{Clock: time.Now})}
		env := objects.Env{AWS: awsapi.NewSession(awsapi.Options{Now: time.Now, HTTPClient: w})}
		_, err := open(t, "s3://exchange/a", env).Read(t.Context())
		if missing, ok := errors.AsType[*objects.NotFoundError](err); !ok || !missing.Bucket {
			t.Errorf("got %v", err)
		}
		if got := w.sent[0].URL.Host; got != test.want {
			t.Errorf("%+v: asked %s", test, got)
		}
	}
}

// A bucket may be in another region than the session.
func TestBucketElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		far := embedded.Must(w.Account(embedded.DefaultAccount).Region("us-east-2").S3().CreateBucket("far"))
		o := open(t, "s3://far/a", w.env())
		body := strings.Repeat("content ", 2<<20)
		if err := o.Write(t.Context(), text(body)); err != nil {
			t.Fatal(err)
		}
		if got, _ := far.Get("a"); string(got) != body {
			t.Errorf("%d bytes arrived of %d", len(got), len(body))
		}
		if got, err := read(t.Context(), o); err != nil || got != body {
			t.Errorf("got %d bytes, %v", len(got), err)
		}
		if last := w.sent[len(w.sent)-1]; last.URL.Host != "far.s3.us-east-2.amazonaws.com" || len(w.sent) != 4 {
			t.Errorf("%d requests, the last to %s", len(w.sent), last.URL)
		}
	})
}

// Calls that can be repeated are, after a while, up to a number of attempts.
func TestRepeatedCalls(t *testing.T) {
	body := strings.Repeat("content ", 1<<10)
	for _, test := range []struct {
		name      string
		operation string
		times     int
		fault     embedded.Fault
		waits     bool
		err       string
	}{
		{"put: internal error", "PutObject", 3, embedded.Fault{Kind: embedded.FaultInternal}, true, ""},
		{"put: slow down", "PutObject", 5, embedded.Fault{Kind: embedded.FaultError, Code: "SlowDown", Status: 503}, true, ""},
		{"put: 503 of another code", "PutObject", 2, embedded.Fault{Kind: embedded.FaultError, Code: "ServiceUnavailable", Status: 503}, true, ""},
		{"put: dropped before", "PutObject", 2, embedded.Fault{Kind: embedded.FaultDropBefore}, true, ""},
		{"put: dropped after", "PutObject", 2, embedded.Fault{Kind: embedded.FaultDropAfter}, true, ""},
		{"put: always an internal error", "PutObject", -1, embedded.Fault{Kind: embedded.FaultInternal}, true, "InternalError"},
		{"put: always slow", "PutObject", -1, embedded.Fault{Kind: embedded.FaultError, Code: "SlowDown", Status: 503}, true, "throttling s3:PutObject"},
		{"put: not valid", "PutObject", -1, embedded.Fault{Kind: embedded.FaultError, Code: "InvalidRequest"}, false, "InvalidRequest"},
		{"put: an answer that does not say that it is stored", "PutObject", -1, embedded.Fault{Kind: embedded.FaultEmptyObject}, false, "does not say"},
		{"get: internal error", "GetObject", 3, embedded.Fault{Kind: embedded.FaultInternal}, true, ""},
		{"get: dropped before", "GetObject", 2, embedded.Fault{Kind: embedded.FaultDropBefore}, true, ""},
		{"get: cut off", "GetObject", 5, embedded.Fault{Kind: embedded.FaultTruncate}, true, ""},
		{"get: always cut off", "GetObject", -1, embedded.Fault{Kind: embedded.FaultTruncate}, true, "unexpected EOF"},
		{"get: half of it", "GetObject", 1, embedded.Fault{Kind: embedded.FaultMalformed}, false, "checksum"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				o := open(t, "s3://exchange/a", w.env())
				began := time.Now()
				if strings.HasPrefix(test.name, "get") {
					if err := o.Write(t.Context(), text(body)); err != nil {
						t.Fatal(err)
					}
				}
				w.fail(test.operation, test.times, test.fault)
				var got string
				var err error
				if test.operation == "PutObject" {
					err = o.Write(t.Context(), text(body))
					b, _ := w.bucket.Get("a")
					got = string(b)
				} else {
					got, err = read(t.Context(), o)
				}
				calls := w.Stats().Calls["s3:"+test.operation]
				if test.err != "" {
					if err == nil || !strings.Contains(err.Error(), test.err) || !strings.Contains(err.Error(), "s3://exchange/a") {
						t.Errorf("got %d bytes, %v, want %s", len(got), err, test.err)
					}
				} else if err != nil || got != body || calls != test.times+1 {
					t.Errorf("got %d bytes, %v after %d calls", len(got), err, calls)
				}
				if calls > 12 || test.times < 0 && test.waits && calls < 6 {
					t.Errorf("%d calls", calls)
				}
				if waited := time.Since(began); (waited > 0) != test.waits || waited > time.Minute {
					t.Errorf("waited %s", waited)
				}
			})
		})
	}
}

// Reading goes on in the same content or not at all.
func TestReplacedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.bucket.Put("a", bytes.Repeat([]byte("old "), 1000))
		w.fail("GetObject", 1, embedded.Fault{Kind: embedded.FaultTruncate})
		r, err := open(t, "s3://exchange/a", w.env()).Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w.bucket.Put("a", bytes.Repeat([]byte("new "), 1000))
		got, err := io.ReadAll(r)
		if err == nil || !strings.Contains(err.Error(), "PreconditionFailed") {
			t.Errorf("got %d bytes, %v", len(got), err)
		}
		if _, again := r.Read(make([]byte, 10)); !errors.Is(again, err) {
			t.Errorf("then %v, want %v again", again, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestErrors(t *testing.T) {
	denied := func(action string) func(*world) {
		return func(w *world) { w.Deny(w.Account(embedded.DefaultAccount).AccessKeyID(), action, "") }
	}
	answer := func(code string, status int, message string) func(*world) {
		return func(w *world) {
			fault := embedded.Fault{Kind: embedded.FaultError, Code: code, Status: status, Message: message}
			w.SetFaults(func(int, string, string) embedded.Fault { return fault })
		}
	}
	type kind struct {
		missing, bucket, credentials, expired bool
		action, resource                      string
	}
	for _, test := range []struct {
		name, path string
		prepare    func(*world)
		read       kind
		write      kind
		want       string // in the error of reading
	}{
		{"no such object", "s3://exchange/none", func(*world) {}, kind{missing: true}, kind{}, "there is no such object"},
		{"no such bucket", "s3://none/a", func(*world) {}, kind{missing: true, bucket: true}, kind{missing: true, bucket: true}, "there is no such bucket"},
		{"denied", "s3://exchange/a b", denied("s3:*Object"),
			kind{action: "s3:GetObject", resource: "arn:aws:s3:::exchange/a b"}, kind{action: "s3:PutObject", resource: "arn:aws:s3:::exchange/a b"},
			"user/admin may not call s3:GetObject on arn:aws:s3:::exchange/a b because"},
		{"denied without words", "s3://exchange/a", answer("AccessDenied", 403, "Access Denied"),
			kind{action: "s3:GetObject", resource: "arn:aws:s3:::exchange/a"}, kind{action: "s3:PutObject", resource: "arn:aws:s3:::exchange/a"},
			"or there is no such object, which S3 tells only those who may call s3:ListBucket"},
		{"denied to list", "s3://exchange/none", denied("s3:ListBucket"),
			kind{action: "s3:GetObject", resource: "arn:aws:s3:::exchange/none"}, kind{}, "or there is no such object"},
		{"a key of KMS", "s3://exchange/a",
			answer("AccessDenied", 403, `User: arn:aws:iam::111122223333:user/ci is not authorized to perform: kms:Decrypt on resource: "arn:aws:kms:eu-west-1:111122223333:key/1" because no`),
			kind{action: "kms:Decrypt", resource: "arn:aws:kms:eu-west-1:111122223333:key/1"},
			kind{action: "kms:Decrypt", resource: "arn:aws:kms:eu-west-1:111122223333:key/1"}, "kms:Decrypt"},
		{"expired", "s3://exchange/a", func(w *world) { w.ExpireKey(w.Account(embedded.DefaultAccount).AccessKeyID()) },
			kind{credentials: true, expired: true}, kind{credentials: true, expired: true}, "have expired"},
		{"not valid", "s3://exchange/a", answer("InvalidAccessKeyId", 403, "no"), kind{credentials: true}, kind{credentials: true}, "does not accept"},
		{"archived", "s3://exchange/a", answer("InvalidObjectState", 403, "The operation is not valid for the object's storage class"), kind{}, kind{}, "storage class"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.bucket.Put("a", []byte("content"))
				test.prepare(w)
				o := open(t, test.path, w.env())
				of := func(err error) kind {
					var k kind
					if missing, ok := errors.AsType[*objects.NotFoundError](err); ok {
						k.missing, k.bucket = errors.Is(err, fs.ErrNotExist) && missing.Path == test.path, missing.Bucket
					}
					if c, ok := errors.AsType[*awsapi.CredentialsError](err); ok {
						k.credentials, k.expired = true, c.Expired
					}
					if d, ok := errors.AsType[*awsapi.DeniedError](err); ok {
						k.action, k.resource = d.Action, d.Resource
					}
					if err != nil && !strings.HasPrefix(err.Error(), test.path+": ") {
						t.Errorf("%v does not begin with the path", err)
					}
					return k
				}
				got, err := read(t.Context(), o)
				if err == nil || !strings.Contains(err.Error(), test.want) || got != "" {
					t.Errorf("read %q, %v, want %s", got, err, test.want)
				}
				if diff := cmp.Diff(test.read, of(err), cmp.AllowUnexported(kind{})); diff != "" {
					t.Errorf("%v (-want +got):\n%s", err, diff)
				}
				err = o.Write(t.Context(), text("new"))
				if diff := cmp.Diff(test.write, of(err), cmp.AllowUnexported(kind{})); diff != "" {
					t.Errorf("%v (-want +got):\n%s", err, diff)
				}
			})
		})
	}
}

func TestCannotBeAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		w := newWorld()
		for name, change := range map[string]func(*awsapi.Options){
			"no region":   func(o *awsapi.Options) { o.Region = "" },
			"bad address": func(o *awsapi.Options) { o.Endpoint = "http://[::1" },
			"no credentials": func(o *awsapi.Options) {
				o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, broken })
			},
		} {
			o := open(t, "s3://exchange/a", w.env(change))
			_, err := read(t.Context(), o)
			for _, err := range []error{err, o.Write(t.Context(), text("a"))} {
				_, typed := errors.AsType[*awsapi.CredentialsError](err)
				if err == nil || typed != (name == "no credentials") || typed != errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "s3://exchange/a: ") {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
		if err := open(t, "s3://exchange/a", w.env()).Write(t.Context(), func(io.Writer) error { return broken }); !errors.Is(err, broken) {
			t.Errorf("a body that cannot be made: %v", err)
		}
		if calls := slices.Sorted(maps.Keys(w.Stats().Calls)); len(calls) > 0 {
			t.Errorf("called %q", calls)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := read(ctx, open(t, "s3://exchange/a", w.env())); !errors.Is(err, context.Canceled) {
			t.Errorf("after the end: %v", err)
		}
	})
}

// answers is a server that is not quite Amazon S3: it gives what it has, one
// answer after the other.
type answers []*http.Response

func (a *answers) Do(r *http.Request) (*http.Response, error) {
	next := (*a)[0]
	*a = (*a)[1:]
	next.Request = r
	return next, nil
}

// answer is one answer, which breaks off after the text unless the length is
// that of it; -1 is an answer that does not say its length.
func answer(status, length int, text string, header ...string) *http.Response {
	h := http.Header{"Etag": {`"1"`}}
	if length >= 0 {
		h.Set("Content-Length", fmt.Sprint(length))
	}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	body := io.Reader(strings.NewReader(text))
	if length > len(text) {
		body = io.MultiReader(body, brokenOff{})
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(body), ContentLength: int64(length)}
}

type brokenOff struct{}

func (brokenOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// What was read is continued by its rest or not at all.
func TestContinuedReads(t *testing.T) {
	for _, test := range []struct {
		name      string
		answers   answers
		want, err string
	}{
		{"the rest", answers{answer(200, 6, "abc"), answer(206, 3, "def", "Content-Range", "bytes 3-5/6")}, "abcdef", ""},
		{"the rest in two parts", answers{answer(200, 6, "abc"), answer(206, 3, "d", "Content-Range", "bytes 3-5/6"), answer(206, 2, "ef", "Content-Range", "bytes 4-5/6")}, "abcdef", ""},
		{"the whole again", answers{answer(200, 6, "abc"), answer(200, 6, "abcdef")}, "abc", "not the rest"},
		{"another part", answers{answer(200, 6, "abc"), answer(206, 2, "ef", "Content-Range", "bytes 4-5/6")}, "abc", "not the rest"},
		{"nothing more", answers{answer(200, 6, "abc"), answer(206, 0, "", "Content-Range", "bytes 3-5/6"), answer(206, 0, "", "Content-Range", "bytes 3-5/6"),
			answer(206, 0, "", "Content-Range", "bytes 3-5/6"), answer(206, 0, "", "Content-Range", "bytes 3-5/6"), answer(206, 0, "", "Content-Range", "bytes 3-5/6")}, "abc", "at byte 3 of 6"},
		{"no name of the content", answers{answer(200, 6, "abc", "Etag", "")}, "abc", "at byte 3 of 6"},
		{"no length", answers{answer(200, -1, "abc")}, "abc", ""},
		{"gone meanwhile", answers{answer(200, 6, "abc"), answer(404, -1, "<Error><Code>NoSuchKey</Code></Error>")}, "abc", "there is no such object"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				env := newWorld().env(func(o *awsapi.Options) { o.HTTPClient = &test.answers })
				got, err := read(t.Context(), open(t, "s3://exchange/a", env))
				if got != test.want || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
					t.Errorf("got %q, %v, want %q, %q", got, err, test.want, test.err)
				}
				if len(test.answers) > 0 {
					t.Errorf("%d answers were not asked for", len(test.answers))
				}
			})
		})
	}
}

// A list that says that there is more and not how to get it is no whole one.
func TestNamesOfAListThatIsCutOff(t *testing.T) {
	for _, test := range []struct{ name, truncated, err string }{{"whole", "false", ""}, {"cut off", "true", "cut off"}} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				list := "<ListBucketResult><KeyCount>1</KeyCount><IsTruncated>" + test.truncated + "</IsTruncated><Contents><Key>a/b</Key></Contents></ListBucketResult>"
				env := newWorld().env(func(o *awsapi.Options) { o.HTTPClient = &answers{answer(200, len(list), list)} })
				folder, err := objects.OpenFolder("s3://exchange/a", env)
				if err != nil {
					t.Fatal(err)
				}
				names, err := folder.Names(t.Context())
				if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) || err == nil && !slices.Equal(names, []string{"b"}) {
					t.Errorf("names %q, %v", names, err)
				}
			})
		})
	}
}
