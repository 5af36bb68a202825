// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/nvidia/carbide-rest-api/ipam/pkg/prefix"
)

func TestRoutes(t *testing.T) {
	pool, err := prefix.NewPool(netip.MustParsePrefix("10.0.0.0/24"))
	if err != nil {
		t.Fatal(err)
	}
	handler := routes(pool)
	for _, step := range []struct {
		method, path, body string
		status             int
		answer             string
	}{
		{http.MethodGet, "/v1/prefixes", "", http.StatusOK, "[]"},
		{http.MethodPost, "/v1/prefixes", `{"bits": 24}`, http.StatusCreated, `{"prefix":"10.0.0.0/24"}`},
		{http.MethodPost, "/v1/prefixes", `{"bits": 30}`, http.StatusConflict, "exhausted"},
		{http.MethodPost, "/v1/prefixes", `{"bits": 8}`, http.StatusBadRequest, "out of range"},
		{http.MethodPost, "/v1/prefixes", `{"size": 8}`, http.StatusBadRequest, "unknown field"},
		{http.MethodGet, "/v1/prefixes", "", http.StatusOK, `["10.0.0.0/24"]`},
		{http.MethodDelete, "/v1/prefixes/10.0.0.0/24", "", http.StatusNoContent, ""},
		{http.MethodDelete, "/v1/prefixes/10.0.0.0/24", "", http.StatusNotFound, "not allocated"},
		{http.MethodDelete, "/v1/prefixes/ten/24", "", http.StatusBadRequest, "ten/24"},
	} {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequest(step.method, step.path, strings.NewReader(step.body)))
		if recorder.Code != step.status || !strings.Contains(recorder.Body.String(), step.answer) {
			t.Errorf("%s %s %s: %d %s", step.method, step.path, step.body, recorder.Code, recorder.Body)
		}
	}
}
