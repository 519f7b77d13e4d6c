package lambdatest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/regsweep/regsweep/internal/embedded"
)

// Late makes an invocation run out of time in the calls of one operation.
type Late struct {
	timeout            time.Duration
	service, operation string

	mu sync.Mutex
	// end is when the calls are answered that come before.
	end time.Time
	// invoked says that the invocation was made, and slow that it did not get to its
	// calls, or had next to no time after them.
	invoked, slow bool
}

const (
	// firstTimeout is enough for a machine that has nothing else to do, and
	// lastTimeout for every one.
	firstTimeout = time.Second
	lastTimeout  = 64 * time.Second
)

// RunLate calls try with twice the time as long as the machine was too slow for it,
// and then what it returned, which checks what came of it. So a test does not
// depend on how fast the machine is. try begins anew each time.
func RunLate(t *testing.T, service, operation string, try func(*Late) (check func())) {
	t.Helper()
	for timeout := firstTimeout; ; timeout *= 2 {
		l := &Late{timeout: timeout, service: service, operation: operation}
		check := try(l)
		l.mu.Lock()
		slow := l.slow
		l.mu.Unlock()
		if !slow || timeout == lastTimeout {
			check()
			return
		}
		t.Logf("%s are too little on this machine", timeout)
	}
}

// Fault is an embedded.FaultFunc. The calls of the first invocation take until
// after the moment at which it has to come to its end, which is half of such a
// timeout (lambdarun.Handler), and those of others no time.
func (l *Late) Fault(_ int, service, operation string) embedded.Fault {
	if service != l.service || operation != l.operation {
		return embedded.Fault{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.end.IsZero() {
		l.end = time.Now().Add(l.timeout * 9 / 16)
	}
	if left := time.Until(l.end); left > 0 {
		return embedded.Fault{Kind: embedded.FaultHang, For: left}
	}
	return embedded.Fault{}
}

// Invoke calls the function: with the timeout the first time, and then with one that
// is enough.
func (l *Late) Invoke(ctx context.Context, f *Function, payload []byte) ([]byte, error) {
	l.mu.Lock()
	again := l.invoked
	l.invoked = true
	l.mu.Unlock()
	if again {
		return f.Invoke(ctx, payload)
	}
	began := time.Now()
	answer, err := f.InvokeWithin(ctx, payload, l.timeout)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slow = l.end.IsZero() || time.Since(began) > l.timeout*13/16
	return answer, err
}
