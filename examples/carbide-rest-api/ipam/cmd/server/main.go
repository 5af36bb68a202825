// SPDX-License-Identifier: Apache-2.0

// Command server is carbide-rest-ipam: it allocates IP prefixes from a pool in memory.
package main

import (
	"context"
	"errors"
	"net/http"
	"net/netip"

	"github.com/nvidia/carbide-rest-api/common/pkg/jsonbody"
	"github.com/nvidia/carbide-rest-api/common/pkg/program"
	"github.com/nvidia/carbide-rest-api/common/pkg/server"
	"github.com/nvidia/carbide-rest-api/common/pkg/setting"
	"github.com/nvidia/carbide-rest-api/ipam/pkg/prefix"
)

const port = 9090

func main() {
	program.Program{
		Name:    "carbide-rest-ipam",
		Summary: "allocates IP prefixes from IPAM_POOL.",
		Run:     run,
		Health:  server.Health(port),
	}.Main()
}

func run(ctx context.Context) error {
	parent, err := setting.Prefix("IPAM_POOL", "10.180.0.0/16")
	if err != nil {
		return err
	}
	pool, err := prefix.NewPool(parent)
	if err != nil {
		return err
	}
	return server.Run(ctx, port, routes(pool))
}

func routes(pool *prefix.Pool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/prefixes", func(w http.ResponseWriter, _ *http.Request) {
		jsonbody.Write(w, http.StatusOK, pool.Allocated())
	})
	mux.HandleFunc("POST /v1/prefixes", func(w http.ResponseWriter, r *http.Request) {
		allocate(w, r, pool)
	})
	mux.HandleFunc("DELETE /v1/prefixes/{address}/{bits}", func(w http.ResponseWriter, r *http.Request) {
		release(w, r, pool)
	})
	return mux
}

func allocate(w http.ResponseWriter, r *http.Request, pool *prefix.Pool) {
	var wanted struct {
		Bits int `json:"bits"`
	}
	if err := jsonbody.Read(w, r, &wanted); err != nil {
		jsonbody.WriteError(w, http.StatusBadRequest, err)
		return
	}
	allocated, err := pool.Allocate(wanted.Bits)
	switch {
	case errors.Is(err, prefix.ErrLength):
		jsonbody.WriteError(w, http.StatusBadRequest, err)
	case err != nil:
		jsonbody.WriteError(w, http.StatusConflict, err)
	default:
		jsonbody.Write(w, http.StatusCreated, map[string]netip.Prefix{"prefix": allocated})
	}
}

func release(w http.ResponseWriter, r *http.Request, pool *prefix.Pool) {
	allocated, err := netip.ParsePrefix(r.PathValue("address") + "/" + r.PathValue("bits"))
	if err != nil {
		jsonbody.WriteError(w, http.StatusBadRequest, err)
		return
	}
	if err := pool.Release(allocated); err != nil {
		jsonbody.WriteError(w, http.StatusNotFound, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
