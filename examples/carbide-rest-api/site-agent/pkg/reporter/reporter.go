// SPDX-License-Identifier: Apache-2.0

// Package reporter sends reports about this machine to the site manager.
package reporter

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/nvidia/carbide-rest-api/common/pkg/version"
	"github.com/nvidia/carbide-rest-api/site-agent/pkg/host"
	"github.com/nvidia/carbide-rest-api/site-manager/pkg/report"
)

const requestTimeout = 10 * time.Second

// Reporter sends reports to one URL.
type Reporter struct {
	url    string
	client *http.Client
}

// New returns a reporter that trusts the certificates besides those that the machine trusts.
func New(url string, trusted []*x509.Certificate) *Reporter {
	roots, err := x509.SystemCertPool()
	if err != nil {
		slog.Warn("the machine's own certificates are not trusted", "error", err.Error())
		roots = x509.NewCertPool()
	}
	for _, one := range trusted {
		roots.AddCert(one)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return &Reporter{url: url, client: &http.Client{Transport: transport, Timeout: requestTimeout}}
}

// Send sends one report. A failure is logged: the next report makes up for it.
func (r *Reporter) Send(ctx context.Context) {
	if err := r.send(ctx); err != nil {
		slog.Warn("not reported", "error", err.Error())
		return
	}
	slog.Info("reported", "url", r.url)
}

func (r *Reporter) send(ctx context.Context) error {
	kernel, err := host.Kernel()
	if err != nil {
		return err
	}
	body, err := json.Marshal(report.Report{Version: version.Version, Kernel: kernel, Machine: host.Machine})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := r.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s answered %s", r.url, response.Status)
	}
	return nil
}
