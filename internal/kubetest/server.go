package kubetest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

const (
	// startTimeout bounds one start. About 3 s are usual on two cores; the
	// rest is for a machine that runs other tests at the same time. A program that
	// ends is noticed at once.
	startTimeout = 3 * time.Minute
	// pollInterval is how often something that a real process has to reach is
	// asked for.
	pollInterval = 50 * time.Millisecond
	// startAttempts: a port that was free when picked may be taken by the time
	// a server listens on it, so a failed start is tried on other ports.
	startAttempts = 3
)

// Options say how a server differs from a plain one.
type Options struct {
	// NoWatchCache makes the API server read every list from etcd, which
	// ExpireContinueTokens needs: with the cache, older pages stay readable.
	NoWatchCache bool
	// Flags are added to the API server's command line.
	Flags []string
}

// Server is a running API server with its etcd. Its methods may be called by
// several goroutines at once, but for Kill and Restart, which come in turn.
type Server struct {
	options Options
	bin     string // folder with the programs
	dir     string // folder with everything the programs write
	creds   credentials

	etcdPort, apiPort int
	config            *rest.Config
	kubeconfig        string

	// The helpers' own connections. Each helper closes those that it leaves
	// idle.
	transport *http.Transport
	http      *http.Client
	dynamic   dynamic.Interface
	discovery *discovery.DiscoveryClient

	mu        sync.Mutex
	etcd, api *process // nil when not running
}

// Run starts a server, for TestMain. stop ends both programs and removes all
// that they wrote; it may be called more than once. The error of a start that
// did not succeed holds the last lines of both logs.
func Run(options Options) (s *Server, stop func(), err error) {
	bin, err := binaries()
	if err != nil {
		return nil, nil, fmt.Errorf("find Kubernetes binaries: %w", err)
	}
	for range startAttempts {
		if s, err = start(bin, options); err == nil {
			return s, s.stop, nil
		}
		if errors.Is(err, context.DeadlineExceeded) {
			break // no port was taken: another attempt would be as slow
		}
	}
	return nil, nil, fmt.Errorf("start a Kubernetes API server, %d attempts at most, the last: %w", startAttempts, err)
}

// Start starts a server that ends with the test.
func Start(t testing.TB, options Options) *Server {
	t.Helper()
	s, stop, err := Run(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return s
}

// start makes one attempt and leaves nothing behind when it returns an error.
func start(bin string, options Options) (_ *Server, err error) {
	s := &Server{options: options, bin: bin}
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	if s.dir, err = os.MkdirTemp("", "kubetest-"); err != nil {
		return nil, err
	}
	if s.creds, err = writeCredentials(s.dir); err != nil {
		return nil, err
	}
	if s.etcdPort, s.apiPort, err = freePorts(); err != nil {
		return nil, err
	}
	if err := s.connect(); err != nil {
		return nil, err
	}
	if s.etcd, err = s.startEtcd(); err != nil {
		return nil, err
	}
	if s.api, err = s.startAPI(); err != nil {
		return nil, err
	}
	if err := s.waitReady(); err != nil {
		return nil, err
	}
	return s, nil
}

// connect makes the administrator's configuration and clients. It sends
// nothing.
func (s *Server) connect() error {
	host := "https://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(s.apiPort))
	s.config = &rest.Config{
		Host:            host,
		BearerToken:     s.creds.adminToken,
		TLSClientConfig: rest.TLSClientConfig{CAData: s.creds.certPEM},
	}
	s.kubeconfig = filepath.Join(s.dir, "kubeconfig")
	if err := writeKubeconfig(s.kubeconfig, map[string]*rest.Config{"kubetest": s.config}); err != nil {
		return err
	}

	// The helpers have connections of their own, so that they can close them
	// and a test's check for leaked goroutines sees only the code under test.
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.creds.certPEM)
	s.transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	own := &rest.Config{
		Host:        host,
		BearerToken: s.creds.adminToken,
		QPS:         -1, // no throttling: hundreds of objects in one test
		Transport:   s.transport,
		// Emptying a namespace touches deprecated kinds; the log is for the
		// warnings that the code under test gets.
		WarningHandler: rest.NoWarnings{},
	}
	var err error
	if s.http, err = rest.HTTPClientFor(own); err != nil {
		return fmt.Errorf("make HTTP client: %w", err)
	}
	if s.dynamic, err = dynamic.NewForConfigAndClient(own, s.http); err != nil {
		return fmt.Errorf("make dynamic client: %w", err)
	}
	if s.discovery, err = discovery.NewDiscoveryClientForConfigAndClient(own, s.http); err != nil {
		return fmt.Errorf("make discovery client: %w", err)
	}
	return nil
}

func (s *Server) startEtcd() (*process, error) {
	url := s.etcdURL()
	return startProcess("etcd", filepath.Join(s.bin, "etcd"), s.dir, filepath.Join(s.dir, "etcd.log"), []string{
		"--data-dir=" + filepath.Join(s.dir, "etcd"),
		"--listen-client-urls=" + url,
		"--advertise-client-urls=" + url,
		"--listen-peer-urls=http://127.0.0.1:0", // no peer ever connects
		"--unsafe-no-fsync",                     // the data need not outlive the test
	})
}

func (s *Server) startAPI() (*process, error) {
	file := func(name string) string { return filepath.Join(s.dir, name) }
	args := []string{
		"--etcd-servers=" + s.etcdURL(),
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(s.apiPort),
		"--cert-dir=" + s.dir,
		"--tls-cert-file=" + file(certFile),
		"--tls-private-key-file=" + file(keyFile),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + file(saKeyFile),
		"--service-account-signing-key-file=" + file(saKeyFile),
		"--service-cluster-ip-range=10.0.0.0/24",
		"--authorization-mode=RBAC",
		"--token-auth-file=" + file(tokensFile),
		// No controller makes the default ServiceAccount that the plugin wants
		// to give every Pod.
		"--disable-admission-plugins=ServiceAccount",
	}
	if s.options.NoWatchCache {
		args = append(args, "--watch-cache=false")
	}
	args = append(args, s.options.Flags...)
	return startProcess("kube-apiserver", filepath.Join(s.bin, "kube-apiserver"), s.dir, file("kube-apiserver.log"), args)
}

func (s *Server) etcdURL() string {
	return "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(s.etcdPort))
}

// waitReady returns when the API server answers /readyz with 200 and has made the
// namespaces that every cluster has, and an error when a program ends before or the
// time is over.
func (s *Server) waitReady() error {
	defer s.transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	var last error
	for {
		select {
		case <-s.etcd.done:
			return fmt.Errorf("etcd ended: %w\n%s", s.etcd.err, s.logs())
		case <-s.api.done:
			return fmt.Errorf("kube-apiserver ended: %w\n%s", s.api.err, s.logs())
		case <-ctx.Done():
			return fmt.Errorf("kube-apiserver not ready: %w (last answer: %w)\n%s", ctx.Err(), last, s.logs())
		case <-tick.C:
		}
		if last = s.ready(ctx); last == nil {
			return nil
		}
	}
}

// ready asks for what a server has that is ready. It makes the namespaces after it
// has said that it is.
func (s *Server) ready(ctx context.Context) error {
	for _, path := range []string{"/readyz", "/api/v1/namespaces/default", "/api/v1/namespaces/kube-system"} {
		if err := s.discovery.RESTClient().Get().AbsPath(path).Do(ctx).Error(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) logs() string { return s.etcd.tail() + "\n" + s.api.tail() }

// Config returns the administrator's configuration, a new copy for each call.
func (s *Server) Config() *rest.Config { return rest.CopyConfig(s.config) }

// Kubeconfig returns the path of a kubeconfig file with one context, kubetest,
// that has the administrator's rights.
func (s *Server) Kubeconfig() string { return s.kubeconfig }

// Dynamic returns a client with the administrator's rights, for what Apply
// does not cover: updating, deleting, reading back.
func (s *Server) Dynamic() dynamic.Interface { return s.dynamic }

// Kill ends the API server at once, as a crash does: open connections break
// and new ones are refused. etcd stays, so Restart finds everything again.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.api != nil {
		s.api.kill()
		s.api = nil
	}
	s.transport.CloseIdleConnections()
}

// Restart starts the API server again after Kill, under the same address.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.api != nil {
		t.Fatal("restart kube-apiserver: it is running; call Kill first")
	}
	var err error
	for range startAttempts { // somebody else's connection may have the port
		if s.api, err = s.startAPI(); err != nil {
			continue
		}
		if err = s.waitReady(); err == nil {
			return
		}
		s.api.kill()
		s.api = nil
	}
	t.Fatalf("restart kube-apiserver, %d attempts, the last: %v", startAttempts, err)
}

// running tells whether the API server can be asked to clean up.
func (s *Server) running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.api != nil
}

// stop ends what runs and removes the folder.
func (s *Server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range []*process{s.api, s.etcd} {
		if p != nil {
			p.kill()
		}
	}
	s.api, s.etcd = nil, nil
	if s.transport != nil {
		s.transport.CloseIdleConnections()
	}
	if s.dir != "" {
		// Left-over files harm no later run, so there is nobody to tell.
		_ = os.RemoveAll(s.dir)
	}
}

// freePorts returns two loopback ports that nobody listened on just now.
func freePorts() (int, int, error) {
	var ports [2]int
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 0, 0, fmt.Errorf("pick a port: %w", err)
		}
		defer l.Close() // held until both are picked, so that they differ
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports[0], ports[1], nil
}
