package awsapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apprunner"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

const onePage = `{"repositories": [{"repositoryName": "apps/web"}]}`

// TestFaultsThenSuccess has the first answers go wrong in each way, and the
// next one right: the call must succeed with what the right one said.
func TestFaultsThenSuccess(t *testing.T) {
	tests := []struct {
		name   string
		faults int
		fault  func(w http.ResponseWriter)
	}{
		{"internal error", 2, func(w http.ResponseWriter) {
			reply(w, 500, jsonType, `{"__type": "ServerException", "message": "no"}`)
		}},
		{"internal error in HTML", 1, func(w http.ResponseWriter) { reply(w, 502, "text/html", "<html>bad gateway</html>") }},
		{"throttled", 3, func(w http.ResponseWriter) {
			reply(w, 400, jsonType, `{"__type": "ThrottlingException", "message": "Rate exceeded"}`)
		}},
		{"too many requests without a code", 1, func(w http.ResponseWriter) { reply(w, 429, "text/plain", "slow down") }},
		{"dropped before the answer", 1, func(w http.ResponseWriter) { drop(w, "") }},
		{"dropped in the header", 1, func(w http.ResponseWriter) { drop(w, "HTTP/1.1 200 OK\r\nContent-Le") }},
		{"dropped before the body", 1, func(w http.ResponseWriter) { drop(w, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n") }},
		{"dropped in the body", 1, func(w http.ResponseWriter) {
			drop(w, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n"+onePage[:20])
		}},
		{"dropped in a chunked body", 1, func(w http.ResponseWriter) {
			drop(w, fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n%s\r\n", onePage[:20]))
		}},
		{"half of a body without a length", 1, func(w http.ResponseWriter) {
			drop(w, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"+onePage[:20])
		}},
		{"dropped in the body of an error", 1, func(w http.ResponseWriter) {
			drop(w, "HTTP/1.1 400 Bad Request\r\nContent-Length: 50\r\n\r\n"+`{"__type": "Thro`)
		}},
		{"malformed", 1, func(w http.ResponseWriter) { reply(w, 200, jsonType, `{"repositories": [}`) }},
		{"HTML", 1, func(w http.ResponseWriter) { reply(w, 200, "text/html", "<html>log in first</html>") }},
		{"empty", 1, func(w http.ResponseWriter) { reply(w, 200, jsonType, "") }},
		{"empty and chunked", 1, func(w http.ResponseWriter) {
			drop(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
		}},
		{"only spaces", 1, func(w http.ResponseWriter) { reply(w, 200, jsonType, " \r\n\t ") }},
		{"null", 1, func(w http.ResponseWriter) { reply(w, 200, jsonType, "null") }},
		{"a list", 1, func(w http.ResponseWriter) { reply(w, 200, jsonType, "[]") }},
		{"hangs before the answer", 1, func(http.ResponseWriter) { time.Sleep(time.Minute) }},
		{"hangs in the body", 1, func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "50")
			io.WriteString(w, onePage[:20])
			w.(http.Flusher).Flush()
			time.Sleep(time.Minute)
		}},
	}
	for _, tt := range tests {
		inBubble(t, tt.name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request, n int) {
				if n <= tt.faults {
					tt.fault(w)
					return
				}
				reply(w, 200, jsonType, onePage)
			})
			cfg, session := s.config(t)
			out, err := ecr.NewFromConfig(cfg).DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{})
			if err != nil {
				t.Fatal(err)
			}
			if len(out.Repositories) != 1 || aws.ToString(out.Repositories[0].RepositoryName) != "apps/web" {
				t.Errorf("got %d repositories, want apps/web", len(out.Repositories))
			}
			total := session.Stats().Total()
			if total.Calls != int64(tt.faults+1) || total.Retries != int64(tt.faults) || total.InFlight != 0 {
				t.Errorf("stats %+v, want %d calls", total, tt.faults+1)
			}
		})
	}
}

// TestAnswersThatSayNothing gives each of the protocols answers that could be
// taken for an empty list. Each must end as an error.
func TestAnswersThatSayNothing(t *testing.T) {
	protocols := []struct {
		name string
		call func(ctx context.Context, cfg aws.Config) error
	}{
		{"JSON 1.1", func(ctx context.Context, cfg aws.Config) error {
			_, err := ecr.NewFromConfig(cfg).DescribeImages(ctx, &ecr.DescribeImagesInput{RepositoryName: aws.String("a")})
			return err
		}},
		{"JSON 1.1, tagging", func(ctx context.Context, cfg aws.Config) error {
			_, err := resourcegroupstaggingapi.NewFromConfig(cfg).GetResources(ctx, &resourcegroupstaggingapi.GetResourcesInput{})
			return err
		}},
		{"JSON 1.0", func(ctx context.Context, cfg aws.Config) error {
			_, err := apprunner.NewFromConfig(cfg).ListServices(ctx, &apprunner.ListServicesInput{})
			return err
		}},
		{"REST-JSON", func(ctx context.Context, cfg aws.Config) error {
			_, err := lambda.NewFromConfig(cfg).ListFunctions(ctx, &lambda.ListFunctionsInput{})
			return err
		}},
		{"Query", func(ctx context.Context, cfg aws.Config) error {
			_, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
			return err
		}},
	}
	answers := []struct{ name, contentType, body string }{
		{"nothing", jsonType, ""},
		{"nothing of no type", "", ""},
		{"a space", jsonType, " "},
		{"null", jsonType, "null"},
		{"null of plain JSON", "application/json", "null"},
		{"a list", jsonType, "[]"},
		{"a string", jsonType, `"x"`},
		{"half an object", jsonType, `{"nextToken": "a`},
		{"an open object", jsonType, `{`},
		{"HTML", "text/html", "<html></html>"},
		{"text", "text/plain", "OK"},
	}
	for _, protocol := range protocols {
		for _, answer := range answers {
			inBubble(t, protocol.name+"/"+answer.name, func(t *testing.T) {
				s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) { reply(w, 200, answer.contentType, answer.body) })
				cfg, _ := s.config(t)
				if err := protocol.call(t.Context(), cfg); err == nil {
					t.Fatal("was taken for an answer")
				}
				if n := s.calls.Load(); n != otherAttempts {
					t.Errorf("%d attempts, want %d", n, otherAttempts)
				}
			})
		}
	}
}

// TestFaultsThatLast has every answer go wrong.
func TestFaultsThatLast(t *testing.T) {
	throttled := func(err error) bool {
		var e *ThrottledError
		return errors.As(err, &e) && e.Action == "ecr:DescribeRepositories"
	}
	unreadable := func(err error) bool { var e *smithy.DeserializationError; return errors.As(err, &e) }
	code := func(want string) func(error) bool {
		return func(err error) bool { var e smithy.APIError; return errors.As(err, &e) && e.ErrorCode() == want }
	}
	tests := []struct {
		name     string
		status   int
		body     string
		attempts int64
		is       func(error) bool
	}{
		{"internal error", 500, `{"__type": "ServerException"}`, otherAttempts, code("ServerException")},
		{"throttled", 400, `{"__type": "ThrottlingException"}`, throttleAttempts, throttled},
		{"malformed", 200, `{"repositories": [}`, otherAttempts, unreadable},
		{"not valid", 400, `{"__type": "InvalidParameterException"}`, 1, code("InvalidParameterException")},
		{"a hard quota", 400, `{"__type": "LimitExceededException"}`, 1, code("LimitExceededException")},
		{"expired", 400, `{"__type": "ExpiredTokenException"}`, 1, func(err error) bool {
			var e *CredentialsError
			return errors.As(err, &e) && e.Expired
		}},
		{"denied", 400, `{"__type": "AccessDeniedException"}`, 1, func(err error) bool {
			var e *DeniedError
			return errors.As(err, &e) && e.Action == "ecr:DescribeRepositories"
		}},
	}
	for _, tt := range tests {
		inBubble(t, tt.name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) { reply(w, tt.status, jsonType, tt.body) })
			cfg, session := s.config(t)
			out, err := ecr.NewFromConfig(cfg).DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{})
			if err == nil || out != nil || !tt.is(err) {
				t.Errorf("got %v, %v", out, err)
			}
			if n := s.calls.Load(); n != tt.attempts {
				t.Errorf("%d attempts, want %d", n, tt.attempts)
			}
			if total := session.Stats().Total(); total.Calls != tt.attempts {
				t.Errorf("stats %+v, want %d calls", total, tt.attempts)
			}
		})
	}
}

// TestOneByteBodies reads an answer that comes byte by byte, and is not cut.
func TestOneByteBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
			for _, b := range []byte("\n " + onePage) {
				if _, err := w.Write([]byte{b}); err != nil {
					return
				}
				w.(http.Flusher).Flush()
			}
		})
		cfg, _ := s.config(t)
		out, err := ecr.NewFromConfig(cfg).DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{})
		if err != nil || len(out.Repositories) != 1 {
			t.Fatalf("got %+v, %v", out, err)
		}
	})
}

// TestAnswerBeforeTheEndOfTheRequest has the answer begin while the client has not
// noticed that it has sent all of the request, as on a busy machine.
func TestAnswerBeforeTheEndOfTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
			reply(w, 200, jsonType, onePage[:20])
			w.(http.Flusher).Flush()
			time.Sleep(3 * time.Second)
			io.WriteString(w, onePage[20:])
		})
		s.linger = time.Second
		cfg, session := s.config(t)
		out, err := ecr.NewFromConfig(cfg).DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{})
		if err != nil || len(out.Repositories) != 1 {
			t.Fatalf("got %+v, %v", out, err)
		}
		if total := session.Stats().Total(); total.Calls != 1 {
			t.Errorf("stats %+v, want one call", total)
		}
	})
}

// TestCallHonoursContext ends the context of a call that waits for its quota.
func TestCallHonoursContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Header().Set("Retry-After", "60")
			reply(w, 503, jsonType, `{"__type": "ServiceUnavailable"}`)
		})
		cfg, session := s.config(t)
		ctx, cancel := context.WithTimeout(t.Context(), 59*time.Second)
		defer cancel()
		_, err := ecr.NewFromConfig(cfg).DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want context.DeadlineExceeded", err)
		}
		var credentials *CredentialsError
		if errors.As(err, &credentials) {
			t.Errorf("%v is taken for an error of credentials", err)
		}
		if total := session.Stats().Total(); total.Calls != 1 || total.InFlight != 0 {
			t.Errorf("stats %+v, want one call", total)
		}
	})
}

// TestUserAgent looks at what AWS gets to know of the caller.
func TestUserAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var agent string
		s := serve(t, func(w http.ResponseWriter, r *http.Request, _ int) {
			agent = r.UserAgent()
			reply(w, 200, jsonType, onePage)
		})
		cfg, _ := s.config(t)
		if _, err := ecr.NewFromConfig(cfg).DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(agent, "regsweep/1.2.3") {
			t.Errorf("User-Agent %q does not name regsweep/1.2.3", agent)
		}
	})
}

// TestDenials tells a call that was denied whenever it was sent from one that may
// have been carried out before it was denied.
func TestDenials(t *testing.T) {
	denial := func(w http.ResponseWriter) { reply(w, 400, jsonType, `{"__type": "AccessDeniedException"}`) }
	tests := []struct {
		name    string
		answers []func(w http.ResponseWriter)
		late    bool
	}{
		{"denied", []func(w http.ResponseWriter){denial}, false},
		{"denied after a throttle", []func(w http.ResponseWriter){func(w http.ResponseWriter) {
			reply(w, 400, jsonType, `{"__type": "ThrottlingException"}`)
		}, denial}, false},
		{"denied after a lost answer", []func(w http.ResponseWriter){func(w http.ResponseWriter) { drop(w, "") }, denial}, true},
		{"denied after an internal error", []func(w http.ResponseWriter){func(w http.ResponseWriter) {
			reply(w, 500, jsonType, `{"__type": "ServerException"}`)
		}, denial}, true},
		{"denied after an answer that was cut", []func(w http.ResponseWriter){func(w http.ResponseWriter) {
			drop(w, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n"+onePage[:20])
		}, denial}, true},
	}
	for _, tt := range tests {
		inBubble(t, tt.name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request, n int) { tt.answers[min(n, len(tt.answers))-1](w) })
			cfg, _ := s.config(t)
			_, err := ecr.NewFromConfig(cfg).BatchDeleteImage(t.Context(), &ecr.BatchDeleteImageInput{
				RepositoryName: aws.String("apps/web"), ImageIds: []types.ImageIdentifier{{ImageTag: aws.String("v1")}},
			})
			denied, ok := errors.AsType[*DeniedError](err)
			late, isLate := errors.AsType[*LateDenialError](err)
			if !ok || isLate != tt.late || int(s.calls.Load()) != len(tt.answers) {
				t.Fatalf("got %v after %d calls, late %t", err, s.calls.Load(), isLate)
			}
			if isLate && (!late.OutcomeUnknown() || late.Error() == "" || denied.Action != "ecr:BatchDeleteImage") {
				t.Errorf("got %v of %s", late, denied.Action)
			}
		})
	}
}
