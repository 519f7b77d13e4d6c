// Command regsweep deletes the container images that nobody needs, and never
// one that somebody does.
package main

import (
	"os"

	"github.com/regsweep/regsweep/internal/cli"
)

func main() {
	os.Exit(cli.Main(cli.OS()))
}
