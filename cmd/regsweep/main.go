// Command regsweep deletes the container images that nobody needs, and never
// one that somebody does.
package main

import (
	"os"
	"runtime/debug"

	"github.com/regsweep/regsweep/internal/cli"
)

func main() {
	// Little of what is allocated lives for long, so that to collect it at half
	// the usual growth costs a few percent of time and saves a third of the memory.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
	os.Exit(cli.Main(cli.OS()))
}
