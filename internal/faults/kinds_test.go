package faults_test

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/regsweep/regsweep/internal/embedded"
)

// kind is a way in which a call goes wrong.
type kind struct {
	name string
	// fault returns what goes wrong with a call of a service.
	fault func(service string) embedded.Fault
	// passes says that the call succeeds when it is made again, and passesAt at
	// which action it does, since the call is made again there alone.
	passes   bool
	passesAt string
	// paged says that it happens only to a page after the first.
	paged bool
}

// applies reports whether the fault can happen to a call.
func (k kind) applies(c seen) bool { return !k.paged || c.paged }

// at returns the fault of one call of a run.
func (k kind) at(c seen) func(seen) embedded.Fault {
	return func(now seen) (f embedded.Fault) {
		if now.call == c.call {
			f = k.onCall(c)
		}
		return f
	}
}

// some returns all calls, or with the race detector, with which all would take
// minutes, one for every third operation and phase: each time others, by n.
func some(calls []seen, n int) []seen {
	if !raced || *thorough {
		return calls
	}
	alike := map[[3]string][]seen{}
	var order [][3]string
	for _, c := range calls {
		class := [3]string{c.action, c.phase, fmt.Sprint(c.paged)}
		if alike[class] == nil {
			order = append(order, class)
		}
		alike[class] = append(alike[class], c)
	}
	var list []seen
	for i := n % 3; i < len(order); i += 3 {
		calls := alike[order[i]]
		list = append(list, calls[n%len(calls)])
	}
	return list
}

// onCall returns the fault of a call.
func (k kind) onCall(c seen) embedded.Fault {
	service, _, _ := strings.Cut(c.action, ":")
	return k.fault(service)
}

func always(f embedded.Fault) func(string) embedded.Fault {
	return func(string) embedded.Fault { return f }
}

// refusal returns the fault of an error whose code is not the same everywhere.
func refusal(status int, code string, others map[string]string) func(string) embedded.Fault {
	return func(service string) embedded.Fault {
		f := embedded.Fault{Kind: embedded.FaultError, Code: code, Status: http.StatusBadRequest}
		if other, ok := others[service]; ok {
			f.Code, f.Status = other, status
		}
		return f
	}
}

// faultKinds are all of them.
var faultKinds = []kind{
	{name: "access denied", fault: refusal(http.StatusForbidden, "AccessDeniedException", map[string]string{
		"sts": "AccessDenied", "s3": "AccessDenied", "lambda": "AccessDeniedException",
	})},
	{name: "throttled", passes: true, fault: refusal(http.StatusServiceUnavailable, "ThrottlingException", map[string]string{
		"sts": "Throttling", "s3": "SlowDown", "lambda": "TooManyRequestsException",
	})},
	{name: "internal error", passes: true, fault: always(embedded.Fault{Kind: embedded.FaultInternal})},
	{name: "dropped before", passes: true, fault: always(embedded.Fault{Kind: embedded.FaultDropBefore})},
	{name: "dropped after", passes: true, fault: always(embedded.Fault{Kind: embedded.FaultDropAfter})},
	{name: "truncated", passes: true, fault: always(embedded.Fault{Kind: embedded.FaultTruncate})},
	{name: "malformed", passes: true, fault: always(embedded.Fault{Kind: embedded.FaultMalformed})},
	{name: "empty object", passesAt: "ecr:DescribeImages", fault: always(embedded.Fault{Kind: embedded.FaultEmptyObject})},
	{name: "expired token", fault: refusal(http.StatusForbidden, "ExpiredTokenException", map[string]string{
		"sts": "ExpiredToken", "s3": "ExpiredToken", "lambda": "ExpiredTokenException",
	})},
	{name: "repeated page token", paged: true, fault: always(embedded.Fault{Kind: embedded.FaultRepeatToken})},
	{name: "hangs", passes: true, fault: always(embedded.Fault{Kind: embedded.FaultHang, For: 30 * time.Second})},
}
