// Command image builds the container image of regsweep by ko, as .ko.yaml in the
// given folder says, pushes it to a registry in this process, pulls it from there
// and prints as JSON what came out. Its base image is empty, so that nothing is
// fetched.
//
//	image ROOT PROGRAM    also writes the program for this machine to PROGRAM
package main

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/ko/pkg/build"
	"go.yaml.in/yaml/v3"
)

// settings are the fields of .ko.yaml that this knows.
type settings struct {
	DefaultBaseImage string         `yaml:"defaultBaseImage"`
	DefaultPlatforms []string       `yaml:"defaultPlatforms"`
	Builds           []build.Config `yaml:"builds"`
}

// image is one image of the index.
type image struct {
	Platform   string
	User       string
	Entrypoint []string
	Cmd        []string
	Env        []string
	// Files are the paths of all regular files and links in all layers.
	Files []string
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: image ROOT PROGRAM")
		os.Exit(2)
	}
	images, err := run(context.Background(), os.Args[1], os.Args[2])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(images)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root, program string) ([]image, error) {
	s, err := read(filepath.Join(root, ".ko.yaml"))
	if err != nil {
		return nil, err
	}
	b := s.Builds[0]
	importPath := "github.com/regsweep/regsweep/" + strings.TrimPrefix(b.Main, "./")
	base, err := emptyBase(s.DefaultPlatforms)
	if err != nil {
		return nil, err
	}
	builder, err := build.NewGo(ctx, root,
		build.WithBaseImages(func(context.Context, string) (name.Reference, build.Result, error) {
			ref, err := name.ParseReference(s.DefaultBaseImage)
			return ref, base, err
		}),
		build.WithPlatforms(s.DefaultPlatforms...), build.WithConfig(map[string]build.Config{importPath: b}),
		build.WithDisabledSBOM(), build.WithTrimpath(true), build.WithJobs(1),
	)
	if err != nil {
		return nil, err
	}
	result, err := builder.Build(ctx, "ko://"+importPath)
	if err != nil {
		return nil, err
	}
	built, ok := result.(v1.ImageIndex)
	if !ok {
		return nil, fmt.Errorf("ko built no index but %T", result)
	}
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	ref, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/regsweep:test")
	if err != nil {
		return nil, err
	}
	if err := remote.WriteIndex(ref, built, remote.WithContext(ctx)); err != nil {
		return nil, fmt.Errorf("push: %w", err)
	}
	index, err := remote.Index(ref, remote.WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("pull: %w", err)
	}
	return inspect(index, program)
}

func read(path string) (s settings, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return s, err
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&s); err != nil {
		return s, fmt.Errorf("%s: %w", path, err)
	}
	if len(s.Builds) != 1 || len(s.DefaultPlatforms) < 2 {
		return s, fmt.Errorf("%s: want one build, for several platforms", path)
	}
	return s, nil
}

// emptyBase returns an index of images without layers.
func emptyBase(platforms []string) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range platforms {
		platform, err := v1.ParsePlatform(p)
		if err != nil {
			return nil, err
		}
		// What ko's usual base images have: an account without rights. The user
		// is that of distroless static:nonroot.
		img, err := mutate.ConfigFile(mutate.MediaType(empty.Image, types.OCIManifestSchema1), &v1.ConfigFile{
			OS: platform.OS, Architecture: platform.Architecture, RootFS: v1.RootFS{Type: "layers"},
			Config: v1.Config{User: "65532", WorkingDir: "/home/nonroot"},
		})
		if err != nil {
			return nil, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: platform}})
	}
	return index, nil
}

func inspect(index v1.ImageIndex, program string) (images []image, err error) {
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	for _, d := range manifest.Manifests {
		img, err := index.Image(d.Digest)
		if err != nil {
			return nil, err
		}
		config, err := img.ConfigFile()
		if err != nil {
			return nil, err
		}
		c := config.Config
		i := image{Platform: config.OS + "/" + config.Architecture, User: c.User, Entrypoint: c.Entrypoint, Cmd: c.Cmd, Env: c.Env}
		extract := ""
		if i.Platform == runtime.GOOS+"/"+runtime.GOARCH && len(c.Entrypoint) > 0 {
			extract = c.Entrypoint[0]
		}
		if i.Files, err = files(img, extract, program); err != nil {
			return nil, err
		}
		images = append(images, i)
	}
	return images, nil
}

// files lists what is in an image, and writes one of its files to a path.
func files(img v1.Image, extract, path string) (all []string, err error) {
	content := mutate.Extract(img)
	defer content.Close()
	for r := tar.NewReader(content); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			slices.Sort(all)
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if header.Typeflag == tar.TypeDir {
			continue
		}
		file := "/" + strings.TrimPrefix(header.Name, "/")
		all = append(all, file)
		if file != extract {
			continue
		}
		out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
		if err != nil {
			return nil, err
		}
		if _, err := io.Copy(out, r); err != nil {
			return nil, errors.Join(err, out.Close())
		}
		if err := out.Close(); err != nil {
			return nil, err
		}
	}
}
