package awsapi

import "context"

// UnsentError says that a call was never sent, or only to be throttled or denied,
// and may not be sent any more: its run is to end, or nothing may be changed any
// longer. So it has changed nothing.
type UnsentError struct {
	// Err says why: the error of the context, or what the guard said.
	Err error
}

// Error tells why.
func (e *UnsentError) Error() string { return "the call was not sent: " + e.Err.Error() }

// Unwrap returns why.
func (e *UnsentError) Unwrap() error { return e.Err }

// unbrokenKey holds the *unbroken of a call.
type unbrokenKey struct{}

// unbroken is what ends a call while it is not under way.
type unbroken struct {
	until context.Context
	guard func() error
}

// Unbroken returns a context for calls that are not broken off once they are on
// their way, so that what they do is known, but are not sent any more when ctx is
// done or guard returns an error. A call can wait long for its turn, so both are
// asked right before each attempt, in the goroutine of the call. What AWS did not
// carry out for certain fails with an *UnsentError. A guard of nil allows all.
func Unbroken(ctx context.Context, guard func() error) context.Context {
	return context.WithValue(context.WithoutCancel(ctx), unbrokenKey{}, &unbroken{ctx, guard})
}

// await waits until the call of ctx may be sent, of which made are the attempts
// with this one. Its error is that of the context or of the guard of Unbroken, and
// there an *UnsentError where no attempt can have been carried out.
func (l *limiter) await(ctx context.Context, made *attempts) (permit, error) {
	retry := made.n > 1
	u, ok := ctx.Value(unbrokenKey{}).(*unbroken)
	if !ok {
		return l.acquire(ctx, retry)
	}
	p, err := l.acquire(u.until, retry) //nolint:contextcheck // ctx is not done when the run ends, and until is
	if err == nil && u.guard != nil {
		if err = u.guard(); err != nil {
			l.done(p, outcome{unsent: true})
		}
	}
	if err != nil && !made.open {
		err = &UnsentError{Err: err}
	}
	return p, err
}
