package embedded

import (
	"math"
	"sync"
	"time"
)

// Rate limits the calls of one operation with a token bucket, as AWS does for
// each account and region.
type Rate struct {
	// PerSecond is how many tokens come back in a second.
	PerSecond float64
	// Burst is how many tokens the bucket holds; at least 1.
	Burst int
}

// limits holds the buckets. Time is that of the server's clock.
type limits struct {
	mu      sync.Mutex
	rates   map[string]Rate // by action, such as "ecr:PutImage"
	buckets map[string]*bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

// SetRate limits an action ("ecr:PutImage") in each account and region.
// A rate of 0 a second takes the limit away.
func (s *Server) SetRate(action string, rate Rate) {
	s.limits.mu.Lock()
	defer s.limits.mu.Unlock()
	s.limits.buckets = map[string]*bucket{}
	if rate.PerSecond == 0 {
		delete(s.limits.rates, action)
		return
	}
	rate.Burst = max(rate.Burst, 1)
	s.limits.rates[action] = rate
}

// allow takes a token for the call, and reports whether there was one.
func (l *limits) allow(c *Call) bool {
	action := c.Service + ":" + c.Operation
	l.mu.Lock()
	defer l.mu.Unlock()
	rate, limited := l.rates[action]
	if !limited {
		return true
	}
	key := c.Account.ID + "/" + c.Region.Name + "/" + action
	b := l.buckets[key]
	if b == nil {
		b = &bucket{tokens: float64(rate.Burst), at: c.Now}
		l.buckets[key] = b
	}
	if passed := c.Now.Sub(b.at); passed > 0 {
		b.tokens = math.Min(float64(rate.Burst), b.tokens+passed.Seconds()*rate.PerSecond)
		b.at = c.Now
	}
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
