package plan

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"
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

// Scope is what the flags made a run about, besides its shard. The zero value is
// all repositories, judged by the clock.
type Scope struct {
	// Registry is the name of the only registry (--registry), or "".
	Registry string `json:"registry,omitempty"`
	// Repositories are the globs of --repository.
	Repositories []string `json:"repositories,omitempty"`
	// Now is the time of --now, or zero where it was that of the clock.
	Now time.Time `json:"now,omitzero"`
}

// IsZero reports whether the run was about everything, by the clock.
func (s Scope) IsZero() bool { return s.Registry == "" && len(s.Repositories) == 0 && s.Now.IsZero() }

// flags returns the scope as the flags that make it.
func (s Scope) flags() string {
	var flags []string
	if s.Registry != "" {
		flags = append(flags, fmt.Sprintf("--registry %q", s.Registry))
	}
	globs := slices.Sorted(slices.Values(s.Repositories)) // their order means nothing
	for _, glob := range slices.Compact(globs) {
		flags = append(flags, fmt.Sprintf("--repository %q", glob))
	}
	if !s.Now.IsZero() {
		flags = append(flags, "--now "+s.Now.UTC().Format(time.RFC3339Nano))
	}
	if len(flags) == 0 {
		return "without --registry, --repository and --now"
	}
	return "with " + strings.Join(flags, " ")
}

// oneRun is how long the shards of one run may take. Those that judge by the clock
// judge as of when they are made, and not as of one time.
const oneRun = 24 * time.Hour

// checkScopes reports whether the plans are about the same: of a shard that was
// narrowed, repositories would be missing without notice.
func checkScopes(plans []*Plan, name func(int) string) error {
	oldest, newest := 0, 0
	for n, p := range plans {
		if a, b := p.Scope.flags(), plans[0].Scope.flags(); a != b {
			return &MergeError{fmt.Sprintf("%s was made %s, and %s %s: make all with the same flags", name(n), a, name(0), b)}
		}
		if p.CreatedAt.Before(plans[oldest].CreatedAt) {
			oldest = n
		}
		if p.CreatedAt.After(plans[newest].CreatedAt) {
			newest = n
		}
	}
	if from, to := plans[oldest].CreatedAt, plans[newest].CreatedAt; plans[0].Scope.Now.IsZero() && to.Sub(from) > oneRun {
		return &MergeError{fmt.Sprintf("%s was made at %s and %s at %s, more than a day apart: make all again, or all with the same --now",
			name(oldest), from.UTC().Format(time.RFC3339), name(newest), to.UTC().Format(time.RFC3339))}
	}
	return nil
}

// checkShards reports whether the plans are those of all shards of one run, each
// once. A plan that is left out would silently leave its repositories out.
func checkShards(plans []*Plan, name func(int) string) error {
	of := plans[0].Shard.Of
	at := make(map[int]int, len(plans)) // part → number of the plan
	for n, p := range plans {
		switch before, twice := at[p.Shard.Part]; {
		case p.Shard.Of == 0:
			return &MergeError{name(n) + " is not the plan of a shard: make each with --shard i/n, or one plan without"}
		case p.Shard.Of != of:
			return &MergeError{fmt.Sprintf("%s is the plan of shard %s, and %s that of shard %s: they are parts of different runs", name(n), p.Shard, name(0), plans[0].Shard)}
		case twice:
			return &MergeError{fmt.Sprintf("%s and %s are both the plan of shard %s", name(before-1), name(n), p.Shard)}
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
	list := strings.Join(missing, ", ")
	if n := of - len(plans) - len(missing); n > 0 {
		list += fmt.Sprintf(" and %d more", n)
	}
	verb := "is"
	if of-len(plans) > 1 {
		verb = "are"
	}
	return &MergeError{fmt.Sprintf("these are the plans of %d of %d shards: %s %s missing", len(plans), of, list, verb)}
}
