package kubernetes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/regsweep/regsweep/internal/usage"
)

// item is all that is kept of an object: what a reflector needs, and what the
// object names.
type item struct {
	metav1.TypeMeta
	metav1.ObjectMeta
	observations []usage.Observation
}

// DeepCopyObject implements runtime.Object. Nobody changes an item.
func (i *item) DeepCopyObject() runtime.Object { c := *i; return &c }

// items is a page of a list.
type items struct {
	metav1.TypeMeta
	metav1.ListMeta
	Items []item
}

// DeepCopyObject implements runtime.Object. Nobody changes items.
func (l *items) DeepCopyObject() runtime.Object { c := *l; return &c }

// kindWatcher lists and watches one kind in one place. What goes wrong is told
// to failed; the reflector then tries again.
type kindWatcher struct {
	client *client
	task   task
	failed func(error)
}

var _ cache.ListerWatcherWithContext = (*kindWatcher)(nil)

// IsWatchListSemanticsUnSupported tells the reflector to list in pages, which are
// decoded object by object, as a stream of the whole list would be.
func (w *kindWatcher) IsWatchListSemanticsUnSupported() bool { return true }

// List implements cache.Lister.
func (w *kindWatcher) List(options metav1.ListOptions) (runtime.Object, error) {
	return w.ListWithContext(context.Background(), options)
}

// Watch implements cache.Watcher.
func (w *kindWatcher) Watch(options metav1.ListOptions) (watch.Interface, error) {
	return w.WatchWithContext(context.Background(), options)
}

// ListWithContext reads one page.
func (w *kindWatcher) ListWithContext(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
	list := &items{}
	err := w.page(ctx, options, list)
	if err != nil {
		w.tell(ctx, "list", err)
		return nil, err
	}
	return list, nil
}

func (w *kindWatcher) page(ctx context.Context, options metav1.ListOptions, list *items) error {
	ctx, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	req := w.request(options)
	if options.Limit > 0 {
		req = req.Param("limit", strconv.FormatInt(options.Limit, 10))
	}
	body, err := req.Stream(ctx)
	if err != nil {
		return err
	}
	defer body.Close()
	meta, err := decodeList(body, func(d *json.Decoder) error {
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return err
		}
		i, err := w.item(raw)
		list.Items = append(list.Items, *i)
		return err
	})
	list.Continue, list.ResourceVersion = meta.Continue, meta.ResourceVersion
	return err
}

// request returns the request for what options ask for.
func (w *kindWatcher) request(options metav1.ListOptions) *rest.Request {
	req := w.client.rest.Get().AbsPath(w.task.path()...)
	for name, value := range map[string]string{
		"fieldSelector": w.task.selector, "continue": options.Continue,
		"resourceVersion": options.ResourceVersion, "resourceVersionMatch": string(options.ResourceVersionMatch),
	} {
		if value != "" {
			req = req.Param(name, value)
		}
	}
	return req
}

// WatchWithContext begins a watch.
func (w *kindWatcher) WatchWithContext(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	req := w.request(options).Param("watch", "true").Param("allowWatchBookmarks", strconv.FormatBool(options.AllowWatchBookmarks))
	if options.TimeoutSeconds != nil {
		req = req.Param("timeoutSeconds", strconv.FormatInt(*options.TimeoutSeconds, 10))
	}
	body, err := req.Stream(ctx)
	if err != nil {
		w.tell(ctx, "watch", err)
		return nil, err
	}
	return watch.NewStreamWatcher(&events{kindWatcher: w, ctx: ctx, body: body, decoder: json.NewDecoder(body)},
		apierrors.NewClientErrorReporter(http.StatusInternalServerError, "watch", "ClientWatchDecoding")), nil
}

// tell reports an error that is more than the end of a watch: that the server no
// longer knows the moment, or closed the connection, is as it should be.
func (w *kindWatcher) tell(ctx context.Context, verb string, err error) {
	if ctx.Err() == nil && !isExpired(err) && !errors.Is(err, io.EOF) {
		w.failed(w.client.classify(verb, w.task.String(), w.task.namespace, err))
	}
}

// item reads what one object names. What of it cannot be read is told, and is no
// error: the object is what it is, however often it is read.
func (w *kindWatcher) item(raw json.RawMessage) (*item, error) {
	var o struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
	}
	i := &item{}
	if err := json.Unmarshal(raw, &o); err != nil {
		return i, err
	}
	i.ResourceVersion = o.Metadata.ResourceVersion
	r := newResult(w.task.kind)
	if err := w.task.read(json.NewDecoder(bytes.NewReader(raw)), &r); err != nil {
		return i, err
	}
	for _, err := range r.objectErrors() {
		w.failed(err)
	}
	i.observations = observations([]result{r})
	return i, nil
}

// events decodes the events of a watch.
type events struct {
	*kindWatcher
	ctx     context.Context
	body    io.ReadCloser
	decoder *json.Decoder
}

// Close implements watch.Decoder.
func (e *events) Close() {
	// The answer has been read as far as it matters.
	_ = e.body.Close()
}

// Decode implements watch.Decoder. What cannot be understood is told, and ends the
// watch; the reflector begins another.
func (e *events) Decode() (watch.EventType, runtime.Object, error) {
	kind, object, err := e.next()
	if err != nil {
		err = notAList(err)
		e.tell(e.ctx, "watch", err)
		return "", nil, err
	}
	return kind, object, nil
}

func (e *events) next() (watch.EventType, runtime.Object, error) {
	var event struct {
		Type   watch.EventType `json:"type"`
		Object json.RawMessage `json:"object"`
	}
	if err := e.decoder.Decode(&event); err != nil {
		return "", nil, err
	}
	switch event.Type {
	case watch.Error:
		status := &metav1.Status{}
		if err := json.Unmarshal(event.Object, status); err != nil {
			return "", nil, fmt.Errorf("read an error of the server: %w", err)
		}
		e.tell(e.ctx, "watch", apierrors.FromObject(status))
		return watch.Error, status, nil
	case watch.Added, watch.Modified, watch.Deleted:
		i, err := e.item(event.Object)
		return event.Type, i, err
	case watch.Bookmark:
		i := &item{}
		err := json.Unmarshal(event.Object, &struct {
			Metadata *metav1.ObjectMeta `json:"metadata"`
		}{&i.ObjectMeta})
		return watch.Bookmark, i, err
	}
	return "", nil, fmt.Errorf("%w: unknown event %q", errNotAList, event.Type)
}
