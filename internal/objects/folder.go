package objects

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/regsweep/regsweep/internal/awsapi"
)

// Folder is a folder of files, or what has a prefix in a bucket of Amazon S3.
type Folder struct {
	// at is the folder itself. Of a prefix the key ends in a slash, or is empty
	// for the whole bucket.
	at Object
}

// OpenFolder returns the folder of a path, which need not exist: that of files,
// or s3://bucket or s3://bucket/prefix. It reads nothing; an error means that
// the path can name no folder.
func OpenFolder(path string, env Env) (*Folder, error) {
	if !IsS3(path) {
		o, err := Open(path, env)
		if err != nil {
			return nil, err
		}
		return &Folder{*o}, nil
	}
	bucket, prefix, _ := strings.Cut(strings.TrimPrefix(path, scheme), "/")
	if !bucketName.MatchString(bucket) {
		return nil, fmt.Errorf("%q is not a place in S3: want s3://bucket/prefix", path)
	}
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	return &Folder{Object{path: scheme + bucket + "/" + prefix, bucket: bucket, key: prefix, session: env.AWS}}, nil
}

// String returns the path; that of a place in S3 ends in a slash.
func (f *Folder) String() string { return f.at.path }

// Object returns the object of a name in the folder.
func (f *Folder) Object(name string) *Object {
	o := f.at
	if o.bucket == "" {
		o.path = filepath.Join(o.path, name)
		return &o
	}
	o.path += name
	o.key += name
	return &o
}

// Folder returns the folder of a name in the folder.
func (f *Folder) Folder(name string) *Folder {
	o := *f.Object(strings.TrimSuffix(name, "/"))
	if o.bucket != "" {
		o.path += "/"
		o.key += "/"
	}
	return &Folder{o}
}

// Names returns the names of what is in the folder, sorted; those of folders end
// in a slash. A folder that does not exist is a *NotFoundError; in Amazon S3 a
// prefix that nothing has is empty. For the other errors see Object.Read.
func (f *Folder) Names(ctx context.Context) ([]string, error) {
	list := f.files
	if f.at.bucket != "" {
		list = f.keys
	}
	names, err := list(ctx)
	slices.Sort(names)
	return names, err
}

func (f *Folder) files(ctx context.Context) (names []string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(f.at.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NotFoundError{Path: f.at.path, Err: err}
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() {
			name += "/"
		}
		names = append(names, name)
	}
	return names, nil
}

// keys lists the keys of the prefix up to the next slash ("Organizing objects
// using prefixes" in the Amazon S3 user guide).
func (f *Folder) keys(ctx context.Context) ([]string, error) {
	region := ""
	return awsapi.Pages(ctx, func(ctx context.Context, token *string) (names []string, next *string, err error) {
		request := &s3.ListObjectsV2Input{
			Bucket: &f.at.bucket, Prefix: &f.at.key, Delimiter: aws.String("/"), ContinuationToken: token,
			EncodingType: types.EncodingTypeUrl, // keys may have characters that XML has not
		}
		region, err = f.at.call(ctx, listAction, region, func(client *s3.Client, region string) error {
			out, err := client.ListObjectsV2(ctx, request, in(region))
			if err != nil || out.KeyCount == nil {
				return err // without names, which is no list
			}
			next = out.NextContinuationToken
			if aws.ToBool(out.IsTruncated) && aws.ToString(next) == "" {
				return errCutOff
			}
			names, err = f.names(out)
			return err
		})
		return names, next, err
	})
}

// errCutOff is a page that says that there is another, and not how to get it.
var errCutOff = errors.New("the list is cut off, and cannot be read on")

// listAction is the action that listing needs; its resource is the bucket.
const listAction = "s3:ListBucket"

// names returns the names in one page, without the folder.
func (f *Folder) names(page *s3.ListObjectsV2Output) ([]string, error) {
	names := make([]string, 0, len(page.Contents)+len(page.CommonPrefixes))
	add := func(key *string) error {
		decoded, err := url.QueryUnescape(aws.ToString(key))
		if err != nil {
			return err
		}
		// The prefix itself can be an object: consoles make such "folders".
		if name := strings.TrimPrefix(decoded, f.at.key); name != "" {
			names = append(names, name)
		}
		return nil
	}
	var errs []error
	for i := range page.Contents {
		errs = append(errs, add(page.Contents[i].Key))
	}
	for i := range page.CommonPrefixes {
		errs = append(errs, add(page.CommonPrefixes[i].Prefix))
	}
	return names, errors.Join(errs...)
}
