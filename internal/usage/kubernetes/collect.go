package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/usage"
)

const (
	// concurrency bounds the lists that are read at once.
	concurrency = 6
	// maxObjectErrors bounds how many unreadable objects of one kind are told
	// one by one.
	maxObjectErrors = 5
)

// source reads one cluster.
type source struct {
	name    string
	cluster cluster
	config  Config
}

// Name returns the entry's name and the context.
func (s *source) Name() string { return s.name }

// Collect reads every kind. With an error it returns what it could read.
func (s *source) Collect(ctx context.Context) (usage.Findings, error) {
	// client-go logs to stderr in a form of its own; what matters of that comes
	// back as errors.
	ctx = logr.NewContext(ctx, logr.Discard())
	config, err := s.cluster.load()
	if err != nil {
		return usage.Findings{}, err
	}
	c, err := newClient(s.cluster.name, config)
	if err != nil {
		return usage.Findings{}, err
	}
	defer c.close()

	tasks, notes, errs, fatal := s.tasks(ctx, c)
	if fatal != nil {
		return usage.Findings{}, fatal
	}
	results := make([]result, len(tasks))
	failed := make([][]error, len(tasks))
	var workers errgroup.Group
	workers.SetLimit(concurrency)
	for i, t := range tasks {
		workers.Go(func() error {
			results[i], failed[i] = c.read(ctx, t)
			return nil
		})
	}
	_ = workers.Wait() // errors are kept by task
	if !s.config.AllNamespaces() {
		failed = append(failed, c.checkEmpty(ctx, tasks, results))
	}
	findings := usage.Findings{Observations: observations(results), Notes: notes}
	if ctx.Err() != nil {
		return findings, fmt.Errorf("read %s: %w", c.cluster, context.Cause(ctx))
	}
	return findings, joinErrors(append(errs, slices.Concat(failed...)...))
}

// task is one kind to list in one place.
type task struct {
	resource
	kind string
	// read decodes one object into the result.
	read func(*json.Decoder, *result) error
}

// tasks finds out what there is to list. Discovery comes first, since it also
// tells whether the cluster answers at all: if not, that is the one error, and
// fatal. A discovery that is denied is an error beside the kinds that are known
// anyway.
func (s *source) tasks(ctx context.Context, c *client) (tasks []task, notes []string, errs []error, fatal error) {
	kinds, errs, err := c.discover(ctx, s.discovers)
	if err != nil {
		if ctx.Err() != nil {
			return nil, nil, nil, fmt.Errorf("read %s: %w", c.cluster, context.Cause(ctx))
		}
		err = c.classify("discover", "API groups", "", err)
		var unreachable *UnreachableError
		var credentials *CredentialsError
		if errors.As(err, &unreachable) {
			unreachable.Reading = nil
			return nil, nil, nil, err
		}
		if errors.As(err, &credentials) {
			return nil, nil, nil, err
		}
		var access *AccessError
		if errors.As(err, &access) {
			err = fmt.Errorf("discover API groups: access denied: bind ClusterRole system:discovery: %w", access.Err)
		}
		errs = append(errs, err)
	}

	inTable := map[[2]string]bool{}
	for _, w := range workloads() {
		if !w.applies(s.config) {
			continue
		}
		inTable[[2]string{w.group, w.resource}] = true
		version := w.version
		if w.optional {
			found := find(kinds, w.group, w.resource)
			if found == nil {
				continue
			}
			version = found.version
		}
		r := resource{group: w.group, version: version, name: w.resource, selector: w.selector, page: w.page}
		tasks = append(tasks, s.everywhere(r, w.kind, w.decode)...)
	}
	if !s.config.CustomResources {
		return tasks, nil, errs, nil
	}
	outside := 0
	for _, k := range kinds {
		switch {
		case inTable[[2]string{k.group, k.resource}]:
		case !k.namespaced && !s.config.AllNamespaces():
			outside++
		default:
			r := resource{group: k.group, version: k.version, name: k.resource, page: customPage}
			tasks = append(tasks, s.everywhere(r, k.kind, decodeCustom)...)
		}
	}
	if outside > 0 {
		notes = append(notes, fmt.Sprintf("%d cluster-scoped kinds of custom resources are outside the namespaces that the configuration names", outside))
	}
	return tasks, notes, errs, nil
}

// customPage is the page size for custom resources: one can be as large as a
// megabyte, and the API server holds a page as a whole.
const customPage = 100

// discovers tells which groups discovery is needed for.
func (s *source) discovers(group string) bool {
	if s.config.CustomResources && !builtIn(group) {
		return true
	}
	return slices.ContainsFunc(workloads(), func(w workload) bool {
		return w.optional && w.group == group && w.applies(s.config)
	})
}

// everywhere makes a task for each namespace to list in.
func (s *source) everywhere(r resource, kind string, read func(*json.Decoder, *result) error) []task {
	var tasks []task
	for _, ns := range s.config.namespaces() {
		r.namespace = ns
		tasks = append(tasks, task{resource: r, kind: kind, read: read})
	}
	return tasks
}

func find(kinds []served, group, resource string) *served {
	for i := range kinds {
		if kinds[i].group == group && kinds[i].resource == resource {
			return &kinds[i]
		}
	}
	return nil
}

// read lists one kind in one place. It returns what it found, with each error.
func (c *client) read(ctx context.Context, t task) (result, []error) {
	var r result
	err := c.list(ctx, t.resource, func() { r = newResult(t.kind) }, func(d *json.Decoder) error { return t.read(d, &r) })
	return r, append(r.objectErrors(), err)
}

// decode reads the next object of a kind of the table.
func (w *workload) decode(decoder *json.Decoder, r *result) error {
	var o object
	err := decoder.Decode(&o)
	if err != nil && !typeMismatch(err) {
		return err // the list itself is broken
	}
	reading, readErr := w.read(&o)
	if err = errors.Join(err, readErr); err != nil {
		r.unreadable(&o.Metadata, err)
	}
	var revision *int64
	if w.revision != nil {
		n := w.revision(&o)
		revision = &n
	}
	r.add(&o.Metadata, reading, revision)
	return nil
}

// decodeCustom reads the next custom resource.
func decodeCustom(decoder *json.Decoder, r *result) error {
	var raw json.RawMessage
	if err := decoder.Decode(&raw); err != nil {
		return err
	}
	var o struct {
		Metadata metadata `json:"metadata"`
	}
	err := json.Unmarshal(raw, &o)
	found, sweepErr := sweepObject(raw)
	if err = errors.Join(err, sweepErr); err != nil {
		r.unreadable(&o.Metadata, err)
	}
	r.add(&o.Metadata, reading{state: image.Declared, images: found}, nil)
	return nil
}

// checkEmpty looks up each named namespace in which nothing at all was found: a
// list in a namespace that does not exist is empty and no error.
func (c *client) checkEmpty(ctx context.Context, tasks []task, results []result) []error {
	objects := map[string]int{}
	var order []string
	for i, t := range tasks {
		if _, seen := objects[t.namespace]; !seen {
			order = append(order, t.namespace)
		}
		objects[t.namespace] += results[i].objects
	}
	var errs []error
	for _, ns := range order {
		if objects[ns] > 0 {
			continue
		}
		_, err := c.get(ctx, "application/json", "/api/v1/namespaces", ns)
		switch {
		case err == nil:
		case apierrors.IsNotFound(err):
			errs = append(errs, fmt.Errorf("namespace %s does not exist, but the configuration names it", ns))
		default:
			errs = append(errs, c.classify("get", "namespaces", ns, err))
		}
	}
	return errs
}
