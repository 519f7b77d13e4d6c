package lambdarun

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/regsweep/regsweep/internal/app"
	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/notify"
	"github.com/regsweep/regsweep/internal/objects"
)

// Job is what one invocation works with.
type Job struct {
	App *app.App
	// Open opens a registry for changing, and Tagging says what tagging does where
	// it may change something.
	Open    app.OpenWriter
	Tagging app.Tagging
	// Objects is how objects in Amazon S3 are reached.
	Objects objects.Env
	// Tell sends a summary to the receivers of the configuration.
	Tell func(context.Context, notify.Run)
	// Close ends the use of what is open.
	Close func()
}

// Options are what a Handler does its work with.
type Options struct {
	// Config reads the configuration. It is read for each invocation, so that a
	// change counts at once.
	Config func(context.Context) (*config.Config, error)
	// Open opens what the configuration names, narrowed as the event says.
	Open func(context.Context, *config.Config, Event) (*Job, error)
	Now  func() time.Time
	Log  *slog.Logger
}

// Handler answers the invocations of the function. It is a lambda.Handler.
type Handler struct{ Options }

// run is one invocation.
type run struct {
	*Job
	log    *slog.Logger
	now    func() time.Time
	config *config.Config
	event  Event
	result Result
}

// Invoke does what the event asks for and returns a Result as JSON. The error is
// a messages.InvokeResponse_Error, which has one of the Types.
func (h *Handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	result, err := h.invoke(ctx, payload)
	if err != nil {
		failed := response(err)
		h.Log.Error("invocation failed", "errorType", failed.Type, "error", failed.Message)
		return nil, failed
	}
	h.Log.Info("invocation done", "op", result.Op, "exitCode", result.ExitCode, "next", result.Next != nil)
	return json.Marshal(result)
}

func (h *Handler) invoke(ctx context.Context, payload []byte) (*Result, error) {
	// What has to be saved and told when time is up gets most of the time that is
	// left, and the answer the rest.
	working, cancel := h.before(ctx, 4)
	defer cancel()
	hard, cancelHard := h.before(ctx, 1)
	defer cancelHard()
	cfg, err := h.Config(working)
	if err != nil {
		return nil, ended(working, &ConfigurationError{fmt.Errorf("read the configuration: %w", err)}, "reading the configuration")
	}
	event, err := Parse(payload, cfg.Mode)
	if err == nil {
		err = event.belongs(cfg)
	}
	if err != nil {
		return nil, err
	}
	h.Log.Info("invoked", "op", event.Op, "shard", event.Shard, "mode", string(cfg.Mode))
	if event.Op == OpApply && cfg.Mode != config.ModeApply {
		return nil, &ConfigurationError{fmt.Errorf("op apply deletes images, and the configuration says mode: %s", cfg.Mode)}
	}
	job, err := h.Open(working, cfg, event)
	if err != nil {
		return nil, ended(working, err, "opening the registries")
	}
	defer job.Close()
	r := &run{Job: job, log: h.Log, now: h.Now, config: cfg, event: event, result: Result{Op: event.Op, Mode: cfg.Mode, Out: event.Out, Shard: event.Shard}}
	do := map[string]func(ctx, hard context.Context) error{
		OpPlan: r.plan, OpApply: r.apply, OpTag: r.tag, OpUsage: r.usage,
		OpRepositories: r.repositories, OpMerge: r.merge, OpNotify: r.notify,
	}[event.Op]
	if err := do(working, hard); err != nil {
		return nil, err
	}
	return &r.result, nil
}

const (
	// leastMargin is how long before its deadline an invocation ends at the latest:
	// the call in flight, what is saved, and the notification need it.
	leastMargin = 10 * time.Second
	// shareOfMargin is the part of the time of longer ones.
	shareOfMargin = 10
)

// before returns the context that ends before the deadline of the function, by so
// many quarters of the margin.
func (h *Handler) before(ctx context.Context, quarters time.Duration) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadlineCause(ctx, deadline.Add(-margin(deadline.Sub(h.Now()))*quarters/4), errDeadline)
}

// margin is how long before the deadline an invocation ends that has so much time:
// a tenth of it, 10 s at least, but no more than half.
func margin(left time.Duration) time.Duration {
	return min(max(left/shareOfMargin, leastMargin), left/2)
}
