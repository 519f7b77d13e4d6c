package awsapi

import (
	"cmp"
	"slices"
	"sync"
)

// operation is what AWS counts together: one kind of call in one account and
// region.
type operation struct {
	account, region, service, name string
}

// compare orders operations by account, region, service and name.
func (o operation) compare(p operation) int {
	return cmp.Or(
		cmp.Compare(o.account, p.account),
		cmp.Compare(o.region, p.region),
		cmp.Compare(o.service, p.service),
		cmp.Compare(o.name, p.name),
	)
}

// published returns the rate in calls a second that AWS publishes for an
// operation, or 0. See https://docs.aws.amazon.com/AmazonECR/latest/userguide/service-quotas.html.
// It is where a limiter begins; an account may have more or less.
func published(service, name string) float64 {
	if service != "ECR" {
		return 0
	}
	switch name {
	case "PutImage":
		return 10
	case "GetAuthorizationToken":
		return 500
	case "BatchGetImage":
		return 2000
	}
	return 0
}

// limiters holds the limiters of a session.
type limiters struct {
	clock  clock
	random func() float64

	mu   sync.Mutex
	byOp map[operation]*limiter
}

// of returns the limiter of an operation.
func (l *limiters) of(o operation) *limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := l.byOp[o]
	if found == nil {
		found = newLimiter(published(o.service, o.name), l.clock, l.random)
		l.byOp[o] = found
	}
	return found
}

// stats returns what all limiters have seen.
func (l *limiters) stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	var stats Stats
	for o, limiter := range l.byOp {
		c, rate := limiter.snapshot()
		stats.Operations = append(stats.Operations, OperationStats{
			Account: o.account, Region: o.region, Service: o.service, Operation: o.name,
			Calls: c.calls, Throttled: c.throttled, Retries: c.retries,
			InFlight: c.inFlight, PeakInFlight: c.peak, Rate: rate,
		})
	}
	slices.SortFunc(stats.Operations, func(a, b OperationStats) int {
		return operation{a.Account, a.Region, a.Service, a.Operation}.compare(operation{b.Account, b.Region, b.Service, b.Operation})
	})
	return stats
}
