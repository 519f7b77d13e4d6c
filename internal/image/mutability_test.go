package image

import "testing"

func TestMovable(t *testing.T) {
	for _, tt := range []struct {
		name      string
		immutable bool
		except    []string
		tag       string
		want      bool
	}{
		{"mutable", false, nil, "production", true},
		{"immutable", true, nil, "production", false},
		{"immutable but for it", true, []string{"dev", "production"}, "production", true},
		{"immutable but for others", true, []string{"dev", "prod"}, "production", false},
		{"mutable but for it", false, []string{"prod*"}, "production", false},
		{"mutable but for others", false, []string{"dev*"}, "production", true},
		{"everything", true, []string{"*"}, "production", true},
		{"at the end", true, []string{"*tion"}, "production", true},
		{"the end is longer than the tag", true, []string{"*-production"}, "production", false},
		{"in the middle", true, []string{"p*duct*n"}, "production", true},
		{"in the other order", true, []string{"*tion*prod*"}, "production", false},
		{"what is matched twice counts once", true, []string{"production*n"}, "production", false},
		{"several", true, []string{"**"}, "production", true},
		{"other characters are themselves", true, []string{"produc.ion", "produ?tion"}, "production", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := (Mutability{tt.immutable, tt.except}).Movable(tt.tag); got != tt.want {
				t.Errorf("Movable = %t, want %t", got, tt.want)
			}
		})
	}
}
