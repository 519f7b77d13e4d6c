package embedded

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
)

// errDropped is what the client sees of a dropped connection.
var errDropped = errors.New("connection dropped by a fault of the embedded server")

// Client returns an HTTP client that calls the server directly, without a
// network. Any URL will do. Calls wait on nothing but timers and the request's
// context, so it works in a testing/synctest bubble.
func (s *Server) Client() *http.Client { return &http.Client{Transport: transport{s}} }

// transport calls the server in the goroutine of the caller.
type transport struct{ server *Server }

// RoundTrip answers one request.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	inner := r.Clone(r.Context())
	if inner.Body == nil {
		inner.Body = http.NoBody
	}
	defer inner.Body.Close()
	w := &recorder{header: http.Header{}}
	dropped := w.run(t.server, inner)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if dropped && w.status == 0 {
		return nil, errDropped
	}
	body := io.Reader(&w.body)
	length := int64(w.body.Len())
	if r.Method == http.MethodHead { // tells the length of what a GET would return
		if promised, err := strconv.ParseInt(w.header.Get("Content-Length"), 10, 64); err == nil {
			length = promised
		}
	}
	if dropped {
		promised, err := strconv.ParseInt(w.header.Get("Content-Length"), 10, 64)
		if err != nil {
			promised = -1
		}
		length, body = promised, io.MultiReader(body, brokenOff{})
	}
	return &http.Response{
		Status: strconv.Itoa(w.status) + " " + http.StatusText(w.status), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(body), ContentLength: length, Request: r,
	}, nil
}

// brokenOff is the rest of an answer whose connection was dropped.
type brokenOff struct{}

func (brokenOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// recorder keeps an answer.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// run serves the request, and reports whether the connection was dropped.
func (w *recorder) run(s *Server, r *http.Request) (dropped bool) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			dropped = true
		default:
			panic(p)
		}
	}()
	s.ServeHTTP(w, r)
	return false
}

// Header returns the header of the answer.
func (w *recorder) Header() http.Header { return w.header }

// WriteHeader keeps the status.
func (w *recorder) WriteHeader(status int) { w.status = status }

// Write keeps the bytes.
func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.body.Write(b)
}

// Flush does nothing: the answer is read when it is complete.
func (w *recorder) Flush() {}
