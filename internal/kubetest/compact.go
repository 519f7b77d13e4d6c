package kubetest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
)

// ExpireContinueTokens makes etcd forget all but the newest state, as it does
// every few minutes in a cluster, so that the API server answers every continue
// token given out so far with 410 Gone. It needs Options.NoWatchCache.
func (s *Server) ExpireContinueTokens(t testing.TB) {
	t.Helper()
	if !s.options.NoWatchCache {
		t.Fatal("expire continue tokens: the server needs Options.NoWatchCache")
	}
	// A token holds the revision at which its list began, and the compacted
	// revision itself stays readable; a write makes sure that it is newer than
	// every token.
	key := base64.StdEncoding.EncodeToString([]byte("kubetest-compaction"))
	var put struct {
		Header struct {
			Revision string `json:"revision"`
		} `json:"header"`
	}
	if err := s.etcdCall(t.Context(), "/v3/kv/put", map[string]any{"key": key}, &put); err != nil {
		t.Fatalf("expire continue tokens: %v", err)
	}
	if err := s.etcdCall(t.Context(), "/v3/kv/compaction", map[string]any{"revision": put.Header.Revision}, &struct{}{}); err != nil {
		t.Fatalf("expire continue tokens: %v", err)
	}
}

// etcdCall sends one request to etcd's JSON gateway
// (https://etcd.io/docs/v3.6/dev-guide/api_grpc_gateway/).
func (s *Server) etcdCall(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("etcd %s: %w", path, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.etcdURL()+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("etcd %s: %w", path, err)
	}
	defer s.transport.CloseIdleConnections()
	// The plain transport: the administrator's token is not for etcd.
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("etcd %s: %w", path, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("etcd %s: %w", path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("etcd %s: %s: %s", path, resp.Status, data)
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("etcd %s: %w", path, err)
	}
	return nil
}
