// SPDX-License-Identifier: Apache-2.0

package reporter

import (
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/nvidia/carbide-rest-api/site-agent/pkg/host"
	"github.com/nvidia/carbide-rest-api/site-manager/pkg/report"
)

func TestReportsReachAServerWithAMountedCertificate(t *testing.T) {
	var got report.Report
	manager := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
	}))
	defer manager.Close()

	if err := New(manager.URL, []*x509.Certificate{manager.Certificate()}).send(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got.Version != "dev" || got.Machine != host.Machine || got.Kernel == "" {
		t.Errorf("%+v", got)
	}
	if err := New(manager.URL, nil).send(t.Context()); err == nil {
		t.Error("an unknown certificate is trusted")
	}
}

func TestARefusedReportIsAnError(t *testing.T) {
	manager := httptest.NewServer(http.NotFoundHandler())
	defer manager.Close()
	if err := New(manager.URL, nil).send(t.Context()); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("error = %v", err)
	}
}
