// Command testsummary reads the events of "go test -json" on its standard input
// and prints what a person wants of them: a line for each package, the output
// of what failed, why tests were skipped, and a last line with the counts.
//
//	go test -json ./... | go run ./scripts/testsummary
//
// It exits with 1 when a test or a build failed, when no test ran, and, where
// the environment says CI=true, when a test was skipped.
package main

import (
	"fmt"
	"os"
)

func main() {
	s := newSummary(os.Stdout)
	if err := s.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "testsummary:", err)
		os.Exit(1)
	}
	if !s.finish(os.Getenv("CI") == "true") {
		os.Exit(1)
	}
}
