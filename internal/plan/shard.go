package plan

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

// String returns "i/n", or "" for the whole.
func (s Shard) String() string {
	if s == (Shard{}) {
		return ""
	}
	return fmt.Sprintf("%d/%d", s.Part, s.Of)
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

// checkShards reports whether the plans are those of all shards of one run, each
// once. A plan that is left out would silently leave its repositories out.
func checkShards(plans []*Plan) error {
	of := plans[0].Shard.Of
	at := make(map[int]int, len(plans)) // part → number of the plan
	for n, p := range plans {
		switch before, twice := at[p.Shard.Part]; {
		case p.Shard.Of == 0:
			return &MergeError{fmt.Sprintf("plan %d is not that of a shard: make each with --shard i/n, or one plan without", n+1)}
		case p.Shard.Of != of:
			return &MergeError{fmt.Sprintf("plan %d is that of shard %s, and plan 1 that of shard %s: they are parts of different runs", n+1, p.Shard, plans[0].Shard)}
		case twice:
			return &MergeError{fmt.Sprintf("plans %d and %d are both that of shard %s", before, n+1, p.Shard)}
		}
		at[p.Shard.Part] = n + 1
	}
	// There is one plan for each entry of at, so that this ends after a few.
	var missing []string
	for part := 1; part <= of && len(missing) < 4; part++ {
		if at[part] == 0 {
			missing = append(missing, Shard{part, of}.String())
		}
	}
	if len(missing) == 0 {
		return nil
	}
	rest := ""
	if n := of - len(plans) - len(missing); n > 0 {
		rest = fmt.Sprintf(" and %d more", n)
	}
	return &MergeError{fmt.Sprintf("these are the plans of %d of %d shards: that of %s is missing", len(plans), of, strings.Join(missing, ", ")+rest)}
}
