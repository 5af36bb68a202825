// SPDX-License-Identifier: Apache-2.0

// Command elektra is carbide-site-agent: it reports from a site to the site manager.
package main

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nvidia/carbide-rest-api/cert-manager/pkg/mounted"
	"github.com/nvidia/carbide-rest-api/common/pkg/periodic"
	"github.com/nvidia/carbide-rest-api/common/pkg/program"
	"github.com/nvidia/carbide-rest-api/common/pkg/server"
	"github.com/nvidia/carbide-rest-api/common/pkg/setting"
	"github.com/nvidia/carbide-rest-api/site-agent/pkg/reporter"
)

const port = 8080

func main() {
	program.Program{
		Name:    "carbide-site-agent",
		Summary: "reports to REPORT_URL (…/v1/sites/<site>/reports) every REPORT_INTERVAL.",
		Run:     run,
		Health:  server.Health(port),
	}.Main()
}

func run(ctx context.Context) error {
	interval, err := setting.Duration("REPORT_INTERVAL", time.Minute)
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
	group.Go(func() error { report(ctx, interval, certificates); return nil })
	return group.Wait()
}

func report(ctx context.Context, interval time.Duration, trusted []*x509.Certificate) {
	url := setting.Text("REPORT_URL", "")
	if url == "" {
		slog.Info("no REPORT_URL, so there is nowhere to report to")
		return
	}
	periodic.Run(ctx, interval, reporter.New(url, trusted).Send)
}
