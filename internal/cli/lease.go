package cli

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/regsweep/regsweep/internal/kubeclient"
	"github.com/regsweep/regsweep/internal/lease"
	"github.com/regsweep/regsweep/internal/usage/kubernetes"
)

// leaseFlags are those of an apply that must be the only one.
type leaseFlags struct {
	name string
	wait duration
}

func (l *leaseFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&l.name, "lease", "", "hold this Kubernetes Lease, `namespace/name`, so that no other run that holds it applies at the same time")
	cmd.Flags().Var(&l.wait, "lease-wait", "how long to wait for a Lease that somebody else holds (default 0s)")
}

// check refuses flags that make no sense, before anything is read.
func (l *leaseFlags) check(cmd *cobra.Command) error {
	if l.name == "" && cmd.Flags().Changed("lease-wait") {
		return usageError("--lease-wait is how long to wait for --lease, which is not set")
	}
	if l.name != "" && accountName.FindStringSubmatch(l.name) == nil {
		return usageError("--lease %s: write namespace/name", l.name)
	}
	return nil
}

// hold takes the Lease that an apply needs, if any. The context ends when it is
// lost. free gives it back.
func (r *run) hold(ctx context.Context, l *leaseFlags) (held context.Context, free func(), err error) {
	if l.name == "" {
		return ctx, func() {}, nil
	}
	config, _, err := kubernetes.Own(r.world.getenv)
	if err != nil {
		return nil, nil, &exitError{exitUsage, fmt.Errorf("--lease: %w", err)}
	}
	client, err := kubeclient.New(config)
	if err != nil {
		return nil, nil, &exitError{exitUsage, fmt.Errorf("--lease: %w", err)}
	}
	name := accountName.FindStringSubmatch(l.name)
	lock := &lease.Lock{
		Store: lease.InCluster(client, name[1], name[3]), Name: l.name, Identity: identity(), Now: r.Now,
		Failed: func(err error) { r.Log.Warn("lease", "lease", l.name, "error", err) },
	}
	mine, err := lock.Acquire(ctx, time.Duration(l.wait))
	if err != nil {
		client.Close()
		return nil, nil, err
	}
	held, stop := mine.Within(ctx)
	r.Guard = mine.Check
	return held, func() {
		stop()
		if err := mine.Release(ctx); err != nil {
			r.Log.Warn("lease", "lease", l.name, "error", err)
		}
		client.Close()
	}, nil
}

// lost returns the error of an apply. If the Lease that it needs was lost, that
// is why it stopped, whatever the call that was next made of it.
func lost(held context.Context, err error) error {
	var why *lease.LostError
	if err == nil || !errors.As(context.Cause(held), &why) && !errors.As(err, &why) {
		return err
	}
	code, _ := classify(err)
	return &exitError{code, fmt.Errorf("stopped before the next call: %w", why)}
}

// identity names this process in a Lease: the host, which is the name of the pod,
// and a part of chance, so that a restart is somebody else.
func identity() string {
	host, err := os.Hostname()
	if err != nil {
		host = "regsweep"
	}
	b := make([]byte, 4)
	_, _ = rand.Read(b) // never fails
	return host + "_" + hex.EncodeToString(b)
}
