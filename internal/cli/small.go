package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/regsweep/regsweep/internal/config"
)

func newSchema(w *World) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration, for editors",
		RunE: func(*cobra.Command, []string) error {
			schema, err := config.Schema(w.Kinds)
			if err != nil {
				return err
			}
			_, err = w.Stdout.Write(schema)
			return err
		},
	}
}

func newVersion(w *World) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(w.Stdout, "regsweep %s %s %s/%s\n", Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
