// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"
)

// start serves handler on a free port; the returned channel gives serve's result.
func start(ctx context.Context, t *testing.T, handler http.Handler) (int, <-chan error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() { result <- serve(ctx, listener, handler) }()
	return listener.Addr().(*net.TCPAddr).Port, result
}

func url(port int, path string) string {
	return "http://127.0.0.1:" + strconv.Itoa(port) + path
}

func TestHealthzNamesStatusAndVersion(t *testing.T) {
	recorder := httptest.NewRecorder()
	withHealth(http.NotFoundHandler()).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/healthz", nil))

	var body map[string]string
	if err := json.Unmarshal(recorder.Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	if recorder.Code != http.StatusOK || body["status"] != "ok" || body["version"] != "dev" {
		t.Errorf("%d %v", recorder.Code, body)
	}
}

func TestRequestsInFlightAreAnswered(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	arrived, proceed := make(chan bool), make(chan bool)
	port, result := start(ctx, t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		arrived <- true
		<-proceed
		io.WriteString(w, "done")
	}))

	answer := make(chan string, 1)
	go func() {
		response, err := http.Get(url(port, "/slow"))
		if err != nil {
			answer <- err.Error()
			return
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		answer <- string(body)
	}()

	<-arrived
	cancel()
	waitUntilRefused(t, port)
	close(proceed)
	if got := <-answer; got != "done" {
		t.Errorf("answer = %q", got)
	}
	if err := <-result; err != nil {
		t.Errorf("serve = %v", err)
	}
}

func waitUntilRefused(t *testing.T, port int) {
	t.Helper()
	for range 200 {
		connection, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			return
		}
		connection.Close()
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the server still takes connections")
}

func TestHealth(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	port, result := start(ctx, t, http.NotFoundHandler())
	t.Setenv("PORT", strconv.Itoa(port))

	if err := Health(1)(t.Context()); err != nil {
		t.Errorf("running: %v", err)
	}
	cancel()
	<-result
	if err := Health(1)(t.Context()); err == nil {
		t.Error("stopped: no error")
	}
}

func TestHealthOfAFailingServer(t *testing.T) {
	failing := httptest.NewServer(http.NotFoundHandler())
	defer failing.Close()
	t.Setenv("PORT", strconv.Itoa(failing.Listener.Addr().(*net.TCPAddr).Port))
	if err := Health(1)(t.Context()); err == nil {
		t.Error("a 404 counts as healthy")
	}
}

func TestRunRefusesABadPort(t *testing.T) {
	t.Setenv("PORT", "http")
	if err := Run(t.Context(), 8080, http.NotFoundHandler()); err == nil {
		t.Error("no error")
	}
}
