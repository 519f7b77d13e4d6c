package notify_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/notify"
	"github.com/regsweep/regsweep/internal/plan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMessage(t *testing.T) {
	gap := &plan.Plan{
		Sources: []plan.Source{
			{Name: "kubernetes/prod", Status: "gap", Detail: "list pods: access\ndenied"},
			{Name: "ecs", Status: "gap", Ignored: true}, {Name: "lambda", Status: "ok"},
		},
		Totals: plan.Totals{Held: 5, Grace: 1},
	}
	many := &plan.Report{Deleted: 12, Failed: 1}
	for i := range 12 {
		many.Repositories = append(many.Repositories, plan.RepositoryReport{Registry: "prod", Name: "apps/" + string(rune('a'+i)), Deleted: 1})
	}
	many.Repositories[0].Failures = make([]plan.Failure, 1)
	for _, test := range []struct {
		name  string
		run   notify.Run
		worth bool
		want  string
	}{
		{"nothing", notify.Run{Plan: &plan.Plan{Totals: plan.Totals{Keep: 5}}, Report: &plan.Report{}}, false, "run: 0 images deleted"},
		{"a plan that deletes", notify.Run{Plan: &plan.Plan{Totals: plan.Totals{Delete: 1}}}, false, "run: 1 image would go"},
		{"grace only", notify.Run{Plan: &plan.Plan{Totals: plan.Totals{Held: 2, Grace: 2}}}, false, "run: nothing to do"},
		{"gap and limit", notify.Run{Plan: gap, Gaps: true}, true,
			"run: 4 images held by gaps or limits, 1 gap\ngap kubernetes/prod: list pods: access denied"},
		{"failed", notify.Run{Err: errors.New("credentials have expired")}, true, "run: the run failed\nfailed: credentials have expired"},
		{"stopped", notify.Run{
			Plan: &plan.Plan{Totals: plan.Totals{Delete: 250, Archive: 8}}, Stopped: errors.New("the process was told to end"),
			Report: &plan.Report{Deleted: 204, Repositories: []plan.RepositoryReport{
				{Registry: "prod", Name: "apps/web", Deleted: 204, Changed: 1, DoneBefore: 1, Left: 40, Failures: []plan.Failure{{}, {Mark: plan.Unmark}}},
			}}}, true,
			"run: 204 images deleted, stopped before the end, 51 images left for later\nprod/apps/web: 204 deleted, 2 failed\nthe process was told to end"},
		{"stopped before it began", notify.Run{Stopped: errors.New("time is up")}, true, "run: stopped before the end\ntime is up"},
		{"deletions", notify.Run{Plan: &plan.Plan{Totals: plan.Totals{Delete: 13}}, Report: many}, true,
			"run: 12 images deleted, 1 failed\nprod/apps/a: 1 deleted, 1 failed\nprod/apps/b: 1 deleted\nprod/apps/c: 1 deleted\nprod/apps/d: 1 deleted\n" +
				"prod/apps/e: 1 deleted\nprod/apps/f: 1 deleted\nprod/apps/g: 1 deleted\nprod/apps/h: 1 deleted\nprod/apps/i: 1 deleted\nprod/apps/j: 1 deleted\nand 2 more"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.run.Name = "run"
			if diff := cmp.Diff(test.want, test.run.Message().Text); diff != "" {
				t.Error(diff)
			}
			if got := test.run.Worth(); got != test.worth {
				t.Errorf("worth %v, want %v", got, test.worth)
			}
		})
	}
}

// answers is a RoundTripper that gives one answer after the other.
type answers struct {
	list  []func() (*http.Response, error)
	calls int
	sent  string
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	a.sent = string(body)
	a.calls++
	return a.list[min(a.calls, len(a.list))-1]()
}

func status(code int, header http.Header) func() (*http.Response, error) {
	return func() (*http.Response, error) {
		return &http.Response{StatusCode: code, Header: header, Body: io.NopCloser(strings.NewReader("no secret-token here"))}, nil
	}
}

func broken() (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Err: errors.New("refused")}
}

const secret = "secret-token"

func TestWebhook(t *testing.T) {
	for _, test := range []struct {
		name    string
		answers []func() (*http.Response, error)
		calls   int
		fails   string
		took    time.Duration
	}{
		{"delivered", []func() (*http.Response, error){status(200, nil)}, 1, "", 0},
		{"second attempt", []func() (*http.Response, error){broken, status(204, nil)}, 2, "", time.Second},
		{"busy", []func() (*http.Response, error){status(429, http.Header{"Retry-After": {"5"}}), status(503, nil), status(200, nil)}, 3, "", 7 * time.Second},
		{"asks for too long", []func() (*http.Response, error){status(429, http.Header{"Retry-After": {"86400"}}), status(200, nil)}, 2, "", 30 * time.Second},
		{"refused for good", []func() (*http.Response, error){status(404, nil)}, 1, "webhook at hooks.example.com: it answered 404 Not Found", 0},
		{"sent elsewhere", []func() (*http.Response, error){status(307, http.Header{"Location": {"https://elsewhere.example.com"}})}, 1, "webhook at hooks.example.com: it answered 307 Temporary Redirect", 0},
		{"down", []func() (*http.Response, error){broken}, 4, "webhook at hooks.example.com: dial: refused", 7 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &answers{list: test.answers}
				w, err := notify.NewWebhook("https://user:"+secret+"@hooks.example.com/services/"+secret+"?key="+secret, a)
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				err = w.Send(t.Context(), notify.Message{Text: "a & <b>\nc"})
				if text := errorText(err); text != test.fails {
					t.Errorf("error %q, want %q", text, test.fails)
				}
				if strings.Contains(errorText(err)+w.String(), secret) {
					t.Errorf("a secret is shown: %v, %s", err, w)
				}
				if took := time.Since(began); took != test.took || a.calls != test.calls {
					t.Errorf("%d calls in %v, want %d in %v", a.calls, took, test.calls, test.took)
				}
				if want := `{"text":"a &amp; &lt;b&gt;\nc"}` + "\n"; a.sent != want {
					t.Errorf("sent %s, want %s", a.sent, want)
				}
			})
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestWebhookEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, err := notify.NewWebhook("https://hooks.example.com/"+secret, &answers{list: []func() (*http.Response, error){broken}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		if err := w.Send(ctx, notify.Message{}); !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), secret) {
			t.Errorf("error %v", err)
		}
	})
}

func TestWrongURL(t *testing.T) {
	for _, address := range []string{"", "hooks.example.com/" + secret, "ftp://hooks.example.com/" + secret, "https://%zz" + secret, "https:///" + secret} {
		if _, err := notify.NewWebhook(address, nil); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// Over a real connection, with the default transport.
func TestWebhookOverHTTP(t *testing.T) {
	var got atomic.Pointer[map[string]string]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]string
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			w.WriteHeader(http.StatusBadRequest)
		}
		got.Store(&body)
	}))
	defer server.Close()
	defer http.DefaultClient.CloseIdleConnections()
	w, err := notify.NewWebhook(server.URL+"/"+secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Send(t.Context(), notify.Message{Text: "hello"}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&map[string]string{"text": "hello"}, got.Load()); diff != "" {
		t.Error(diff)
	}
}

func TestTopic(t *testing.T) {
	aws := embedded.New(embedded.Options{Clock: time.Now})
	region := aws.Account(embedded.DefaultAccount).Region("eu-central-1")
	topic := region.CreateTopic("regsweep")
	server := httptest.NewServer(aws)
	defer server.Close()
	defer http.DefaultClient.CloseIdleConnections()
	session := awsapi.NewSession(awsapi.Options{
		Now: time.Now, Region: "eu-west-1", Endpoint: server.URL, Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""), HTTPClient: server.Client(),
	})
	long := "pröd: " + strings.Repeat("x", 200) + "\n"
	if err := notify.NewTopic(topic, session).Send(t.Context(), notify.Message{Subject: long, Text: long}); err != nil {
		t.Fatal(err)
	}
	want := []embedded.SNSMessage{{TopicARN: topic, Subject: "pr?d: " + strings.Repeat("x", 93), Message: long}}
	if diff := cmp.Diff(want, aws.Published(topic)); diff != "" {
		t.Error(diff)
	}
	aws.Deny("test", "sns:Publish", "")
	var denied *awsapi.DeniedError
	if err := notify.NewTopic(topic, session).Send(t.Context(), notify.Message{Subject: "s", Text: "t"}); !errors.As(err, &denied) || denied.Action != "sns:Publish" {
		t.Errorf("denied: %v", err)
	}
	if got := notify.TopicIAM(topic).Resource.String(); got != topic {
		t.Errorf("IAM resource %s", got)
	}
}
