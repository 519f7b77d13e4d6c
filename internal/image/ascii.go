package image

// isGraphic reports whether s has only visible ASCII characters. Case
// may be folded only then, since that turns some other letters into ASCII ones.
func isGraphic(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// isAlphanumeric reports whether c is a digit or a lower-case letter.
func isAlphanumeric(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' }

// isHex reports whether s has only digits and a to f.
func isHex(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// isUpper reports whether c is an upper-case letter.
func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }

// isDigits reports whether s has only decimal digits.
func isDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
