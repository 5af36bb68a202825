// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/nvidia/carbide-rest-api/api/pkg/client"
	"github.com/nvidia/carbide-rest-api/api/pkg/inventory"
	"github.com/nvidia/carbide-rest-api/api/pkg/model"
	"github.com/nvidia/carbide-rest-api/ipam/pkg/prefix"
)

// serve starts an API that has two addresses to give.
func serve(t *testing.T, readiness error) *httptest.Server {
	t.Helper()
	pool, err := prefix.NewPool(netip.MustParsePrefix("10.0.0.0/31"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(New(inventory.New(pool), func(context.Context) error { return readiness }))
	t.Cleanup(server.Close)
	return server
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	response, err := http.Get(url)
	return read(t, response, err)
}

func create(t *testing.T, server *httptest.Server, body string) (int, string) {
	t.Helper()
	response, err := http.Post(server.URL+"/v1/instances", "application/json", strings.NewReader(body))
	return read(t, response, err)
}

func read(t *testing.T, response *http.Response, err error) (int, string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestCreate(t *testing.T) {
	server := serve(t, nil)
	for _, step := range []struct {
		body   string
		status int
		answer string
	}{
		{`{"name": ""}`, http.StatusBadRequest, "needs a name"},
		{`{"name": `, http.StatusBadRequest, "request body"},
		{`{"name": "blue"}`, http.StatusCreated, `"address":"10.0.0.0","state":"pending"`},
		{`{"name": "green"}`, http.StatusCreated, `"address":"10.0.0.1","state":"pending"`},
		{`{"name": "red"}`, http.StatusConflict, "exhausted"},
	} {
		if status, answer := create(t, server, step.body); status != step.status || !strings.Contains(answer, step.answer) {
			t.Errorf("%s: %d %s", step.body, status, answer)
		}
	}
}

func TestClientSeesInstancesAdvance(t *testing.T) {
	server := serve(t, nil)
	create(t, server, `{"name": "blue"}`)
	api := client.New(server.URL + "/")

	instances, err := api.Instances(t.Context())
	if err != nil || len(instances) != 1 || instances[0].Name != "blue" {
		t.Fatalf("%+v, %v", instances, err)
	}
	for _, want := range []model.State{model.Provisioning, model.Ready} {
		if instance, err := api.Advance(t.Context(), instances[0].ID); err != nil || instance.State != want {
			t.Errorf("%+v, %v; want %s", instance, err, want)
		}
	}
	if _, err := api.Advance(t.Context(), instances[0].ID); err == nil || !strings.Contains(err.Error(), "409") {
		t.Errorf("ready: error = %v", err)
	}
	if _, err := api.Advance(t.Context(), uuid.New()); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("unknown: error = %v", err)
	}
}

func TestReadiness(t *testing.T) {
	if status, _ := get(t, serve(t, nil).URL+"/readyz"); status != http.StatusOK {
		t.Errorf("ready: %d", status)
	}
	status, answer := get(t, serve(t, errors.New("no database")).URL+"/readyz")
	if status != http.StatusServiceUnavailable || !strings.Contains(answer, "no database") {
		t.Errorf("not ready: %d %s", status, answer)
	}
}

func TestDescription(t *testing.T) {
	if status, answer := get(t, serve(t, nil).URL+"/openapi.yaml"); status != http.StatusOK || !strings.Contains(answer, "openapi: 3") {
		t.Errorf("%d %s", status, answer)
	}
}
