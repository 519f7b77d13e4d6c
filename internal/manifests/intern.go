package manifests

import "sync"

// interner gives equal strings the same memory. A registry has a handful of
// media types and platforms, and a hundred thousand manifests that name them.
type interner struct {
	mu    sync.RWMutex
	known map[string]string
}

// maxInterned bounds what hostile manifests could make it hold.
const maxInterned = 1024

func (in *interner) intern(b []byte) string {
	in.mu.RLock()
	s, ok := in.known[string(b)] // no allocation
	in.mu.RUnlock()
	if ok {
		return s
	}
	s = string(b)
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.known) < maxInterned {
		in.known[s] = s
	}
	return s
}
