package awsusage

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// InFlight is how many calls a source has in flight at once. It only bounds
// goroutines and connections: how fast AWS is called is for the limiter of
// the session to find out.
const InFlight = 16

// ForEach calls do for every item, InFlight at once, and returns when all are
// done. When the context ends no further item is begun: Record.Findings then
// returns the context's error, so that what was left out is a gap.
func ForEach[T any](ctx context.Context, items []T, do func(context.Context, T)) {
	var group errgroup.Group
	group.SetLimit(InFlight)
	for _, item := range items {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			do(ctx, item)
			return nil
		})
	}
	_ = group.Wait() // do returns no error
}
