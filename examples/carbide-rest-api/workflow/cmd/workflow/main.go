// SPDX-License-Identifier: Apache-2.0

// Command workflow is carbide-rest-workflow: it moves the API's instances towards ready.
package main

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nvidia/carbide-rest-api/api/pkg/client"
	"github.com/nvidia/carbide-rest-api/cert-manager/pkg/mounted"
	"github.com/nvidia/carbide-rest-api/common/pkg/periodic"
	"github.com/nvidia/carbide-rest-api/common/pkg/program"
	"github.com/nvidia/carbide-rest-api/common/pkg/server"
	"github.com/nvidia/carbide-rest-api/common/pkg/setting"
	"github.com/nvidia/carbide-rest-api/workflow/pkg/worker"
)

const port = 8899

func main() {
	program.Program{
		Name:    "carbide-rest-workflow",
		Summary: "advances the instances of the API at WORKFLOW_API_URL every WORKFLOW_INTERVAL.",
		Run:     run,
		Health:  server.Health(port),
	}.Main()
}

func run(ctx context.Context) error {
	interval, err := setting.Duration("WORKFLOW_INTERVAL", 10*time.Second)
	if err != nil {
		return err
	}
	certificates, err := mounted.Read(mounted.Folder())
	if err != nil {
		return err
	}
	mounted.Log(certificates)

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return server.Run(ctx, port, http.NotFoundHandler()) })
	group.Go(func() error { work(ctx, interval); return nil })
	return group.Wait()
}

func work(ctx context.Context, interval time.Duration) {
	url := setting.Text("WORKFLOW_API_URL", "")
	if url == "" {
		slog.Info("no WORKFLOW_API_URL, so there is nothing to advance")
		return
	}
	api := client.New(url)
	periodic.Run(ctx, interval, func(ctx context.Context) { worker.Step(ctx, api) })
}
