package kubeclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"

	"github.com/regsweep/regsweep/internal/kubeclient"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var leases = kubeclient.Resource{Group: "coordination.k8s.io", Version: "v1", Name: "leases", Namespace: "ops"}

// answer is what a server says to one request.
type answer struct {
	status int
	body   string
}

func failure(code int, reason, message string) answer {
	return answer{code, fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"message":%q,"code":%d}`, reason, message, code)}
}

// serve returns a client of a server that gives the answer, and what it was asked
// last.
func serve(t *testing.T, a answer) (client *kubeclient.Client, asked func() string) {
	t.Helper()
	var last string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		last = strings.TrimSpace(r.Method + " " + r.URL.Path + " " + string(body))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body)
	}))
	t.Cleanup(server.Close)
	client, err := kubeclient.New(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client, func() string { return last }
}

func TestCalls(t *testing.T) {
	object := map[string]string{"a": "b"}
	for _, test := range []struct {
		asked string
		do    func(context.Context, *kubeclient.Client, any) error
	}{
		{"GET /apis/coordination.k8s.io/v1/namespaces/ops/leases/one", func(ctx context.Context, c *kubeclient.Client, into any) error {
			return c.Get(ctx, leases, "one", into)
		}},
		{`POST /api/v1/namespaces/ops/events {"a":"b"}`, func(ctx context.Context, c *kubeclient.Client, into any) error {
			return c.Create(ctx, kubeclient.Resource{Version: "v1", Name: "events", Namespace: "ops"}, object, into)
		}},
		{`PUT /apis/coordination.k8s.io/v1/namespaces/ops/leases/one {"a":"b"}`, func(ctx context.Context, c *kubeclient.Client, into any) error {
			return c.Update(ctx, leases, "one", object, into)
		}},
	} {
		client, asked := serve(t, answer{http.StatusOK, `{"x":"y"}`})
		var got map[string]string
		if err := test.do(t.Context(), client, &got); err != nil || got["x"] != "y" || asked() != test.asked {
			t.Errorf("asked %s, want %s; got %v, error %v", asked(), test.asked, got, err)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer answer
		is     func(error) bool
		text   string
	}{
		{"forbidden", failure(403, "Forbidden", "leases is forbidden: no"), func(err error) bool {
			var access *kubeclient.AccessError
			return errors.As(err, &access) && access.Verb == "update" && apierrors.IsForbidden(err)
		}, "update leases.coordination.k8s.io in namespace ops: access denied: bind a Role with verb update on them"},
		{"not found", failure(404, "NotFound", "no"), apierrors.IsNotFound, "update leases.coordination.k8s.io in namespace ops of http://127.0.0.1:"},
		{"conflict", failure(409, "Conflict", "changed"), apierrors.IsConflict, "changed"},
		{"busy", failure(503, "ServiceUnavailable", "busy"), apierrors.IsServiceUnavailable, "busy"},
		{"no object", answer{200, "[]"}, func(err error) bool { return err != nil }, "cannot unmarshal"},
	} {
		t.Run(test.name, func(t *testing.T) {
			client, _ := serve(t, test.answer)
			var got map[string]string
			err := client.Update(t.Context(), leases, "one", got, &got)
			if err == nil || !test.is(err) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestWrongConfig(t *testing.T) {
	if _, err := kubeclient.New(&rest.Config{Host: "https://cluster.example.com", TLSClientConfig: rest.TLSClientConfig{CAData: []byte("none")}}); err == nil {
		t.Error("a certificate that is none was taken")
	}
}
