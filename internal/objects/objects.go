// Package objects reads and writes what is kept under a path: a file, or an
// object in Amazon S3 (s3://bucket/key). Both are written whole or not at all.
package objects

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/regsweep/regsweep/internal/awsapi"
)

// Env is what objects are reached by.
type Env struct {
	// AWS gives the way to Amazon S3: region, credentials, endpoint and retries.
	// Files need none.
	AWS *awsapi.Session
	// Dir is the folder that relative paths of files start from; "" is the
	// working directory.
	Dir string
}

// Object is one file, or one object in Amazon S3.
type Object struct {
	path string
	// bucket and key are empty for a file.
	bucket, key string
	session     *awsapi.Session
}

const scheme = "s3://"

// IsS3 reports whether a path is meant as an object in Amazon S3.
func IsS3(path string) bool { return strings.HasPrefix(path, scheme) }

// bucketName is the form of the names of general purpose buckets ("General
// purpose bucket naming rules" in the Amazon S3 user guide).
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// Open returns the object of a path, which need not exist. It reads nothing; an
// error means that the path can name nothing.
func Open(path string, env Env) (*Object, error) {
	switch {
	case path == "":
		return nil, errors.New("the path is empty")
	case IsS3(path):
		bucket, key, _ := strings.Cut(strings.TrimPrefix(path, scheme), "/")
		if !bucketName.MatchString(bucket) || key == "" {
			return nil, fmt.Errorf("%q is not an S3 object: want s3://bucket/key", path)
		}
		return &Object{path: path, bucket: bucket, key: key, session: env.AWS}, nil
	case strings.Contains(path, "://"):
		return nil, fmt.Errorf("%q is neither a file nor s3://bucket/key", path)
	case !filepath.IsAbs(path):
		path = filepath.Join(env.Dir, path)
	}
	return &Object{path: path}, nil
}

// String returns the path: that of a file from the root or the working
// directory, or s3://bucket/key.
func (o *Object) String() string { return o.path }

// Read begins to read the object; the caller closes what it returns. Errors
// name the path. They are *NotFoundError where there is nothing, and those of
// package awsapi where AWS refuses. An object in Amazon S3 is read to its end
// across broken connections, or an error is returned.
func (o *Object) Read(ctx context.Context) (io.ReadCloser, error) {
	if o.bucket == "" {
		return readFile(ctx, o.path)
	}
	return o.get(ctx)
}

// Write replaces the object by what the function writes, once the function has
// returned nil: before that, and after an error, the object is as it was. An
// error of the function is returned as it is. For the others see Read.
func (o *Object) Write(ctx context.Context, write func(io.Writer) error) error {
	if o.bucket == "" {
		return writeFile(ctx, o.path, write)
	}
	return o.put(ctx, write)
}

// NotFoundError says that there is nothing under a path. It is fs.ErrNotExist
// to errors.Is.
type NotFoundError struct {
	// Path is what was asked for.
	Path string
	// Bucket is set when not even the bucket exists.
	Bucket bool
	// Err is the error of the system or the SDK.
	Err error
}

// Error names the path.
func (e *NotFoundError) Error() string {
	switch {
	case e.Bucket:
		return e.Path + ": there is no such bucket"
	case IsS3(e.Path):
		return e.Path + ": there is no such object"
	}
	return e.Path + ": there is no such file"
}

// Unwrap returns the error of the system or the SDK.
func (e *NotFoundError) Unwrap() error { return e.Err }

// Is makes this error fs.ErrNotExist.
func (e *NotFoundError) Is(target error) bool { return target == fs.ErrNotExist }
