package wait

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestFor(t *testing.T) {
	for name, test := range map[string]struct {
		ends, waits time.Duration
		err         error
	}{
		"to its end":           {time.Hour, time.Minute, nil},
		"until the context is": {time.Minute, time.Minute, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), test.ends)
				defer cancel()
				d := time.Minute
				if test.err != nil {
					d = time.Hour
				}
				began := time.Now()
				if err := For(ctx, d); !errors.Is(err, test.err) || time.Since(began) != test.waits {
					t.Errorf("%v after %s, want %v after %s", err, time.Since(began), test.err, test.waits)
				}
			})
		})
	}
}
