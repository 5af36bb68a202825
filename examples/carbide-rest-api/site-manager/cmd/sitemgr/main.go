// SPDX-License-Identifier: Apache-2.0

// Command sitemgr is carbide-rest-site-manager: it knows the sites and takes their agents' reports.
package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/nvidia/carbide-rest-api/common/pkg/jsonbody"
	"github.com/nvidia/carbide-rest-api/common/pkg/program"
	"github.com/nvidia/carbide-rest-api/common/pkg/server"
	"github.com/nvidia/carbide-rest-api/common/pkg/setting"
	"github.com/nvidia/carbide-rest-api/site-manager/pkg/registry"
	"github.com/nvidia/carbide-rest-api/site-manager/pkg/report"
)

const port = 8100

func main() {
	program.Program{
		Name:    "carbide-rest-site-manager",
		Summary: "keeps sites, at first those of the YAML file SITES_FILE, and their reports.",
		Run:     run,
		Health:  server.Health(port),
	}.Main()
}

func run(ctx context.Context) error {
	sites, err := registry.Load(setting.Text("SITES_FILE", ""))
	if err != nil {
		return err
	}
	return server.Run(ctx, port, routes(sites))
}

func routes(sites *registry.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/sites", func(w http.ResponseWriter, _ *http.Request) {
		jsonbody.Write(w, http.StatusOK, sites.List())
	})
	mux.HandleFunc("POST /v1/sites", func(w http.ResponseWriter, r *http.Request) {
		add(w, r, sites)
	})
	mux.HandleFunc("POST /v1/sites/{name}/reports", func(w http.ResponseWriter, r *http.Request) {
		record(w, r, sites)
	})
	return mux
}

func add(w http.ResponseWriter, r *http.Request, sites *registry.Registry) {
	var wanted struct {
		Name     string `json:"name"`
		Location string `json:"location"`
	}
	if err := jsonbody.Read(w, r, &wanted); err != nil {
		jsonbody.WriteError(w, http.StatusBadRequest, err)
		return
	}
	err := sites.Add(wanted.Name, wanted.Location)
	switch {
	case errors.Is(err, registry.ErrExists):
		jsonbody.WriteError(w, http.StatusConflict, err)
	case err != nil:
		jsonbody.WriteError(w, http.StatusBadRequest, err)
	default:
		jsonbody.Write(w, http.StatusCreated, wanted)
	}
}

func record(w http.ResponseWriter, r *http.Request, sites *registry.Registry) {
	var reported report.Report
	if err := jsonbody.Read(w, r, &reported); err != nil {
		jsonbody.WriteError(w, http.StatusBadRequest, err)
		return
	}
	if err := sites.Record(r.PathValue("name"), reported, time.Now()); err != nil {
		jsonbody.WriteError(w, http.StatusNotFound, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
