// Package wait is the one place in which the program waits for time to pass,
// but for the calls of AWS, which internal/awsapi paces. Tests of what waits run
// in virtual time (testing/synctest).
package wait

import (
	"context"
	"time"
)

// For waits so long, and returns nil, or the context's error where that ends
// before.
func For(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d) //nolint:forbidigo // see the package
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
