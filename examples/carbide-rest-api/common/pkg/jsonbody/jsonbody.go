// SPDX-License-Identifier: Apache-2.0

// Package jsonbody reads and writes JSON bodies of HTTP requests and responses.
package jsonbody

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
)

const largestRequest = 1 << 20 // bytes

// Read fills value from the request. A field that value does not have is an error.
func Read(w http.ResponseWriter, r *http.Request, value any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, largestRequest))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(value); err != nil {
		return fmt.Errorf("request body: %w", err)
	}
	return nil
}

// Write answers with the status and value.
func Write(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(value); err != nil {
		slog.Warn("response not written", "error", err.Error())
	}
}

// WriteError answers with the status and {"error": "…"}.
func WriteError(w http.ResponseWriter, status int, err error) {
	Write(w, status, map[string]string{"error": err.Error()})
}
