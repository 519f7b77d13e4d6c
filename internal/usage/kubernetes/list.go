package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

const (
	// pageSize is the number of objects asked for at once, as kubectl does.
	pageSize = 500
	// pageTimeout bounds one page. The API server gives up after one minute of
	// its own.
	pageTimeout = 2 * time.Minute
	// maxRestarts bounds how often a list begins again because it outlived the
	// server's memory of the moment it began at (410, five minutes by default).
	maxRestarts = 3
)

// errNotAList means that the server answered with something else than a list.
var errNotAList = errors.New("the answer is not a list of objects")

// resource is one kind in one place.
type resource struct {
	group, version, name string
	// namespace is "" for all of them.
	namespace string
	// selector is a field selector, or "".
	selector string
	// page is the number of objects in a page; 0 is pageSize.
	page int
}

// String is the resource as kubectl writes it, "deployments.apps".
func (r resource) String() string {
	if r.group == "" {
		return r.name
	}
	return r.name + "." + r.group
}

func (r resource) path() []string {
	p := []string{"/apis", r.group, r.version}
	if r.group == "" {
		p = []string{"/api", r.version}
	}
	if r.namespace != "" {
		p = append(p, "namespaces", r.namespace)
	}
	return append(p, r.name)
}

// where is a resource in a namespace, for errors.
func where(resource, namespace string) string {
	if namespace == "" {
		return resource
	}
	return resource + " in namespace " + namespace
}

// list reads a resource page by page. begin is called before the first page,
// and again whenever the list has to begin anew: what item was given before
// must be forgotten then. item decodes the next object of the decoder.
//
// Without a resource version the server answers from its current state, and
// the continue token keeps later pages to the same moment.
func (c *client) list(ctx context.Context, r resource, begin func(), item func(*json.Decoder) error) error {
	restarts, next := 0, ""
	begin()
	for {
		var err error
		next, err = c.page(ctx, r, next, item)
		switch {
		case err == nil && next == "":
			return nil
		case err == nil:
		case isExpired(err) && restarts < maxRestarts:
			restarts++
			next = ""
			begin()
		case isExpired(err):
			return fmt.Errorf("list %s: given up after %d restarts: %w", where(r.String(), r.namespace), restarts, err)
		default:
			if ctx.Err() != nil {
				return fmt.Errorf("list %s: %w", r, context.Cause(ctx))
			}
			return c.classify("list", r.String(), r.namespace, err)
		}
	}
}

func isExpired(err error) bool { return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) }

// page reads one page and returns the continue token of the next, "" after the
// last.
func (c *client) page(ctx context.Context, r resource, token string, item func(*json.Decoder) error) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	size := r.page
	if size == 0 {
		size = pageSize
	}
	req := c.rest.Get().AbsPath(r.path()...).Param("limit", strconv.Itoa(size))
	if r.selector != "" {
		req = req.Param("fieldSelector", r.selector)
	}
	if token != "" {
		req = req.Param("continue", token)
	}
	body, err := req.Stream(ctx)
	if err != nil {
		return "", err
	}
	defer body.Close()
	meta, err := decodeList(body, item)
	return meta.Continue, err
}

// listMeta is what a list says of itself.
type listMeta struct {
	Continue        string `json:"continue"`
	ResourceVersion string `json:"resourceVersion"`
}

// decodeList reads a list object by object, so that a page is never in memory
// as a whole, and returns what it says of itself. A list that breaks off is an
// error, and so is anything without items and metadata: an unknown answer must
// not pass for an empty list.
func decodeList(r io.Reader, item func(*json.Decoder) error) (listMeta, error) {
	decoder := json.NewDecoder(r)
	if err := expect(decoder, json.Delim('{')); err != nil {
		return listMeta{}, err
	}
	var metadata *listMeta
	hasItems := false
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return listMeta{}, err
		}
		switch key {
		case "metadata":
			err = decoder.Decode(&metadata)
		case "items":
			hasItems = true
			err = decodeItems(decoder, item)
		default:
			err = decoder.Decode(&json.RawMessage{})
		}
		if err != nil {
			return listMeta{}, notAList(err)
		}
	}
	if err := expect(decoder, json.Delim('}')); err != nil {
		return listMeta{}, err
	}
	if !hasItems || metadata == nil {
		return listMeta{}, fmt.Errorf("%w: it lacks items or metadata", errNotAList)
	}
	if _, err := decoder.Token(); err == nil {
		return listMeta{}, fmt.Errorf("%w: there is more after its end", errNotAList)
	} else if !errors.Is(err, io.EOF) {
		return listMeta{}, notAList(err)
	}
	return *metadata, nil
}

func decodeItems(decoder *json.Decoder, item func(*json.Decoder) error) error {
	token, err := decoder.Token()
	if err != nil {
		return err
	}
	if token == nil {
		return nil // null is how an old server writes an empty list
	}
	if token != json.Delim('[') {
		return fmt.Errorf("%w: items is %v", errNotAList, token)
	}
	for decoder.More() {
		if err := item(decoder); err != nil {
			return err
		}
	}
	return expect(decoder, json.Delim(']'))
}

func expect(decoder *json.Decoder, want json.Delim) error {
	token, err := decoder.Token()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return notAList(err)
	}
	if token != want {
		return fmt.Errorf("%w: %v instead of %v", errNotAList, token, want)
	}
	return nil
}

// notAList marks errors of the content, to tell them from those of the
// connection.
func notAList(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) || typeMismatch(err) {
		return fmt.Errorf("%w: %w", errNotAList, err)
	}
	return err
}
