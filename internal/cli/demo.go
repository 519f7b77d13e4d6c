package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/spf13/cobra"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/demo"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/render"
)

func newDemo(w *World, f *flags) *cobra.Command {
	var serve string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Do the whole job on an AWS account that lives in this process",
		Long: `Do the whole job on an AWS account that lives in this process: no credentials, no
network. It is filled with the registry of a company, thousands of images, and
with every trap that has cost somebody live images. The demo plans, explains three
images, applies, and shows what is left, by the same code that real runs take.

With --serve ADDR the account stays up for the aws command and for regsweep.`,
	}
	cmd.Flags().StringVar(&serve, "serve", "", "keep the account up on this `address`, such as 127.0.0.1:4566")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		flag := f.narrowing()
		if f.config != "" {
			flag = "--config"
		}
		if flag != "" {
			return usageError("the demo is the whole job, with a configuration of its own: %s goes with commands on the account of demo --serve", flag)
		}
		f.output = "table"
		d := &demonstration{world: w, flags: f}
		if err := d.start(serve); err != nil {
			return err
		}
		defer d.close()
		if serve != "" {
			return d.serve(cmd.Context())
		}
		return d.run(cmd.Context())
	}
	return cmd
}

// demonstration is a running embedded account with its files.
type demonstration struct {
	world   *World
	flags   *flags
	account demo.World
	dir     string
	url     string
	http    *http.Server
	done    chan error
}

// start fills the account, writes the files beside its configuration and
// listens.
func (d *demonstration) start(address string) error {
	if address == "" {
		address = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return usageError("--serve: %w", err)
	}
	srv, account := demo.New(d.world.Now)
	d.account = account
	d.url = "http://" + listener.Addr().String()
	d.http = &http.Server{Handler: srv, ReadHeaderTimeout: 10 * time.Second}
	d.done = make(chan error, 1)
	go func() { d.done <- d.http.Serve(listener) }()
	if d.dir, err = os.MkdirTemp("", "regsweep-demo-"); err != nil {
		return errors.Join(err, d.stop())
	}
	for name, content := range map[string][]byte{"regsweep.yaml": []byte(demo.Config), demo.SnapshotFile: d.account.Snapshot} {
		if err := os.WriteFile(filepath.Join(d.dir, name), content, 0o600); err != nil {
			d.close()
			return fmt.Errorf("write the demo's files: %w", err)
		}
	}
	return nil
}

func (d *demonstration) stop() error {
	err := d.http.Close()
	<-d.done
	return err
}

func (d *demonstration) close() {
	_ = d.stop()
	_ = os.RemoveAll(d.dir)
}

// serve keeps the account up until the command is interrupted.
func (d *demonstration) serve(ctx context.Context) error {
	fmt.Fprintf(d.world.Stdout, `# The account is up until you press Ctrl-C. In another terminal:
export AWS_ENDPOINT_URL=%[1]s
export AWS_ACCESS_KEY_ID=demo
export AWS_SECRET_ACCESS_KEY=demo
export AWS_REGION=%[2]s
export AWS_DEFAULT_REGION=%[2]s
export REGSWEEP_CONFIG=%[3]s
# then for example:  aws ecr describe-repositories   or:  regsweep plan
`, d.url, demo.Region, filepath.Join(d.dir, "regsweep.yaml"))
	select {
	case <-ctx.Done():
		return nil
	case err := <-d.done:
		d.done <- nil // for stop
		return fmt.Errorf("serve the demo: %w", err)
	}
}

// run does the whole job.
func (d *demonstration) run(ctx context.Context) error {
	w := d.world
	cfg, err := config.Load(filepath.Join(d.dir, "regsweep.yaml"), w.LookupEnv, w.Kinds)
	if err != nil {
		return err
	}
	session := awsapi.NewSession(awsapi.Options{
		Now: w.Now, Version: Version(), Region: demo.Region, Endpoint: d.url,
		Credentials: credentials.NewStaticCredentialsProvider("demo", "demo", ""),
	})
	cached := *w
	cached.LookupEnv = func(name string) (string, bool) {
		if name == "XDG_CACHE_HOME" {
			return filepath.Join(d.dir, "cache"), true
		}
		return w.LookupEnv(name)
	}
	open := func() (*run, error) {
		r, err := d.flags.open(ctx, &cached, cfg, session)
		if err == nil {
			r.ExactSizes = true
		}
		return r, err
	}

	d.title("1. A configuration", "An account that lives in this process at %s, and what to keep in it:", d.url)
	fmt.Fprintln(w.Stdout, indent(demo.Config))
	if err := d.sweep(ctx, open); err != nil {
		return err
	}
	d.title("5. What is left", "regsweep plan")
	r, err := open()
	if err != nil {
		return err
	}
	defer r.close()
	if _, err := r.planAndShow(ctx); err != nil {
		return err
	}
	fmt.Fprintf(w.Stdout, "\n%s sent in all. Next: regsweep init, or regsweep demo --serve 127.0.0.1:4566\n",
		render.Count(int(session.Stats().Total().Calls), "call"))
	return nil
}

// sweep plans, explains and applies.
func (d *demonstration) sweep(ctx context.Context, open func() (*run, error)) error {
	w := d.world
	r, err := open()
	if err != nil {
		return err
	}
	defer r.close()
	d.title("2. The plan", "regsweep plan --exact-sizes")
	p, err := r.planAndShow(ctx)
	if err != nil {
		return err
	}
	d.title("3. Three images explained", "regsweep explain IMAGE")
	for _, example := range d.account.Explain {
		list, err := r.Explain(ctx, []string{example.Image})
		if err != nil {
			return err
		}
		fmt.Fprintf(w.Stdout, "# %s\n", example.Why)
		if err := render.Explain(w.Stdout, list, render.Options{Color: w.colors(w.StdoutTerminal), Now: image.At(r.Judge()), MaxDeletes: r.Policy.Limits().MaxDeletes}); err != nil {
			return err
		}
		fmt.Fprintln(w.Stdout)
	}
	d.title("4. Applied", "regsweep apply --yes --exact-sizes")
	_, err = r.apply(ctx, p, false)
	return err
}

// planAndShow makes a plan and writes it to stdout.
func (r *run) planAndShow(ctx context.Context) (*plan.Plan, error) {
	outcome, err := r.plan(ctx)
	if err != nil {
		return nil, err
	}
	return outcome.Plan, r.show(r.world.Stdout, r.world.StdoutTerminal, outcome.Plan)
}

func (d *demonstration) title(title, format string, args ...any) {
	fmt.Fprintf(d.world.Stdout, "\n── %s %s\n   %s\n\n", title, strings.Repeat("─", max(0, 70-len(title))), fmt.Sprintf(format, args...))
}

func indent(s string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n    ")
}
