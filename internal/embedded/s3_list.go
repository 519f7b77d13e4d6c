package embedded

import (
	"encoding/xml"
	"net/url"
	"strconv"
	"strings"
)

type listedObject struct {
	Key          string
	LastModified string
	ETag         string
	Size         int
	StorageClass string
}

type commonPrefix struct{ Prefix string }

// listOutput is ListObjectsV2Output in the service model.
type listOutput struct {
	XMLName               xml.Name
	Name                  string
	Prefix                string
	Delimiter             string `xml:",omitempty"`
	MaxKeys               int
	EncodingType          string `xml:",omitempty"`
	KeyCount              int
	IsTruncated           bool
	ContinuationToken     string `xml:",omitempty"`
	NextContinuationToken string `xml:",omitempty"`
	StartAfter            string `xml:",omitempty"`
	Contents              []listedObject
	CommonPrefixes        []commonPrefix
}

// What a page token says came last: a key, or a prefix that many have.
const (
	afterKey    = "key "
	afterPrefix = "prefix "
)

func listObjects(c *Call) (any, error) {
	out := listOutput{
		XMLName: xml.Name{Space: s3Namespace, Local: "ListBucketResult"},
		Name:    c.Path("Bucket"), Prefix: c.Query.Get("prefix"), Delimiter: c.Query.Get("delimiter"), MaxKeys: 1000,
		EncodingType: c.Query.Get("encoding-type"), ContinuationToken: c.Query.Get("continuation-token"), StartAfter: c.Query.Get("start-after"),
	}
	if c.Query.Get("list-type") != "2" {
		return nil, notImplemented("list-type %s is not implemented", c.Query.Get("list-type"))
	}
	if text := c.Query.Get("max-keys"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return nil, errorf("InvalidArgument", "Provided max-keys not an integer or within integer range")
		}
		out.MaxKeys = min(n, out.MaxKeys)
	}
	scope := out.Name + "\x00" + out.Prefix + "\x00" + out.Delimiter
	last, ok := c.readToken(scope, out.ContinuationToken)
	if !ok {
		return nil, errorf("InvalidArgument", "The continuation token provided is incorrect")
	}
	if last == "" && out.StartAfter != "" {
		last = afterKey + out.StartAfter
	}
	c.Server.s3.mu.Lock()
	defer c.Server.s3.mu.Unlock()
	b, err := c.bucket()
	if err != nil {
		return nil, err
	}
	if last = b.page(&out, last); last != "" {
		out.IsTruncated = true
		out.NextContinuationToken = c.pageToken(scope, last)
	}
	if out.EncodingType == "url" {
		out.escape()
	}
	return out, nil
}

// page fills in what follows the last entry, and returns the last entry of the
// page when there are more. The lock is held.
func (b *Bucket) page(out *listOutput, last string) string {
	key, isKey := strings.CutPrefix(last, afterKey)
	prefix, isPrefix := strings.CutPrefix(last, afterPrefix)
	start := out.Prefix
	switch {
	case isKey:
		start = max(start, key+"\x00") // the smallest that is greater
	case isPrefix:
		start = prefix
	}
	for k, o := range b.objects.from(start) {
		if !strings.HasPrefix(k, out.Prefix) {
			break
		}
		if isPrefix && strings.HasPrefix(k, prefix) {
			continue
		}
		if out.KeyCount == out.MaxKeys {
			if out.MaxKeys == 0 {
				return ""
			}
			return last
		}
		out.KeyCount++
		if group, _, found := strings.Cut(k[len(out.Prefix):], out.Delimiter); found && out.Delimiter != "" {
			prefix, isPrefix = out.Prefix+group+out.Delimiter, true
			last = afterPrefix + prefix
			out.CommonPrefixes = append(out.CommonPrefixes, commonPrefix{prefix})
			continue
		}
		last = afterKey + k
		out.Contents = append(out.Contents, listedObject{
			Key: k, LastModified: o.modified.UTC().Format("2006-01-02T15:04:05.000Z"),
			ETag: o.etag, Size: len(o.body), StorageClass: "STANDARD",
		})
	}
	return ""
}

// escape writes all keys so that they can stand in XML, whatever is in them.
func (out *listOutput) escape() {
	all := []*string{&out.Prefix, &out.Delimiter, &out.StartAfter}
	for i := range out.Contents {
		all = append(all, &out.Contents[i].Key)
	}
	for i := range out.CommonPrefixes {
		all = append(all, &out.CommonPrefixes[i].Prefix)
	}
	plain := strings.NewReplacer("+", "%20", "%2F", "/")
	for _, text := range all {
		*text = plain.Replace(url.QueryEscape(*text))
	}
}
