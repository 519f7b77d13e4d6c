package awsapi

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// timeouts bound the steps of an attempt. There is none for a whole attempt: a
// page of 1,000 images may take long on a slow line, as long as it comes.
type timeouts struct {
	// dial is for a TCP connection, and tls for its handshake.
	dial, tls time.Duration
	// silence is how long an answer may not begin, or not go on. The time in
	// which the request is being sent is none of it.
	silence time.Duration
	// idle is when an unused connection is closed. It is less than silence, or
	// the silence of an idle connection would end the next call.
	idle time.Duration
}

// defaultTimeouts ends a call to a server that hangs after 20 s, as an error
// after which the call is repeated.
func defaultTimeouts() timeouts {
	return timeouts{dial: 5 * time.Second, tls: 10 * time.Second, silence: 20 * time.Second, idle: 10 * time.Second}
}

// client returns a client that all services of a session share. base may hold
// the certificates of AWS_CA_BUNDLE.
func (t timeouts) client(base *awshttp.BuildableClient) aws.HTTPClient {
	return t.over(base.WithDialerOptions(func(d *net.Dialer) { d.Timeout = t.dial }))
}

// over returns a client for connections as base makes them.
func (t timeouts) over(base *awshttp.BuildableClient) aws.HTTPClient {
	client := base.
		WithTransportOptions(func(tr *http.Transport) {
			dial := tr.DialContext
			tr.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := dial(ctx, network, address)
				if err != nil {
					return nil, err
				}
				return &sending{conn, t.silence}, nil
			}
			tr.TLSHandshakeTimeout = t.tls
			tr.ResponseHeaderTimeout = t.silence
			tr.IdleConnTimeout = t.idle
			tr.MaxIdleConns = 0 // no bound over all hosts
			tr.MaxIdleConnsPerHost = 4 * maxInFlight
			tr.MaxConnsPerHost = 0
		}).
		WithReadTimeout(t.silence).
		Freeze() // or the SDK gives each service a copy with its own connections
	return plainBodies{client}
}

// plainBodies is a client that reads the body of a request in no other way than by
// Read. The SDK closes the body when an answer begins, and after that its WriteTo
// returns an end that package net/http takes for a failure: it would break the
// answer off where it comes before the client has noticed that all was sent, as on
// a busy machine.
type plainBodies struct{ aws.HTTPClient }

// Do makes a call.
func (c plainBodies) Do(r *http.Request) (*http.Response, error) {
	if _, ok := r.Body.(io.WriterTo); ok {
		r = r.WithContext(r.Context())
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return c.HTTPClient.Do(r)
}

// sending is a connection on which the other side may be silent while it is
// sent something: the SDK's read timeout begins when a read does, which is
// before the request is sent. A large object takes longer than that.
type sending struct {
	net.Conn
	silence time.Duration
}

// Write sends, and gives the other side the time of a silence from then on.
func (c *sending) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if err != nil {
		return n, err
	}
	//nolint:forbidigo // deadlines of connections are times of the machine's clock
	return n, c.SetReadDeadline(time.Now().Add(c.silence))
}
