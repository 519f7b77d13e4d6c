package awsusage

import "testing"

func TestPinned(t *testing.T) {
	for _, test := range []struct{ name, reference, digest, want string }{
		{"tag", "host.example.com/a/b:1", "sha256:1", "host.example.com/a/b@sha256:1"},
		{"no tag", "web", "sha256:1", "web@sha256:1"},
		{"port and no tag", "host.example.com:5000/web", "sha256:1", "host.example.com:5000/web@sha256:1"},
		{"port and tag", "host.example.com:5000/web:2", "sha256:1", "host.example.com:5000/web@sha256:1"},
		{"digest", "host.example.com/web@sha256:0", "sha256:1", "host.example.com/web@sha256:1"},
		{"tag and digest", "host.example.com/web:1@sha256:0", "sha256:1", "host.example.com/web@sha256:1"},
		{"no digest", "web:1", "", ""},
		{"no reference", "", "sha256:1", "unknown@sha256:1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Pinned(test.reference, test.digest); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
