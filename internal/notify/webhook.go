package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/regsweep/regsweep/internal/wait"
)

const (
	// attempts is how often a message is sent, and firstPause the wait after the
	// first failure, doubled each time.
	attempts   = 4
	firstPause = time.Second
	// longestPause bounds what a receiver may ask for by Retry-After.
	longestPause = 30 * time.Second
	// attemptTimeout bounds one attempt.
	attemptTimeout = 10 * time.Second
)

// Receiver gets messages.
type Receiver interface {
	// Send delivers a message, or says why it could not. It tries several times.
	Send(ctx context.Context, m Message) error
	// String names the receiver for logs, without anything that is secret.
	String() string
}

// Webhook is a receiver of HTTP POSTs with {"text": …}, the form that Slack and
// others take ("Sending messages using incoming webhooks" in Slack's
// documentation).
type Webhook struct {
	url    *url.URL
	client *http.Client
}

var _ Receiver = (*Webhook)(nil)

// NewWebhook returns the receiver at a URL, which may be a secret. transport may
// be nil for the default one.
func NewWebhook(address string, transport http.RoundTripper) (*Webhook, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, errors.New("the webhook's url is no URL") // and is not shown
	}
	return &Webhook{u, &http.Client{Transport: transport, Timeout: attemptTimeout,
		// Whoever is sent elsewhere would take the message and the secret along.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// String returns the host alone.
func (w *Webhook) String() string { return "webhook at " + w.url.Hostname() }

// escaper writes text so that Slack shows it as it is ("Escaping text" in its
// documentation).
var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// Send implements Receiver.
func (w *Webhook) Send(ctx context.Context, m Message) error {
	defer w.client.CloseIdleConnections()
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false)
	if err := e.Encode(map[string]string{"text": escaper.Replace(m.Text)}); err != nil {
		return fmt.Errorf("%s: %w", w, err)
	}
	pause := firstPause
	for n := 1; ; n++ {
		asked, again, err := w.post(ctx, body.Bytes())
		if err == nil {
			return nil
		}
		if !again || n == attempts {
			return fmt.Errorf("%s: %w", w, err)
		}
		if wait.For(ctx, min(max(pause, asked), longestPause)) != nil {
			return fmt.Errorf("%s: %w (%w)", w, err, context.Cause(ctx))
		}
		pause *= 2
	}
}

// post makes one attempt. again says that another may help, and asked how long
// the receiver wants to be left alone.
func (w *Webhook) post(ctx context.Context, body []byte) (asked time.Duration, again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url.String(), bytes.NewReader(body))
	if err != nil {
		return 0, false, errors.New("the url makes no request") // the error has the URL in it
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := w.client.Do(req)
	if err != nil {
		var wrapped *url.Error // has the URL in its text
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return 0, true, err
	}
	// The connection is of use only after the answer has been read; what is in it
	// is not.
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16))
	_ = resp.Body.Close()
	if resp.StatusCode/100 == 2 {
		return 0, false, nil
	}
	seconds, err := strconv.Atoi(resp.Header.Get("Retry-After"))
	if err == nil && seconds > 0 {
		asked = time.Duration(min(seconds, 3600)) * time.Second
	}
	again = resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500
	return asked, again, fmt.Errorf("it answered %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
}
