package image

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	testHex  = "7c1d6a1b0f3e4d5c8b9a7c1d6a1b0f3e4d5c8b9a7c1d6a1b0f3e4d5c8b9a0123"
	testHex2 = "aa1d6a1b0f3e4d5c8b9a7c1d6a1b0f3e4d5c8b9a7c1d6a1b0f3e4d5c8b9a01bb"
	ecrTest  = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
)

var (
	sha512 = "sha512:" + strings.Repeat("0a", 64)
	sha384 = "sha384:" + strings.Repeat("0a", 48)
)

func digestOf(t testing.TB, hexDigits string) Digest {
	t.Helper()
	d, err := ParseDigest("sha256:" + hexDigits)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestParseReference(t *testing.T) {
	digest := digestOf(t, testHex)
	tests := []struct {
		name, in string
		want     Reference
		// canonical is what String returns, where it is not the input.
		canonical string
	}{
		{"tag", "images.example.com/apps/web:1.2", Reference{Host: "images.example.com", Repository: "apps/web", Tag: "1.2"}, ""},
		{"no tag", "images.example.com/apps/web", Reference{Host: "images.example.com", Repository: "apps/web"}, ""},
		{"digest", "images.example.com/apps/web@sha256:" + testHex, Reference{Host: "images.example.com", Repository: "apps/web", Digest: digest}, ""},
		{"tag and digest", ecrTest + "/apps/web:v1@sha256:" + testHex, Reference{Host: ecrTest, Repository: "apps/web", Tag: "v1", Digest: digest}, ""},
		{"deeply nested repository", "images.example.com/a/b/c/d/e_f/g__h/i.j/k---l:x", Reference{Host: "images.example.com", Repository: "a/b/c/d/e_f/g__h/i.j/k---l", Tag: "x"}, ""},
		{"host with port", "images.example.com:5000/web:1", Reference{Host: "images.example.com:5000", Repository: "web", Tag: "1"}, ""},
		{"host with port and no tag", "images.example.com:5000/web", Reference{Host: "images.example.com:5000", Repository: "web"}, ""},
		{"localhost", "localhost/web:1", Reference{Host: "localhost", Repository: "web", Tag: "1"}, ""},
		{"IPv4 with port", "127.0.0.1:5000/web:1", Reference{Host: "127.0.0.1:5000", Repository: "web", Tag: "1"}, ""},
		{"IPv6", "[::1]/web:1", Reference{Host: "[::1]", Repository: "web", Tag: "1"}, ""},
		{"IPv6 with port", "[2001:DB8::1]:5000/web", Reference{Host: "[2001:db8::1]:5000", Repository: "web"}, "[2001:db8::1]:5000/web"},
		{"upper-case host", "Images.Example.COM/web:V1", Reference{Host: "images.example.com", Repository: "web", Tag: "V1"}, "images.example.com/web:V1"},
		{"Docker Hub, one component", "nginx", Reference{Host: "docker.io", Repository: "library/nginx"}, "docker.io/library/nginx"},
		{"Docker Hub, one component with tag", "nginx:1.27", Reference{Host: "docker.io", Repository: "library/nginx", Tag: "1.27"}, "docker.io/library/nginx:1.27"},
		{"Docker Hub, two components", "grafana/loki:3", Reference{Host: "docker.io", Repository: "grafana/loki", Tag: "3"}, "docker.io/grafana/loki:3"},
		{"Docker Hub, named", "docker.io/nginx", Reference{Host: "docker.io", Repository: "library/nginx"}, "docker.io/library/nginx"},
		{"Docker Hub, old host", "index.docker.io/nginx:1", Reference{Host: "docker.io", Repository: "library/nginx", Tag: "1"}, "docker.io/library/nginx:1"},
		{"a name that looks like host and port is a tag", "localhost:5000", Reference{Host: "docker.io", Repository: "library/localhost", Tag: "5000"}, "docker.io/library/localhost:5000"},
		{"a Git commit as tag", "web:0123456789abcdef0123456789abcdef01234567", Reference{Host: "docker.io", Repository: "library/web", Tag: "0123456789abcdef0123456789abcdef01234567"}, "docker.io/library/web:0123456789abcdef0123456789abcdef01234567"},
		{"tag of 300 characters", "images.example.com/web:" + strings.Repeat("x", 300), Reference{Host: "images.example.com", Repository: "web", Tag: strings.Repeat("x", 300)}, ""},
		{"repository of 256 characters", "images.example.com/" + strings.Repeat("x", 256), Reference{Host: "images.example.com", Repository: strings.Repeat("x", 256)}, ""},
		{"docker-pullable", "docker-pullable://images.example.com/web@sha256:" + testHex, Reference{Host: "images.example.com", Repository: "web", Digest: digest}, "images.example.com/web@sha256:" + testHex},
		{"docker scheme", "docker://images.example.com/web:1", Reference{Host: "images.example.com", Repository: "web", Tag: "1"}, "images.example.com/web:1"},
		{"oci scheme", "oci://images.example.com/charts/web:1", Reference{Host: "images.example.com", Repository: "charts/web", Tag: "1"}, "images.example.com/charts/web:1"},
		{"containerd scheme", "containerd://images.example.com/web@sha256:" + testHex, Reference{Host: "images.example.com", Repository: "web", Digest: digest}, "images.example.com/web@sha256:" + testHex},
		{"image id", "sha256:" + testHex, Reference{ImageID: digest}, ""},
		{"image id with docker scheme", "docker://sha256:" + testHex, Reference{ImageID: digest}, "sha256:" + testHex},
		{"image id of CRI-O", testHex, Reference{ImageID: digest}, "sha256:" + testHex},
		{"image id of another algorithm", sha512, Reference{OtherDigest: sha512}, ""},
		{"image id of SHA-384", sha384, Reference{OtherDigest: sha384}, ""},
		{"digest of another algorithm", "images.example.com/web@" + sha512, Reference{Host: "images.example.com", Repository: "web", OtherDigest: sha512}, ""},
		{"tag and digest of another algorithm", "images.example.com/web:1@b.2+x:aZ0=_-", Reference{Host: "images.example.com", Repository: "web", Tag: "1", OtherDigest: "b.2+x:aZ0=_-"}, ""},
		{"a repository called sha256 with a digest", "sha256:1@sha256:" + testHex, Reference{Host: "docker.io", Repository: "library/sha256", Tag: "1", Digest: digest}, "docker.io/library/sha256:1@sha256:" + testHex},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseReference(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("ParseReference(%q) (-want +got):\n%s", tt.in, diff)
			}
			canonical := tt.canonical
			if canonical == "" {
				canonical = tt.in
			}
			if got.String() != canonical {
				t.Errorf("String() = %q, want %q", got.String(), canonical)
			}
		})
	}
}

func TestParseReferenceOfEveryECRHost(t *testing.T) {
	for _, host := range ecrHosts() {
		got, err := ParseReference(host + "/apps/web:1")
		if err != nil {
			t.Error(err)
			continue
		}
		if want := (Reference{Host: host, Repository: "apps/web", Tag: "1"}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestParseReferenceRefuses(t *testing.T) {
	tests := map[string]string{
		"empty":                            "",
		"a scheme only":                    "docker://",
		"white space before":               " nginx",
		"white space after":                "nginx\n",
		"white space within":               "images.example.com/my app:1",
		"control character":                "nginx\x00",
		"a letter beyond ASCII":            "images.example.com/größe",
		"a letter that folds into ASCII":   "images.\u212aube.example/web",
		"upper-case repository":            "images.example.com/Apps/web:1",
		"upper-case first component":       "Apps/web:1",
		"upper-case one component":         "Nginx",
		"URL":                              "https://images.example.com/web:1",
		"plain URL":                        "http://images.example.com/web:1",
		"bucket":                           "s3://bucket/key",
		"empty tag":                        "images.example.com/web:",
		"tag starts with a hyphen":         "images.example.com/web:-1",
		"tag starts with a dot":            "images.example.com/web:.1",
		"tag with a plus":                  "images.example.com/web:1+2",
		"tag with a character below zero":  "images.example.com/web:a!b",
		"tag of 301 characters":            "images.example.com/web:" + strings.Repeat("x", 301),
		"two tags":                         "images.example.com/web:1:2",
		"repository of 257 characters":     "images.example.com/" + strings.Repeat("x", 257),
		"host of 256 characters":           strings.Repeat("x", 248) + ".example/web",
		"empty digest":                     "images.example.com/web@",
		"digest without algorithm":         "images.example.com/web@" + testHex,
		"short digest":                     "images.example.com/web@sha256:" + testHex[1:],
		"long digest":                      "images.example.com/web@sha256:0" + testHex,
		"upper-case digest":                "images.example.com/web@sha256:" + strings.ToUpper(testHex),
		"zero digest":                      "images.example.com/web@sha256:" + strings.Repeat("0", 64),
		"two digests":                      "images.example.com/web@sha256:" + testHex + "@sha256:" + testHex,
		"tag after the digest":             "images.example.com/web@sha256:" + testHex + ":1",
		"other digest without content":     "images.example.com/web@sha512:",
		"other digest with two separators": "images.example.com/web@a..b:c",
		"other digest, separator last":     "images.example.com/web@a.:c",
		"other digest, separator first":    "images.example.com/web@.a:c",
		"other digest, upper case":         "images.example.com/web@SHA:c",
		"other digest, bad content":        "images.example.com/web@sha512:a/b",
		"only a digest":                    "@sha256:" + testHex,
		"no repository":                    "images.example.com/",
		"no host":                          "/web",
		"only a tag":                       ":1",
		"empty component":                  "images.example.com/a//b",
		"component starts with a dot":      "images.example.com/.a",
		"component ends with a hyphen":     "images.example.com/a-",
		"two dots":                         "images.example.com/a..b",
		"three underscores":                "images.example.com/a___b",
		"mixed separators":                 "images.example.com/a.-b",
		"host with an empty label":         "images..example.com/web",
		"host label starts with a hyphen":  "images.-example.com/web",
		"host label ends with a hyphen":    "images-.example.com/web",
		"host ends with a dot":             "images.example.com./web",
		"host ends with a hyphen":          "images.example.com-/web",
		"host with an underscore":          "my_images.example.com/web",
		"empty port":                       "images.example.com:/web",
		"port is no number":                "images.example.com:x/web",
		"port too long":                    "images.example.com:123456/web",
		"IPv6 not closed":                  "[::1/web",
		"IPv6 with zone":                   "[fe80::1%25eth0]/web",
		"IPv4 in brackets":                 "[127.0.0.1]:5000/web",
		"junk after IPv6":                  "[::1]x/web",
		"short image id":                   "sha256:" + testHex[1:],
		"upper-case image id":              "sha256:" + strings.ToUpper(testHex),
		"image id of 64 upper-case digits": strings.ToUpper(testHex),
		"zero image id":                    strings.Repeat("0", 64),
		"short image id of SHA-512":        sha512[:100],
	}
	for name, in := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ParseReference(in)
			if err == nil {
				t.Fatalf("ParseReference(%q) = %+v, want an error", in, got)
			}
			if !strings.Contains(err.Error(), strconv.Quote(in)) {
				t.Errorf("the error does not name %q: %v", in, err)
			}
			if got != (Reference{}) {
				t.Errorf("an error with a result: %+v", got)
			}
		})
	}
}

func TestTagOrLatest(t *testing.T) {
	tests := []struct{ in, want string }{
		{"images.example.com/web", "latest"},
		{"images.example.com/web:1", "1"},
		{"images.example.com/web@sha256:" + testHex, ""},
		{"images.example.com/web@" + sha512, ""},
		{"images.example.com/web:1@sha256:" + testHex, "1"},
		{"images.example.com/web:1@" + sha512, "1"},
		{"sha256:" + testHex, ""},
		{sha512, ""},
	}
	for _, tt := range tests {
		ref, err := ParseReference(tt.in)
		if err != nil {
			t.Fatal(err)
		}
		if got := ref.TagOrLatest(); got != tt.want {
			t.Errorf("%q: TagOrLatest() = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestWithDigest(t *testing.T) {
	tests := []struct{ in, want string }{
		{"images.example.com/web:1", "images.example.com/web:1@sha256:" + testHex},
		{"images.example.com/web:1@sha256:" + testHex2, "images.example.com/web:1@sha256:" + testHex},
		{"images.example.com/web@" + sha512, "images.example.com/web@sha256:" + testHex},
	}
	for _, tt := range tests {
		ref, err := ParseReference(tt.in)
		if err != nil {
			t.Fatal(err)
		}
		if got := ref.WithDigest(digestOf(t, testHex)).String(); got != tt.want {
			t.Errorf("%q: WithDigest = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestSameRepository(t *testing.T) {
	tests := []struct {
		name, a, b string
		want       bool
	}{
		{"same", "images.example.com/web:1", "images.example.com/web:2", true},
		{"other repository", "images.example.com/web", "images.example.com/api", false},
		{"other host", "images.example.com/web", "mirror.example.com/web", false},
		{"other port", "images.example.com/web", "images.example.com:5000/web", false},
		{"short and long name", "nginx", "docker.io/library/nginx@sha256:" + testHex, true},
		{"two hosts of one ECR registry", ecrTest + "/web", "111122223333.dkr-ecr-fips.eu-west-1.on.aws/web", true},
		{"ECR, other region", ecrTest + "/web", "111122223333.dkr.ecr.eu-west-2.amazonaws.com/web", false},
		{"ECR and another", ecrTest + "/web", "images.example.com/web", false},
		{"image ids", testHex, testHex, false},
		{"image id and repository", testHex, "nginx", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, err := ParseReference(tt.a)
			if err != nil {
				t.Fatal(err)
			}
			b, err := ParseReference(tt.b)
			if err != nil {
				t.Fatal(err)
			}
			if a.SameRepository(b) != tt.want || b.SameRepository(a) != tt.want {
				t.Errorf("SameRepository(%q, %q) = %v, %v, want %v both", tt.a, tt.b, a.SameRepository(b), b.SameRepository(a), tt.want)
			}
		})
	}
}

func FuzzParseReference(f *testing.F) {
	for _, seed := range []string{
		"", "nginx", "library/nginx:1", "docker.io/nginx", "index.docker.io/a/b", "localhost:5000/a:b", "LOCALHOST/a", "A/b", "A.b/c",
		"[::1]:5000/a", ecrTest + "/apps/web:1@sha256:" + testHex, "a@" + sha512, sha512, testHex, "docker://sha256:" + testHex,
		"docker-pullable://a.b/c@sha256:" + testHex, "https://a.b/c", "sha256:x", "a b", "a\xff", "a.\u212a/c", strings.Repeat("x", 257),
		"oci://docker://a", "docker.io/sha256:" + testHex, "docker.io:443/a", strings.Repeat("0", 64),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ref, err := ParseReference(s)
		if err != nil {
			if !strings.Contains(err.Error(), strconv.Quote(s)) {
				t.Fatalf("the error does not name %q: %v", s, err)
			}
			return
		}
		again, err := ParseReference(ref.String())
		if err != nil {
			t.Fatalf("%q is written %q, which cannot be read: %v", s, ref, err)
		}
		if again != ref {
			t.Fatalf("%q is %+v, and written %q it is %+v", s, ref, ref, again)
		}
		if ref.Host != strings.ToLower(ref.Host) {
			t.Fatalf("%q: the host %q is not lower-case", s, ref.Host)
		}
		if ref.IsBare() == (ref.Host != "") {
			t.Fatalf("%q: a host without a repository, or the other way round: %+v", s, ref)
		}
		if ref.IsBare() && ref.ImageID.IsZero() && ref.OtherDigest == "" {
			t.Fatalf("%q names nothing: %+v", s, ref)
		}
	})
}

func BenchmarkParseReference(b *testing.B) {
	for name, s := range map[string]string{
		"tag":    ecrTest + "/apps/web:1.2.3",
		"digest": ecrTest + "/apps/web:1.2.3@sha256:" + testHex,
		"short":  "nginx:1.27",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseReference(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
