package lambdarun

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/objects"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/policy"
)

// Event is what an invocation asks for. Which fields an op takes is in ops; every
// path is s3://bucket/key.
type Event struct {
	// Op is what to do: one of ops.
	Op string `json:"op"`
	// Registry, Repositories (globs) and Shard ("i/n") narrow the run, as the flags
	// of the same names do.
	Registry     string   `json:"registry,omitempty"`
	Repositories []string `json:"repositories,omitempty"`
	Shard        string   `json:"shard,omitempty"`
	// PerShard is how many repositories a shard is to have, about.
	PerShard int `json:"perShard,omitempty"`
	// Shards is of how many shards the plans to merge are.
	Shards int `json:"shards,omitempty"`
	// Usage is a snapshot that the op usage saved; it stands for the sources of the
	// configuration.
	Usage string `json:"usage,omitempty"`
	// Plan is a saved plan.
	Plan string `json:"plan,omitempty"`
	// Plans and Reports are prefixes, s3://bucket/prefix/, of what ops saved.
	Plans   string `json:"plans,omitempty"`
	Reports string `json:"reports,omitempty"`
	// Apply is where merge writes the list of the plans to apply, and Expected how
	// many these are.
	Apply    string `json:"apply,omitempty"`
	Expected int    `json:"expected,omitempty"`
	// Out is where the result goes whole. That of apply is a prefix, under which
	// each invocation writes an object of its own.
	Out string `json:"out,omitempty"`
	// Notify tells the receivers of the configuration of a plan or an apply.
	Notify bool `json:"notify,omitempty"`
}

// The ops.
const (
	OpPlan         = "plan"
	OpApply        = "apply"
	OpTag          = "tag"
	OpUsage        = "usage"
	OpRepositories = "repositories"
	OpMerge        = "merge"
	OpNotify       = "notify"
)

// narrowing are the fields that narrow a run.
var narrowing = []string{"registry", "repositories", "shard"}

// ops has for each op the fields that it needs and those that it takes besides.
var ops = map[string]struct{ needs, takes []string }{
	OpPlan:         {nil, append([]string{"usage", "out", "notify"}, narrowing...)},
	OpApply:        {nil, append([]string{"plan", "out", "notify"}, narrowing...)},
	OpTag:          {nil, append([]string{"out"}, narrowing...)},
	OpUsage:        {nil, []string{"out"}},
	OpRepositories: {[]string{"out"}, []string{"perShard"}},
	OpMerge:        {[]string{"plans", "shards"}, []string{"out", "apply"}},
	OpNotify:       {[]string{"plan"}, []string{"reports", "expected"}},
}

// prefixes are the fields that name many objects.
var prefixes = []string{"plans", "reports"}

// EventError says that an event asks for nothing that can be done. To send it
// again does not help.
type EventError struct{ Detail string }

// Error says what is wrong with the event.
func (e *EventError) Error() string { return "the event: " + e.Detail }

func eventError(format string, args ...any) error {
	return &EventError{fmt.Sprintf(format, args...)}
}

// schedule is what tells an event of a schedule: those of EventBridge rules and
// of EventBridge Scheduler ("Events from AWS services" and "Templated targets" in
// their user guides).
type schedule struct {
	DetailType string `json:"detail-type"`
}

// Parse reads an event. That of a schedule asks for what the mode says, and for a
// notification. Whatever is not understood is an *EventError.
func Parse(payload []byte, mode config.Mode) (Event, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(payload, &fields); err != nil {
		return Event{}, eventError("it is no JSON object: %v", err)
	}
	if name := twice(payload); name != "" {
		return Event{}, eventError("%q stands there twice", name)
	}
	if _, ok := fields["op"]; !ok {
		var s schedule
		if err := json.Unmarshal(payload, &s); err == nil && s.DetailType == "Scheduled Event" {
			op := OpPlan
			if mode == config.ModeApply {
				op = OpApply
			}
			return Event{Op: op, Notify: true}, nil
		}
		return Event{}, eventError("it is neither that of a schedule nor one such as {\"op\": \"plan\"}")
	}
	var e Event
	d := json.NewDecoder(bytes.NewReader(payload))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return Event{}, eventError("%v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Event{}, eventError("there is more after its end")
	}
	return e, e.check(fields)
}

// twice returns a field that stands in an object a second time, of which
// encoding/json would take the last, or "".
func twice(object []byte) string {
	d := json.NewDecoder(bytes.NewReader(object))
	_, _ = d.Token() // Parse has read it before, so that nothing of it is wrong
	seen := map[string]bool{}
	for d.More() {
		token, _ := d.Token()
		name, _ := token.(string)
		if seen[name] {
			return name
		}
		seen[name] = true
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return ""
		}
	}
	return ""
}

// check refuses fields that the op does not take, or that make no sense.
func (e *Event) check(fields map[string]json.RawMessage) error {
	op, ok := ops[e.Op]
	if !ok {
		return eventError("op %q is not known: write %s", e.Op, strings.Join(slices.Sorted(maps.Keys(ops)), ", "))
	}
	for _, name := range op.needs {
		if _, ok := fields[name]; !ok {
			return eventError("op %s needs %q", e.Op, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if name != "op" && !slices.Contains(op.needs, name) && !slices.Contains(op.takes, name) {
			return eventError("op %s takes no %q, only %s", e.Op, name, strings.Join(slices.Concat(op.needs, op.takes), ", "))
		}
		// What a broken template leaves empty narrows nothing, and would mean all.
		if isEmpty(fields[name]) {
			return eventError("%s is empty: leave it out, or say which", name)
		}
	}
	if e.Plan != "" && e.Op == OpApply && (e.Shard != "" || len(e.Repositories) > 0 || e.Registry != "") {
		return eventError("a saved plan is applied as a whole: registry, repositories and shard go with the plan")
	}
	if e.Shard != "" {
		if _, err := plan.ParseShard(e.Shard); err != nil {
			return eventError("shard: %v", err)
		}
	}
	for _, c := range []struct {
		name     string
		n, least int
	}{{"expected", e.Expected, 0}, {"perShard", e.PerShard, 1}, {"shards", e.Shards, 1}} {
		if _, there := fields[c.name]; there && c.n < c.least {
			return eventError("%s: %d is less than %d", c.name, c.n, c.least)
		}
	}
	return e.checkPaths()
}

// isEmpty reports whether a value says nothing: null, "" or [].
func isEmpty(value json.RawMessage) bool {
	var v any
	if err := json.Unmarshal(value, &v); err != nil {
		return false // it has been decoded before
	}
	list, isList := v.([]any)
	return v == nil || v == "" || isList && len(list) == 0
}

// belongs refuses what a configuration gives no meaning to.
func (e *Event) belongs(cfg *config.Config) error {
	if _, errs := policy.CompileRepositories(e.Repositories); len(errs) > 0 {
		first := slices.Min(slices.Collect(maps.Keys(errs)))
		return eventError("repositories[%d]: %v", first, errs[first])
	}
	named := func(r config.Registry) bool { return r.Name == e.Registry }
	if e.Registry != "" && !slices.ContainsFunc(cfg.Registries, named) {
		return eventError("registry: the configuration has none of the name %q", e.Registry)
	}
	return nil
}

// checkPaths wants every path to be in Amazon S3: what Lambda writes elsewhere is
// gone when it ends.
func (e *Event) checkPaths() error {
	for _, p := range []struct{ name, path string }{
		{"apply", e.Apply}, {"out", e.Out}, {"plan", e.Plan}, {"plans", e.Plans}, {"reports", e.Reports}, {"usage", e.Usage},
	} {
		if p.path == "" {
			continue
		}
		many := slices.Contains(prefixes, p.name) || p.name == "out" && e.Op == OpApply
		if !objects.IsS3(p.path) {
			return eventError("%s: %q is not in Amazon S3: write s3://bucket/key", p.name, p.path)
		}
		if many != strings.HasSuffix(p.path, "/") {
			return eventError("%s: %q: write s3://bucket/%s", p.name, p.path, map[bool]string{true: "prefix/, which ends in a slash", false: "key"}[many])
		}
		open := func() (err error) { _, err = objects.Open(p.path, objects.Env{}); return err }
		if many {
			open = func() (err error) { _, err = objects.OpenFolder(p.path, objects.Env{}); return err }
		}
		if err := open(); err != nil {
			return eventError("%s: %v", p.name, err)
		}
	}
	return nil
}
