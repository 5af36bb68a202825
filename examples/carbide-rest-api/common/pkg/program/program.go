// SPDX-License-Identifier: Apache-2.0

// Package program gives the seven binaries one command line: run, health, --version, --help.
package program

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/nvidia/carbide-rest-api/common/pkg/version"
)

// Exit codes of every binary.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

const healthTimeout = 3 * time.Second

// Program is one binary.
type Program struct {
	Name    string // image name, such as carbide-rest-api
	Summary string // one sentence for --help

	// Run does the work until it is done or the context ends.
	Run func(ctx context.Context) error
	// Health says why the running program is not healthy, or nil.
	Health func(ctx context.Context) error
}

// Main runs the program with the process's arguments and exits. SIGTERM and SIGINT end the
// context that Run receives; a second signal ends the process at once.
func (p Program) Main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(ctx, stop)
	os.Exit(p.execute(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func (p Program) execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet(p.Name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	showVersion := flags.Bool("version", false, "")
	err := flags.Parse(args)
	command := flags.Arg(0)

	switch {
	case errors.Is(err, flag.ErrHelp):
		p.printUsage(stdout)
		return exitOK
	case err != nil:
		return p.reject(stderr, err.Error())
	case flags.NArg() > 1:
		return p.reject(stderr, fmt.Sprintf("unexpected argument %q", flags.Arg(1)))
	case command != "" && command != "health":
		return p.reject(stderr, fmt.Sprintf("unknown argument %q", command))
	case *showVersion:
		fmt.Fprintln(stdout, p.Name, version.Version)
		return exitOK
	case command == "health":
		return p.checkHealth(ctx, stdout, stderr)
	default:
		return p.run(ctx, stderr)
	}
}

func (p Program) run(ctx context.Context, stderr io.Writer) int {
	logger := slog.New(slog.NewJSONHandler(stderr, nil))
	slog.SetDefault(logger.With("service", p.Name, "version", version.Version, "built", version.BuildTime))
	if err := p.Run(ctx); err != nil {
		slog.Error("failed", "error", err.Error())
		return exitFailed
	}
	slog.Info("stopped")
	return exitOK
}

func (p Program) checkHealth(ctx context.Context, stdout, stderr io.Writer) int {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	if err := p.Health(ctx); err != nil {
		fmt.Fprintf(stderr, "%s: unhealthy: %v\n", p.Name, err)
		return exitFailed
	}
	fmt.Fprintln(stdout, "healthy")
	return exitOK
}

func (p Program) reject(stderr io.Writer, complaint string) int {
	fmt.Fprintf(stderr, "%s: %s; see --help\n", p.Name, complaint)
	return exitUsage
}

func (p Program) printUsage(stdout io.Writer) {
	fmt.Fprintf(stdout, `%s: %s

  (no argument)  run until the work is done, or until SIGTERM or SIGINT
  health         exit 0 if the program is healthy, 1 if not
  --version      print name and version
  --help         print this text
`, p.Name, p.Summary)
}
