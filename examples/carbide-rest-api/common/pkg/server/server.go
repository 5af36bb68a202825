// SPDX-License-Identifier: Apache-2.0

// Package server runs an HTTP server that answers /healthz and stops gracefully, and asks one for its health.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/nvidia/carbide-rest-api/common/pkg/jsonbody"
	"github.com/nvidia/carbide-rest-api/common/pkg/setting"
	"github.com/nvidia/carbide-rest-api/common/pkg/version"
)

const (
	portVariable  = "PORT"
	headerTimeout = 5 * time.Second
	idleTimeout   = 2 * time.Minute
	stopTimeout   = 9 * time.Second // container engines kill after 10 s
)

// Run serves /healthz and handler on all interfaces until the context ends and the requests in
// flight are answered. The environment's PORT goes before port.
func Run(ctx context.Context, port int, handler http.Handler) error {
	port, err := setting.Port(portVariable, port)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		return err
	}
	return serve(ctx, listener, handler)
}

// Health returns a check that asks the server on this machine for /healthz.
func Health(port int) func(context.Context) error {
	return func(ctx context.Context) error {
		port, err := setting.Port(portVariable, port)
		if err != nil {
			return err
		}
		return ask(ctx, fmt.Sprintf("http://127.0.0.1:%d/healthz", port))
	}
}

func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           withHealth(handler),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	slog.Info("listening", "address", listener.Addr().String())

	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return stop(context.WithoutCancel(ctx), server)
	}
}

func stop(ctx context.Context, server *http.Server) error {
	slog.Info("stopping", "at_most", stopTimeout.String())
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("requests still in flight after %s: %w", stopTimeout, err), server.Close())
	}
	return nil
}

func withHealth(handler http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		jsonbody.Write(w, http.StatusOK, map[string]string{"status": "ok", "version": version.Version})
	})
	mux.Handle("/", handler)
	return mux
}

func ask(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, response.Status)
	}
	return nil
}
