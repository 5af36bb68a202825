// Registry is distribution's server with the one storage driver and the one way to log in that the local registry uses:
// those for the stores of three clouds are most of what there would be to compile. The tests have it take tokens, too, as
// NVCR does: 0.3 MB, instead of a second server.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/distribution/distribution/v3/registry"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	_ "github.com/distribution/distribution/v3/registry/auth/token"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
	"github.com/spf13/cobra"
	"golang.org/x/crypto/bcrypt"
)

func main() {
	registry.RootCmd.AddCommand(&cobra.Command{
		Use:   "htpasswd user",
		Short: "Read a password and print its line for the registry's file of logins",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, arguments []string) error {
			return printLogin(arguments[0], os.Stdin, os.Stdout)
		},
	})
	if err := registry.RootCmd.Execute(); err != nil {
		os.Exit(1)
	}
}

// printLogin hashes cheaply: the registry does it again for each request, and a random password is not guessed.
func printLogin(user string, password io.Reader, out io.Writer) error {
	text, err := io.ReadAll(password)
	if err != nil {
		return err
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(strings.TrimSpace(string(text))), bcrypt.MinCost)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s:%s\n", user, hash)
	return err
}
