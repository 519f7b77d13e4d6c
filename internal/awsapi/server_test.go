package awsapi

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	static "github.com/aws/aws-sdk-go-v2/credentials"
)

// server answers requests in the virtual time of a bubble, over pipes in the
// place of a network.
type server struct {
	calls atomic.Int64
	conns chan net.Conn
	ended chan struct{}
	// linger is how long a client that has sent something does not go on.
	linger time.Duration
}

// Accept, Close and Addr make the server a net.Listener.
func (s *server) Accept() (net.Conn, error) {
	select {
	case conn := <-s.conns:
		return conn, nil
	case <-s.ended:
		return nil, net.ErrClosed
	}
}

func (s *server) Close() error   { close(s.ended); return nil }
func (s *server) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

// dial connects a client.
func (s *server) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case s.conns <- far:
		return pipe{near, s.linger}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// pipe is an end that takes a deadline also when the other end is closed, as a
// connection of TCP does.
type pipe struct {
	net.Conn
	linger time.Duration
}

func (p pipe) Write(b []byte) (int, error) {
	n, err := p.Conn.Write(b)
	time.Sleep(p.linger)
	return n, err
}

func (p pipe) SetReadDeadline(at time.Time) error {
	if err := p.Conn.SetReadDeadline(at); !errors.Is(err, io.ErrClosedPipe) {
		return err
	}
	return nil
}

// serve answers every request by one function, which is told the number of the
// request from 1.
func serve(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, n int)) *server {
	t.Helper()
	s := &server{conns: make(chan net.Conn), ended: make(chan struct{})}
	var running sync.WaitGroup
	web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		running.Add(1)
		defer running.Done()
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		answer(w, r, int(s.calls.Add(1)))
	})}
	running.Go(func() {
		if err := web.Serve(s); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(func() {
		if err := web.Close(); err != nil {
			t.Errorf("close the server: %v", err)
		}
		running.Wait()
		time.Sleep(s.linger)
	})
	return s
}

// config returns a configuration for a server, and the session that it came from.
func (s *server) config(t *testing.T) (aws.Config, *Session) {
	t.Helper()
	session := NewSession(Options{
		Region: "eu-west-1", Now: time.Now, Endpoint: "http://aws.example.com", Version: "1.2.3",
		Credentials: static.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
		HTTPClient: defaultTimeouts().over(awshttp.NewBuildableClient().WithTransportOptions(func(tr *http.Transport) {
			tr.Proxy, tr.DialContext = nil, s.dial
		})),
		Random: func() float64 { return 0 },
	})
	cfg, err := session.Config(t.Context(), Target{})
	if err != nil {
		t.Fatal(err)
	}
	return cfg, session
}

// inBubble runs a subtest in virtual time.
func inBubble(t *testing.T, name string, test func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

const jsonType = "application/x-amz-json-1.1"

// reply answers with a document.
func reply(w http.ResponseWriter, status int, contentType, body string) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	io.WriteString(w, body)
}

// drop sends some bytes of an answer and closes the connection.
func drop(w http.ResponseWriter, beginning string) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, beginning); err != nil {
		panic(err)
	}
}
