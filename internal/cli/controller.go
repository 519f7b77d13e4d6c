package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"

	"github.com/regsweep/regsweep/internal/app"
	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/controller"
	"github.com/regsweep/regsweep/internal/kubeclient"
	"github.com/regsweep/regsweep/internal/lease"
	"github.com/regsweep/regsweep/internal/objects"
	"github.com/regsweep/regsweep/internal/permissions"
	"github.com/regsweep/regsweep/internal/usage"
	"github.com/regsweep/regsweep/internal/usage/kubernetes"
)

const (
	// pageAddress is where the controller listens where the configuration does not
	// say.
	pageAddress = ":8080"
	// leaseName is the name of its Lease, in its own namespace.
	leaseName = "regsweep"
)

// controllerFlags are those of regsweep controller.
type controllerFlags struct {
	elect, tag, pprof         bool
	leaseNamespace, leaseName string
	jitter                    duration
}

func newController(w *World, f *flags) *cobra.Command {
	c := &controllerFlags{jitter: duration(time.Minute)}
	cmd := &cobra.Command{
		Use:   "controller",
		Short: "Run in a cluster: plan, and apply where the configuration says so, on a schedule",
		Long: `Run until told to end: one run at the start, and others as the configuration says
under controller, every interval or on a schedule. A run plans, and applies with
"mode: apply" only; without it nothing is ever deleted.

Clusters among the usage sources are watched in between: what came into use and is
gone again counts in the next run. Of several controllers the one that has the Lease
runs. The configuration is read again when its file changes; one with mistakes is
refused, and the one before stays.

The page, /metrics, /healthz and /readyz are on controller.page.address (default
` + pageAddress + `). POD_NAME, POD_NAMESPACE and POD_UID name the pod that Events are about.

SIGTERM ends it when the calls in flight are answered, within 30 seconds.

Exit codes: 0 told to end; 1 failed; 2 wrong usage or configuration.`,
	}
	cmd.Flags().BoolVar(&c.elect, "leader-elect", true, "run only while holding the Lease, so that of several controllers one does")
	cmd.Flags().StringVar(&c.leaseNamespace, "lease-namespace", "", "`namespace` of the Lease (default: its own)")
	cmd.Flags().StringVar(&c.leaseName, "lease-name", leaseName, "`name` of the Lease")
	cmd.Flags().Var(&c.jitter, "jitter", "how much later than due a run may start, by chance")
	cmd.Flags().BoolVar(&c.tag, "tag", false, "also mark what is in use, as tag --watch does; with \"mode: plan\" only log what would be marked")
	cmd.Flags().BoolVar(&c.pprof, "pprof", false, "serve profiles of the process on /debug/pprof/")
	f.addJournal(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := c.check(f); err != nil {
			return err
		}
		f.logInfo = true
		return c.run(cmd.Context(), w, f)
	}
	return cmd
}

// check refuses flags that make no sense for what goes on and on.
func (c *controllerFlags) check(f *flags) error {
	switch {
	case f.now != "":
		return usageError("--now and controller exclude each other: a controller judges by the clock")
	case len(f.ignoreGaps) > 0:
		return usageError("--ignore-gap and controller exclude each other: it would hold for every run, quietly; %s", insteadOfIgnoring)
	case c.elect && accountName.FindStringSubmatch("default/"+c.leaseName) == nil:
		return usageError("--lease-name %s: this is no name of a Lease: lower-case letters, digits, hyphens and dots", c.leaseName)
	case c.elect && c.leaseNamespace != "" && accountName.FindStringSubmatch(c.leaseNamespace+"/"+leaseName) == nil:
		return usageError("--lease-namespace %s: this is no name of a namespace: lower-case letters, digits and hyphens", c.leaseNamespace)
	}
	_, _, err := f.narrowed()
	return err
}

// insteadOfIgnoring says what to do about a gap where nobody sees each run begin.
const insteadOfIgnoring = "run regsweep apply --ignore-gap once by hand, or take the source out of the configuration"

// run runs the controller and its server until the context ends.
func (c *controllerFlags) run(ctx context.Context, w *World, f *flags) error {
	cfg, err := f.load(w)
	if err != nil {
		return err
	}
	if _, err := f.registriesOf(cfg); err != nil {
		return err
	}
	if cfg.Mode == config.ModeApply && f.journalPath(w) == "" {
		return errNoJournal()
	}
	if _, err := f.openJournal(w, objects.Env{}); err != nil {
		return err
	}
	log, err := f.logger(w)
	if err != nil {
		return err
	}
	aws := w.AWS
	aws.Now, aws.Version = w.Now, Version()
	session := awsapi.NewSession(aws)
	opts := controller.Options{
		Read:     func() ([]byte, error) { return readConfig(f.configPath(w)) },
		Parse:    func(content []byte) (*config.Config, error) { return f.parse(w, content) },
		Watchers: func(cfg *config.Config) ([]usage.Watcher, error) { return w.watchers(cfg, session) },
		Open: func(ctx context.Context, cfg *config.Config) (*controller.Job, error) {
			return f.job(ctx, w, cfg, session)
		},
		Jitter: time.Duration(c.jitter), Random: rand.Float64,
		Calls: func() controller.Calls {
			total := session.Stats().Total()
			return controller.Calls{Calls: total.Calls, Throttles: total.Throttled}
		},
		Now: w.Now, Log: log, Version: Version(), Pprof: c.pprof,
	}
	if c.tag {
		opts.Tag = func(ctx context.Context, cfg *config.Config) error { return f.keepTagging(ctx, w, cfg, session) }
	}
	free, err := c.cluster(w, &opts)
	if err != nil {
		return err
	}
	defer free()
	k := controller.New(opts)
	address := cmp.Or(cfg.Controller.Page.Address, pageAddress)
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("controller.page.address: %w", err)
	}
	log.Info("listening", "address", listener.Addr().String(), "mode", string(cfg.Mode))
	server := &http.Server{Handler: k.Handler(), ReadHeaderTimeout: 10 * time.Second, WriteTimeout: 2 * time.Minute, IdleTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	err = k.Run(ctx)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if server.Shutdown(closing) != nil {
		_ = server.Close() // whoever still reads the page is cut off
	}
	if serveErr := <-served; err == nil && !errors.Is(serveErr, http.ErrServerClosed) {
		err = serveErr
	}
	return err
}

// cluster connects to the cluster that the controller belongs to, for its Lease
// and its Events. free ends that.
func (c *controllerFlags) cluster(w *World, opts *controller.Options) (free func(), err error) {
	pod := w.getenv("POD_NAME")
	if !c.elect && pod == "" {
		return func() {}, nil
	}
	own, namespace, err := kubernetes.Own(w.getenv)
	if err != nil {
		return nil, usageError("the Lease is in the cluster that the controller belongs to: %w (--leader-elect=false does without)", err)
	}
	client, err := ownClient(own)
	if err != nil {
		return nil, err
	}
	me := identity()
	leaseNamespace := cmp.Or(c.leaseNamespace, namespace)
	about := controller.Object{APIVersion: "coordination.k8s.io/v1", Kind: "Lease", Namespace: leaseNamespace, Name: c.leaseName}
	if pod != "" {
		about = controller.Object{APIVersion: "v1", Kind: "Pod", Namespace: cmp.Or(w.getenv("POD_NAMESPACE"), namespace), Name: pod, UID: w.getenv("POD_UID")}
	}
	opts.Events = controller.NewEvents(client, about, me, w.Now)
	if c.elect {
		opts.Lock = &lease.Lock{
			Store: lease.InCluster(client, leaseNamespace, c.leaseName), Name: leaseNamespace + "/" + c.leaseName, Identity: me, Now: w.Now,
		}
	}
	return client.Close, nil
}

func ownClient(own *rest.Config) (*kubeclient.Client, error) {
	client, err := kubeclient.New(own)
	if err != nil {
		return nil, usageError("the cluster that the controller belongs to: %w", err)
	}
	return client, nil
}

// readConfig reads the configuration file.
func readConfig(path string) ([]byte, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &exitError{exitUsage, fmt.Errorf("read the configuration: %w", err)}
	}
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return content, nil
}

// parse reads what a configuration file says, and refuses one that the flags do
// not go with.
func (f *flags) parse(w *World, content []byte) (*config.Config, error) {
	path := f.configPath(w)
	cfg, err := config.Parse(path, content, w.LookupEnv, w.Kinds)
	if err != nil {
		return nil, err
	}
	cfg.Dir = filepath.Dir(path)
	_, err = f.registriesOf(cfg)
	return cfg, err
}

// watchers opens the sources that read clusters, which can be watched. It makes
// no call.
func (w *World) watchers(cfg *config.Config, session *awsapi.Session) (all []usage.Watcher, err error) {
	env := usage.Env{AWS: session, Getenv: w.getenv, Now: w.Now, Dir: cfg.Dir, CacheDir: w.cacheDir()}
	for _, s := range cfg.Usage.Sources {
		if _, ok := s.Config.(permissions.Kubernetes); !ok {
			continue
		}
		sources, err := s.Config.Open(s.Name, env)
		if err != nil {
			return nil, &exitError{exitUsage, fmt.Errorf("usage source %s: %w", s.Name, err)}
		}
		for _, source := range sources {
			if watcher, ok := source.(usage.Watcher); ok {
				all = append(all, watcher)
			}
		}
	}
	return all, nil
}

// job opens a run of the controller.
func (f *flags) job(ctx context.Context, w *World, cfg *config.Config, session *awsapi.Session) (*controller.Job, error) {
	r, err := f.open(ctx, w, cfg, session)
	if err != nil {
		return nil, err
	}
	open := r.withJournal
	if cfg.Mode == config.ModeApply {
		open = r.journaled
	}
	if err := open(); err != nil {
		r.close()
		return nil, err
	}
	return &controller.Job{App: r.App, Open: r.writer, Currency: r.Price.Currency, Tell: r.tell, Close: r.close}, nil
}

// keepTagging marks what is in use until the context ends.
func (f *flags) keepTagging(ctx context.Context, w *World, cfg *config.Config, session *awsapi.Session) error {
	r, err := f.open(ctx, w, cfg, session)
	if err != nil {
		return err
	}
	defer r.close()
	return r.WatchTags(ctx, app.Watching{Tagging: r.tagging(cfg.Mode == config.ModeApply, nil, nil), Interval: tagInterval})
}
