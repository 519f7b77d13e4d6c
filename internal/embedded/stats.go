package embedded

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// Stats says what the server was asked.
type Stats struct {
	// Calls and Throttled count by action, such as "ecr:DescribeImages". Calls
	// includes the throttled ones.
	Calls, Throttled map[string]int
	// MaxInFlight is the most calls that were being answered at one time.
	MaxInFlight int
}

// CallRecord is one entry of the log of calls.
type CallRecord struct {
	// Number is the running number of the call, from 1.
	Number int
	// Action is what was called, such as "ecr:DescribeImages".
	Action string
	// AccessKeyID, Account and Region say who called, and where.
	AccessKeyID, Account, Region string
	// At is when the call came in, on the server's clock.
	At time.Time
	// Body is the request as received.
	Body []byte
}

// stats counts calls.
type stats struct {
	mu               sync.Mutex
	number, inFlight int
	max              int
	calls, throttled map[string]int
	keep             bool
	log              []CallRecord
}

// begin counts a call and gives it its number.
func (s *stats) begin(c *Call) {
	action := c.Service + ":" + c.Operation
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number++
	c.number = s.number
	s.calls[action]++
	s.inFlight++
	s.max = max(s.max, s.inFlight)
	if s.keep {
		s.log = append(s.log, CallRecord{
			Number: c.number, Action: action, AccessKeyID: c.Principal.AccessKeyID,
			Account: c.Account.ID, Region: c.Region.Name, At: c.Now, Body: c.Body,
		})
	}
}

// end counts a call as answered.
func (s *stats) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight--
}

// throttle counts a throttled call.
func (s *stats) throttle(c *Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.throttled[c.Service+":"+c.Operation]++
}

// Stats returns what the server was asked so far.
func (s *Server) Stats() Stats {
	s.stats.mu.Lock()
	defer s.stats.mu.Unlock()
	return Stats{
		Calls:       maps.Clone(s.stats.calls),
		Throttled:   maps.Clone(s.stats.throttled),
		MaxInFlight: s.stats.max,
	}
}

// Calls returns the log of calls in the order in which they came in. It is
// empty unless Options.LogCalls was set.
func (s *Server) Calls() []CallRecord {
	s.stats.mu.Lock()
	defer s.stats.mu.Unlock()
	return slices.Clone(s.stats.log)
}

// ResetStats starts to count and to number anew, from 1. Calls in flight
// are still seen.
func (s *Server) ResetStats() {
	s.stats.mu.Lock()
	defer s.stats.mu.Unlock()
	s.stats.number, s.stats.max = 0, s.stats.inFlight
	s.stats.calls, s.stats.throttled = map[string]int{}, map[string]int{}
	s.stats.log = nil
}
