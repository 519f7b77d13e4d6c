package kubernetes

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"

	"github.com/regsweep/regsweep/internal/kubetest"
)

// helmRevisions are more than fit in one page of Secrets, but not in two.
const helmRevisions = 21

// TestCollectWhatBreaks does to an API server what must not pass for "nothing
// is used". The server is its own, since it does not survive.
func TestCollectWhatBreaks(t *testing.T) {
	key, keyFile := signingKey(t)
	s := kubetest.Start(t, kubetest.Options{NoWatchCache: true, Flags: []string{"--service-account-key-file=" + keyFile}})
	ns := s.Namespace(t)
	s.Apply(t, ns, deployment("web", "registry.example.com/web:1"))
	for i := range helmRevisions {
		manifest := deployment("web", fmt.Sprintf("registry.example.com/web:%d", i+1))
		s.Apply(t, ns, helmSecret("web", i+1, helmPayload(t, helmRelease("web", "superseded", manifest))))
	}
	config := Config{Namespaces: []string{ns}, Helm: true}

	// Each page of Secrets, by its number in all.
	secrets := func(before func(page int, r *http.Request)) *rest.Config {
		page := 0
		return watched(s.Config(), func(r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/secrets") {
				page++
				before(page, r)
			}
		})
	}

	t.Run("the list outlives its moment once", func(t *testing.T) {
		var tokens []bool
		c := secrets(func(page int, r *http.Request) {
			tokens = append(tokens, r.URL.Query().Has("continue"))
			if page == 2 {
				// A revision goes meanwhile, so the second list differs.
				s.Apply(t, ns, helmSecret("extra", 1, helmPayload(t, helmRelease("extra", "deployed", deployment("extra", "registry.example.com/extra")))))
				s.ExpireContinueTokens(t)
			}
		})
		findings, err := sourceFor(c, config).Collect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if want := []bool{false, true, false, true}; !slices.Equal(tokens, want) {
			t.Errorf("pages with a continue token %v, want %v", tokens, want)
		}
		refs := asked(findings.Observations)
		if len(refs) != helmRevisions+2 || !slices.Contains(refs, "registry.example.com/extra") {
			t.Errorf("found %v, want the revisions, the Deployment and what came later, each once", refs)
		}
	})

	t.Run("the list outlives its moment for ever", func(t *testing.T) {
		pages := 0
		c := secrets(func(page int, r *http.Request) {
			pages = page
			if r.URL.Query().Has("continue") {
				s.ExpireContinueTokens(t)
			}
		})
		findings, err := sourceFor(c, config).Collect(t.Context())
		if !apierrors.IsResourceExpired(err) {
			t.Errorf("error %v, want one that wraps 410 Expired", err)
		}
		if pages != 2*(maxRestarts+1) {
			t.Errorf("%d pages, want %d", pages, 2*(maxRestarts+1))
		}
		if refs := asked(findings.Observations); len(refs) < 20 {
			t.Errorf("found only %v beside the error", refs)
		}
	})

	t.Run("the token expires", func(t *testing.T) {
		account := string(s.Apply(t, ns, "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: someone}\n")[0].GetUID())
		valid := s.Config()
		valid.BearerToken = key.token(t, ns, account, time.Hour)
		// It may list nothing, but it is somebody.
		_, err := sourceFor(valid, config).Collect(t.Context())
		var denied *AccessError
		if !errors.As(err, &denied) {
			t.Fatalf("a valid token without rights: error %v, want an AccessError", err)
		}
		expired := s.Config()
		expired.BearerToken = key.token(t, ns, account, -time.Hour)
		findings, err := sourceFor(expired, config).Collect(t.Context())
		var refused *CredentialsError
		if !errors.As(err, &refused) || len(findings.Observations) != 0 {
			t.Fatalf("error %v, found %v; want a CredentialsError", err, findings)
		}
		if !strings.Contains(err.Error(), "cluster test ("+s.Config().Host+") does not accept the credentials") {
			t.Errorf("message %q does not say which cluster", err)
		}
		// And between discovery and the lists.
		late := watched(s.Config(), func(r *http.Request) {
			if r.URL.Path != "/apis" {
				r.Header.Set("Authorization", "Bearer "+expired.BearerToken)
			}
		})
		_, err = sourceFor(late, config).Collect(t.Context())
		if !errors.As(err, &refused) || strings.Count(err.Error(), "credentials") != 1 {
			t.Errorf("error %v, want one CredentialsError", err)
		}
	})

	t.Run("an aggregated API server is away", func(t *testing.T) {
		s.Apply(t, ns, `
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1.away.example.com}
spec:
  group: away.example.com
  version: v1
  groupPriorityMinimum: 100
  versionPriority: 100
  insecureSkipTLSVerify: true
  service: {namespace: default, name: no-such-service}
`)
		client, err := newClient("test", s.Config())
		if err != nil {
			t.Fatal(err)
		}
		defer client.close()
		err = wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
			data, err := client.get(ctx, acceptDiscovery, "/apis")
			return strings.Contains(string(data), "away.example.com"), err
		})
		if err != nil {
			t.Fatal(err)
		}
		findings, err := sourceFor(s.Config(), Config{CustomResources: true}).Collect(t.Context())
		if err == nil || !strings.Contains(err.Error(), "away.example.com/v1") {
			t.Errorf("error %v, want one that names the group", err)
		}
		if refs := asked(findings.Observations); !slices.Contains(refs, "registry.example.com/web:1") {
			t.Errorf("found %v beside the error", refs)
		}
		if _, err := sourceFor(s.Config(), Config{}).Collect(t.Context()); err != nil {
			t.Errorf("without custom resources: %v", err)
		}
	})

	// Last, since nothing answers afterwards: the server dies while the body of
	// the second page is on its way, and stays dead.
	t.Run("the API server is killed in mid-list", func(t *testing.T) {
		for i := range 20 {
			s.Apply(t, ns, bigRelease(t, i+1))
		}
		c := killing(s)
		findings, err := sourceFor(c, config).Collect(t.Context())
		var lost *UnreachableError
		if !errors.As(err, &lost) {
			t.Fatalf("error %v, want an UnreachableError", err)
		}
		if !slices.Contains(lost.Reading, "secrets") || !strings.Contains(err.Error(), "connection lost while reading") {
			t.Errorf("error %v does not name what was being read", err)
		}
		if refs := asked(findings.Observations); len(refs) < 20 {
			t.Errorf("found only %v beside the error, want at least the first page", refs)
		}
		findings, err = sourceFor(s.Config(), config).Collect(t.Context())
		if !errors.As(err, &lost) || len(lost.Reading) != 0 || len(findings.Observations) != 0 {
			t.Fatalf("error %v, want an UnreachableError and nothing found", err)
		}
		if want := "cluster test (" + s.Config().Host + ") cannot be reached: "; !strings.HasPrefix(err.Error(), want) {
			t.Errorf("message %q, want it to begin %q", err, want)
		}
	})
}

// killing returns a configuration that kills the server when the second page of
// Secrets is half read: the body ends as the connection does.
func killing(s *kubetest.Server) *rest.Config {
	config := s.Config()
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper{next, func(r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err == nil && strings.HasSuffix(r.URL.Path, "/secrets") && r.URL.Query().Has("continue") {
				resp.Body = &dyingBody{ReadCloser: resp.Body, kill: s.Kill}
			}
			return resp, err
		}}
	})
	return config
}

// dyingBody kills the server after the first bytes, and then gives what the
// connection still has.
type dyingBody struct {
	io.ReadCloser
	kill func()
	once sync.Once
}

func (b *dyingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.once.Do(b.kill)
	return n, err
}

// bigRelease is a revision of about half a megabyte: a page of them is more
// than what can be on its way at once (4 MB, the HTTP/2 client's window).
func bigRelease(t *testing.T, n int) string {
	noise := make([]byte, 300<<10)
	if _, err := rand.Read(noise); err != nil {
		t.Fatal(err)
	}
	rel := helmRelease("zbig", "superseded", deployment("zbig", "registry.example.com/zbig"))
	rel["noise"] = noise
	return helmSecret("zbig", n, helmPayload(t, rel))
}

// tokenKey signs ServiceAccount tokens as the API server would, so that a test
// can have one that has expired.
type tokenKey struct{ private *ecdsa.PrivateKey }

// signingKey makes a key, and the file that makes an API server believe it.
func signingKey(t *testing.T) (tokenKey, string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "tokens.pub")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tokenKey{private}, path
}

// token returns a token of the ServiceAccount "someone" that is valid for a
// time, which can be past.
func (k tokenKey) token(t *testing.T, ns, uid string, valid time.Duration) string {
	t.Helper()
	const issuer = "https://kubernetes.default.svc"
	now := time.Now()
	encode := func(v any) string {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(data)
	}
	signed := encode(map[string]any{"alg": "ES256"}) + "." + encode(map[string]any{
		"iss": issuer, "aud": []string{issuer}, "sub": "system:serviceaccount:" + ns + ":someone",
		"iat": now.Add(-2 * time.Hour).Unix(), "nbf": now.Add(-2 * time.Hour).Unix(), "exp": now.Add(valid).Unix(),
		"kubernetes.io": map[string]any{"namespace": ns, "serviceaccount": map[string]any{"name": "someone", "uid": uid}},
	})
	hash := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, k.private, hash[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}
