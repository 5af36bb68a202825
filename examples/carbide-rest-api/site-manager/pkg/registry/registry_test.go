// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nvidia/carbide-rest-api/site-manager/pkg/report"
)

func load(t *testing.T, content string) (*Registry, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sites.yaml")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(file)
}

func TestSitesOfAFileAreListedByName(t *testing.T) {
	registry, err := load(t, "sites: [{name: west, location: Oregon}, {name: east}]")
	if err != nil {
		t.Fatal(err)
	}
	sites := registry.List()
	if len(sites) != 2 || sites[0].Name != "east" || sites[1].Location != "Oregon" {
		t.Errorf("%+v", sites)
	}
}

func TestBadFiles(t *testing.T) {
	for _, content := range []string{"sites: [{nme: west}]", "sites: [{location: Oregon}]", "sites: [{name: a}, {name: a}]", "["} {
		if _, err := load(t, content); err == nil {
			t.Errorf("%s: no error", content)
		}
	}
}

func TestRecord(t *testing.T) {
	registry, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if err := registry.Record("west", report.Report{}, now); !errors.Is(err, ErrUnknown) {
		t.Errorf("error = %v", err)
	}
	if err := registry.Add("west", ""); err != nil {
		t.Fatal(err)
	}
	if err := registry.Record("west", report.Report{Version: "1.4.0"}, now); err != nil {
		t.Fatal(err)
	}
	if site := registry.List()[0]; site.Report.Version != "1.4.0" || !site.ReportedAt.Equal(now) {
		t.Errorf("%+v", site)
	}
}
