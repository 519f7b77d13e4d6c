package app

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
)

// Shard is one of Of parts that the repositories fall into, from 1. The zero
// value is the whole.
type Shard struct{ Part, Of int }

// ParseShard reads "i/n" with 1 ≤ i ≤ n.
func ParseShard(s string) (Shard, error) {
	part, of, ok := strings.Cut(s, "/")
	i, err1 := strconv.Atoi(part)
	n, err2 := strconv.Atoi(of)
	if !ok || err1 != nil || err2 != nil || i < 1 || i > n {
		return Shard{}, fmt.Errorf("%q is no shard: write i/n with i from 1 to n, such as 2/8", s)
	}
	return Shard{i, n}, nil
}

// Has reports whether a repository is in the shard. The parts depend on the
// names alone, so that runs at different times and places agree.
func (s Shard) Has(registry, repository string) bool {
	if s.Of <= 1 {
		return true
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(registry + "\x00" + repository)) // never fails
	return h.Sum64()%uint64(s.Of) == uint64(s.Part-1)
}
