package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/regsweep/regsweep/internal/config/strict"
	"github.com/regsweep/regsweep/internal/policy"
)

// Hash returns "sha256:" and the digest of the effective configuration: with
// the defaults and the values from the environment in it, independent of
// comments, formatting and the order of fields.
func (c *Config) Hash() string {
	sum := sha256.Sum256(c.Canonical())
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Canonical returns the effective configuration as JSON with sorted keys. It has
// the values from the environment in it, so it is not for showing.
func (c *Config) Canonical() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(strict.Canonical(c, canonicalForm)); err != nil {
		// Texts, finite numbers, lists and maps with text keys can always be
		// encoded.
		panic("config: " + err.Error())
	}
	return b.Bytes()
}

// canonicalForm writes the types that do not follow from their fields.
func canonicalForm(v any) (any, bool) {
	switch v := v.(type) {
	case Registry:
		return map[string]any{"name": v.Name, v.Kind: strict.Canonical(v.Config, canonicalForm)}, true
	case Source:
		m := map[string]any{"name": v.Name, v.Kind: strict.Canonical(v.Config, canonicalForm)}
		if len(v.Covers) > 0 {
			m["covers"] = v.Covers
		}
		if v.AtLeast > 0 {
			m["atLeast"] = v.AtLeast
		}
		return m, true
	case Usage:
		if v.None {
			return "none", true
		}
		return strict.Canonical(v.Sources, canonicalForm), true
	case policy.Age:
		if v.RepositoryTag == "" {
			return strict.FormatDuration(v.Fixed), true
		}
		m := map[string]any{"repositoryTag": v.RepositoryTag, "unit": strict.FormatDuration(v.Unit)}
		if v.HasDefault {
			m["default"] = strict.FormatDuration(v.Default)
		}
		return m, true
	}
	return nil, false
}
