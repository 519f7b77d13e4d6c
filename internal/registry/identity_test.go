package registry

import (
	"strings"
	"testing"

	"github.com/regsweep/regsweep/internal/image"
)

func TestHolds(t *testing.T) {
	const (
		account = "111122223333"
		region  = "eu-west-1"
		ecrHost = account + ".dkr.ecr." + region + ".amazonaws.com"
	)
	ecr := Identity{Name: "prod", Host: ecrHost, Account: account, Region: region, Aliases: []string{"images.example.com", "mirror.example.com:5000", ""}}
	lab := Identity{Name: "lab", Host: "127.0.0.1:5000"}
	named := Identity{Name: "named", Host: "Registry.example.com"}
	six := Identity{Name: "six", Host: "[::1]:5000", Aliases: []string{"[::2]"}}
	hub := Identity{Name: "hub", Host: "registry-1.docker.io"}
	tests := []struct {
		name     string
		registry Identity
		ref      string
		want     bool
	}{
		{"own host", ecr, ecrHost + "/web:1", true},
		{"own host with the default port", ecr, ecrHost + ":443/web:1", true},
		{"own host in upper case", ecr, strings.ToUpper(ecrHost) + "/web:1", true},
		{"FIPS host", ecr, account + ".dkr.ecr-fips." + region + ".amazonaws.com/web", true},
		{"IPv6 host", ecr, account + ".dkr-ecr." + region + ".on.aws/web@sha256:" + strings.Repeat("1", 64), true},
		{"IPv6 FIPS host", ecr, account + ".dkr-ecr-fips." + region + ".on.aws/web", true},
		{"other account", ecr, "444455556666.dkr.ecr." + region + ".amazonaws.com/web", false},
		{"other region", ecr, account + ".dkr.ecr.eu-west-2.amazonaws.com/web", false},
		{"evil suffix", ecr, ecrHost + ".evil.example/web", false},
		{"public registry", ecr, "public.ecr.aws/web", false},
		{"alias", ecr, "images.example.com/web:1", true},
		{"alias without port, reference with one", ecr, "images.example.com:8443/web:1", true},
		{"alias in upper case", ecr, "IMAGES.example.com/web:1", true},
		{"alias with port", ecr, "mirror.example.com:5000/web:1", true},
		{"alias with port, reference without", ecr, "mirror.example.com/web:1", false},
		{"alias with port, reference with another", ecr, "mirror.example.com:5001/web:1", false},
		{"below an alias", ecr, "eu.images.example.com/web:1", false},
		{"an alias as prefix", ecr, "images.example.com.evil.example/web:1", false},
		{"image id", ecr, "sha256:" + strings.Repeat("1", 64), false},
		{"Docker Hub short name", ecr, "nginx", false},
		{"OCI host with port", lab, "127.0.0.1:5000/web", true},
		{"OCI host, other port", lab, "127.0.0.1:5001/web", false},
		{"OCI host, no port", lab, "127.0.0.1/web", false},
		{"OCI host in another case", named, "registry.example.com/web", true},
		{"OCI host, default port", named, "registry.example.com:443/web", true},
		{"OCI host, default port without TLS", named, "registry.example.com:80/web", true},
		{"OCI host without port, reference with one", named, "registry.example.com:5000/web", false},
		{"ECR host, but no account", named, ecrHost + "/web", false},
		{"IPv6 address", six, "[::1]:5000/web", true},
		{"IPv6 address, no port", six, "[::1]/web", false},
		{"IPv6 alias", six, "[::2]:5001/web", true},
		{"Docker Hub by its real host", hub, "nginx", true},
		{"Docker Hub by its old name", hub, "index.docker.io/grafana/loki", true},
		{"nothing configured", Identity{}, "images.example.com/web", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ref, err := image.ParseReference(tt.ref)
			if err != nil {
				t.Fatal(err)
			}
			if got := tt.registry.Holds(ref); got != tt.want {
				t.Errorf("%+v Holds(%s) = %v, want %v", tt.registry, ref, got, tt.want)
			}
		})
	}
}
