package cli

import (
	"context"
	"sync"
	"time"

	"github.com/regsweep/regsweep/internal/notify"
)

// notifyTimeout bounds telling everybody of a run: SIGTERM leaves a process 30
// seconds.
const notifyTimeout = 20 * time.Second

// receivers returns who gets reports, as the configuration says.
func (r *run) receivers() (all []notify.Receiver) {
	for _, n := range r.config.Notify {
		if n.SNS.TopicARN != "" {
			all = append(all, notify.NewTopic(n.SNS.TopicARN, r.env.AWS))
			continue
		}
		webhook, err := notify.NewWebhook(n.Webhook.URL, nil)
		if err != nil { // it was checked when the configuration was read
			r.Log.Warn("nobody is told of the run", "error", err)
			continue
		}
		all = append(all, webhook)
	}
	return all
}

// tell sends a summary of a run to everybody whom the configuration names, if it
// is worth it. What goes wrong is logged and is no error of the run. A run that
// was interrupted is told of too.
func (r *run) tell(ctx context.Context, what notify.Run) {
	r.tellWithin(context.WithoutCancel(ctx), what)
}

// tellWithin does so while the context lasts.
func (r *run) tellWithin(ctx context.Context, what notify.Run) {
	if !what.Worth() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, notifyTimeout)
	defer cancel()
	var all sync.WaitGroup
	for _, receiver := range r.receivers() {
		all.Go(func() {
			if err := receiver.Send(ctx, what.Message()); err != nil {
				r.Log.Warn("not told of the run", "error", err)
			}
		})
	}
	all.Wait()
}
