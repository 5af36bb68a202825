// SPDX-License-Identifier: Apache-2.0

// Package client calls the API from other services.
package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/nvidia/carbide-rest-api/api/pkg/model"
)

const (
	requestTimeout = 10 * time.Second
	largestError   = 1 << 10 // bytes of an error's body that are worth a log line
)

// Client calls one API.
type Client struct {
	base string
	http *http.Client
}

// New returns a client of the API at base, such as http://carbide-rest-api:8388.
func New(base string) *Client {
	return &Client{base: strings.TrimSuffix(base, "/"), http: &http.Client{Timeout: requestTimeout}}
}

// Instances lists all instances, oldest first.
func (c *Client) Instances(ctx context.Context) ([]model.Instance, error) {
	var instances []model.Instance
	err := c.call(ctx, http.MethodGet, "/v1/instances", &instances)
	return instances, err
}

// Advance moves an instance to its next state.
func (c *Client) Advance(ctx context.Context, id uuid.UUID) (model.Instance, error) {
	var instance model.Instance
	err := c.call(ctx, http.MethodPost, "/v1/instances/"+id.String()+"/advance", &instance)
	return instance, err
}

func (c *Client) call(ctx context.Context, method, path string, answer any) error {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, nil)
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(response.Body, largestError))
		return fmt.Errorf("%s %s: %s: %s", method, request.URL, response.Status, strings.TrimSpace(string(body)))
	}
	return json.NewDecoder(response.Body).Decode(answer)
}
