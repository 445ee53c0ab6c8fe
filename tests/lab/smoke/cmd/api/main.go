// Command trenova-api is the smoke application: a stand-in with the deployment
// contract of Trenova v0.7.2. "serve" starts it; without a word it prints help
// and exits 0.
package main

import (
	"log"
	"os"

	"github.com/spf13/cobra"

	"trenova.selfhost/smoke/internal/app"
)

func main() {
	root := &cobra.Command{
		Use:   "trenova",
		Short: "The smoke application, a stand-in for Trenova in tests",
	}
	root.AddCommand(&cobra.Command{
		Use:   "serve",
		Short: "Start the API server",
		RunE:  func(*cobra.Command, []string) error { return app.Serve() },
	})
	if err := root.Execute(); err != nil {
		log.Printf("Error: %v\n", err)
		os.Exit(1)
	}
}
