// SPDX-License-Identifier: Apache-2.0

// Package rest answers the API's HTTP requests.
package rest

import (
	"context"
	"errors"
	"net/http"

	"github.com/google/uuid"

	"github.com/nvidia/carbide-rest-api/api/pkg/inventory"
	"github.com/nvidia/carbide-rest-api/api/pkg/model"
	"github.com/nvidia/carbide-rest-api/api/pkg/openapi"
	"github.com/nvidia/carbide-rest-api/common/pkg/jsonbody"
)

type api struct {
	inventory *inventory.Inventory
	ready     func(context.Context) error
}

// New returns the API's routes. ready says why the API cannot do its work, or nil.
func New(instances *inventory.Inventory, ready func(context.Context) error) http.Handler {
	a := api{inventory: instances, ready: ready}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /openapi.yaml", a.describe)
	mux.HandleFunc("GET /readyz", a.reportReadiness)
	mux.HandleFunc("GET /v1/instances", a.list)
	mux.HandleFunc("POST /v1/instances", a.create)
	mux.HandleFunc("POST /v1/instances/{id}/advance", a.advance)
	return mux
}

func (a api) describe(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	w.Write(openapi.Document)
}

func (a api) reportReadiness(w http.ResponseWriter, r *http.Request) {
	if err := a.ready(r.Context()); err != nil {
		jsonbody.WriteError(w, http.StatusServiceUnavailable, err)
		return
	}
	jsonbody.Write(w, http.StatusOK, map[string]string{"status": "ready"})
}

func (a api) list(w http.ResponseWriter, _ *http.Request) {
	jsonbody.Write(w, http.StatusOK, a.inventory.List())
}

func (a api) create(w http.ResponseWriter, r *http.Request) {
	var wanted struct {
		Name string `json:"name"`
	}
	if err := jsonbody.Read(w, r, &wanted); err != nil {
		jsonbody.WriteError(w, http.StatusBadRequest, err)
		return
	}
	instance, err := a.inventory.Create(wanted.Name)
	answer(w, http.StatusCreated, instance, err)
}

func (a api) advance(w http.ResponseWriter, r *http.Request) {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		jsonbody.WriteError(w, http.StatusBadRequest, err)
		return
	}
	instance, err := a.inventory.Advance(id)
	answer(w, http.StatusOK, instance, err)
}

func answer(w http.ResponseWriter, status int, instance model.Instance, err error) {
	switch {
	case err == nil:
		jsonbody.Write(w, status, instance)
	case errors.Is(err, model.ErrName):
		jsonbody.WriteError(w, http.StatusBadRequest, err)
	case errors.Is(err, inventory.ErrUnknown):
		jsonbody.WriteError(w, http.StatusNotFound, err)
	default:
		jsonbody.WriteError(w, http.StatusConflict, err)
	}
}
