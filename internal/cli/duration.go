package cli

import (
	"time"

	"github.com/regsweep/regsweep/internal/config/strict"
)

// duration is a flag in the form of the durations of the configuration.
type duration time.Duration

// Set implements pflag.Value.
func (d *duration) Set(text string) error {
	parsed, err := strict.ParseDuration(text)
	*d = duration(parsed)
	return err
}

// String implements pflag.Value.
func (d *duration) String() string {
	if *d == 0 {
		return ""
	}
	return strict.FormatDuration(time.Duration(*d))
}

// Type implements pflag.Value.
func (d *duration) Type() string { return "duration" }
