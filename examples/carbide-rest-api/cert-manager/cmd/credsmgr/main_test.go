// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/time/rate"

	"github.com/nvidia/carbide-rest-api/cert-manager/pkg/authority"
)

func TestRoutes(t *testing.T) {
	signer, err := authority.New()
	if err != nil {
		t.Fatal(err)
	}
	handler := routes(signer, rate.NewLimiter(0, 2))
	for _, step := range []struct {
		method, path, body string
		status             int
		answer             string
	}{
		{http.MethodGet, "/v1/authority", "", http.StatusOK, "BEGIN CERTIFICATE"},
		{http.MethodPost, "/v1/certificates", `{"name": "api"}`, http.StatusCreated, `"privateKey":"-----BEGIN`},
		{http.MethodPost, "/v1/certificates", `{"name": ""}`, http.StatusBadRequest, "needs a DNS name"},
		{http.MethodPost, "/v1/certificates", `{"name": "api"}`, http.StatusTooManyRequests, "too many"},
	} {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequest(step.method, step.path, strings.NewReader(step.body)))
		if recorder.Code != step.status || !strings.Contains(recorder.Body.String(), step.answer) {
			t.Errorf("%s %s %s: %d %s", step.method, step.path, step.body, recorder.Code, recorder.Body)
		}
	}
}
