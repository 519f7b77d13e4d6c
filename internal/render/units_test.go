package render

import "testing"

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 1049: "1.0 kB", 99_400: "99.4 kB", 99_600: "100 kB", 999_499: "999 kB", 999_500: "1.0 MB",
		12_345_678_901: "12.3 GB", 1e15: "1.0 PB", 5e18: "5000 PB",
	} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestCount(t *testing.T) {
	for _, tt := range []struct {
		n    int
		noun string
		want string
	}{
		{0, "image", "0 images"}, {1, "image", "1 image"}, {1200, "image", "1,200 images"}, {2, "repository", "2 repositories"},
		{1, "repository", "1 repository"}, {3, "index", "3 indexes"}, {1_234_567, "call", "1,234,567 calls"}, {-1234, "image", "-1,234 images"},
	} {
		if got := Count(tt.n, tt.noun); got != tt.want {
			t.Errorf("Count(%d, %s) = %s, want %s", tt.n, tt.noun, got, tt.want)
		}
	}
}

// Names come from registries and clusters, where anybody may write them.
func TestTextFromOutsideIsHarmless(t *testing.T) {
	if got := clean("a\x1b[31mred\x07\nline\u009b2J"); got != "a [31mred  line 2J" {
		t.Errorf("clean = %q", got)
	}
	if got := cell("a|b<script>`c`\n"); got != "a\\|b&lt;script&gt;\\`c\\` " {
		t.Errorf("cell = %q", got)
	}
}

func TestFreed(t *testing.T) {
	for _, tt := range []struct {
		certainly, atMost int64
		want              string
	}{{0, 0, "0 B"}, {5e6, 5e6, "5.0 MB"}, {0, 5e6, "≤ 5.0 MB"}, {2e6, 5e6, "2.0 MB to 5.0 MB"}} {
		if got := freed(tt.certainly, tt.atMost); got != tt.want {
			t.Errorf("freed(%d, %d) = %s, want %s", tt.certainly, tt.atMost, got, tt.want)
		}
	}
}
