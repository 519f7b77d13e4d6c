package awsapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	static "github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
)

var errLost = errors.New("the Lease was lost")

// TestUnbroken makes more calls than may be in flight, each of ten seconds. After
// four the run is to end: what is on its way is answered, and what waits for its
// turn is never sent.
func TestUnbroken(t *testing.T) {
	for _, tt := range []struct {
		name string
		// end ends the run, by one of the two means.
		end  func(cancel func(), lose func())
		want error
	}{
		{"the context is done", func(cancel, _ func()) { cancel() }, context.Canceled},
		{"the guard refuses", func(_, lose func()) { lose() }, errLost},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var mu sync.Mutex
				sent, lost := 0, false
				client := slowClient(t, func() { mu.Lock(); defer mu.Unlock(); sent++ })
				guard := func() error {
					mu.Lock()
					defer mu.Unlock()
					if lost {
						return errLost
					}
					return nil
				}
				var answered, unsent int
				var wg sync.WaitGroup
				for range firstWindow + 6 {
					wg.Go(func() {
						_, err := client.DescribeRepositories(Unbroken(ctx, guard), &ecr.DescribeRepositoriesInput{})
						mu.Lock()
						defer mu.Unlock()
						var never *UnsentError
						switch {
						case err == nil:
							answered++
						case errors.As(err, &never) && errors.Is(err, tt.want):
							unsent++
						default:
							t.Errorf("error %v", err)
						}
					})
				}
				time.Sleep(4 * time.Second)
				tt.end(cancel, func() { mu.Lock(); defer mu.Unlock(); lost = true })
				wg.Wait()
				if sent != firstWindow || answered != firstWindow || unsent != 6 {
					t.Errorf("%d calls sent, %d answered, %d never sent; want %d, %[4]d, 6", sent, answered, unsent, firstWindow)
				}
			})
		})
	}
}

// TestUnbrokenBetweenAttempts: a call that was sent, may have been carried out and
// is to be sent again is not said to be one that was never sent. One that AWS
// throttled has changed nothing.
func TestUnbrokenBetweenAttempts(t *testing.T) {
	for _, tt := range []struct {
		code   string
		status int
		unsent bool
	}{
		{"ServerException", http.StatusInternalServerError, false},
		{"ThrottlingException", http.StatusBadRequest, true},
	} {
		inBubble(t, tt.code, func(t *testing.T) {
			sent := 0
			client := clientOf(t, func(r *http.Request) *http.Response {
				sent++
				return respond(r, tt.status, `{"__type":"`+tt.code+`"}`)
			})
			_, err := client.DescribeRepositories(Unbroken(t.Context(), func() error {
				if sent > 0 {
					return errLost
				}
				return nil
			}), &ecr.DescribeRepositoriesInput{})
			var never *UnsentError
			if sent != 1 || !errors.Is(err, errLost) || errors.As(err, &never) != tt.unsent {
				t.Errorf("%d attempts, error %v", sent, err)
			}
		})
	}
}

func slowClient(t *testing.T, sent func()) *ecr.Client {
	return clientOf(t, func(r *http.Request) *http.Response {
		sent()
		time.Sleep(10 * time.Second)
		return respond(r, http.StatusOK, `{}`)
	})
}

func clientOf(t *testing.T, answer transport) *ecr.Client {
	t.Helper()
	session := NewSession(Options{
		Region: "eu-west-1", Now: time.Now, Endpoint: "http://aws.example.com", Random: func() float64 { return 0 },
		Credentials: static.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
		HTTPClient:  &http.Client{Transport: answer},
	})
	cfg, err := session.Config(t.Context(), Target{})
	if err != nil {
		t.Fatal(err)
	}
	return ecr.NewFromConfig(cfg)
}

func respond(r *http.Request, status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}
}
