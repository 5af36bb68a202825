// SPDX-License-Identifier: Apache-2.0

// Command credsmgr is carbide-rest-cert-manager: it signs short-lived certificates.
package main

import (
	"context"
	"errors"
	"io"
	"net/http"

	"golang.org/x/time/rate"

	"github.com/nvidia/carbide-rest-api/cert-manager/pkg/authority"
	"github.com/nvidia/carbide-rest-api/cert-manager/pkg/mounted"
	"github.com/nvidia/carbide-rest-api/common/pkg/jsonbody"
	"github.com/nvidia/carbide-rest-api/common/pkg/program"
	"github.com/nvidia/carbide-rest-api/common/pkg/server"
)

const (
	port            = 8080
	issuedPerSecond = 10
	issuedAtOnce    = 20
)

var errTooMany = errors.New("too many certificates at once; try again in a second")

func main() {
	program.Program{
		Name:    "carbide-rest-cert-manager",
		Summary: "signs certificates that last an hour, by an authority that lasts a day.",
		Run:     run,
		Health:  server.Health(port),
	}.Main()
}

func run(ctx context.Context) error {
	certificates, err := mounted.Read(mounted.Folder())
	if err != nil {
		return err
	}
	mounted.Log(certificates)
	signer, err := authority.New()
	if err != nil {
		return err
	}
	return server.Run(ctx, port, routes(signer, rate.NewLimiter(issuedPerSecond, issuedAtOnce)))
}

func routes(signer *authority.Authority, limit *rate.Limiter) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/authority", func(w http.ResponseWriter, _ *http.Request) {
		show(w, signer)
	})
	mux.HandleFunc("POST /v1/certificates", func(w http.ResponseWriter, r *http.Request) {
		if !limit.Allow() {
			jsonbody.WriteError(w, http.StatusTooManyRequests, errTooMany)
			return
		}
		issue(w, r, signer)
	})
	return mux
}

func show(w http.ResponseWriter, signer *authority.Authority) {
	certificate, err := signer.Certificate()
	if err != nil {
		jsonbody.WriteError(w, http.StatusInternalServerError, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-pem-file")
	io.WriteString(w, certificate)
}

func issue(w http.ResponseWriter, r *http.Request, signer *authority.Authority) {
	var wanted struct {
		Name string `json:"name"`
	}
	if err := jsonbody.Read(w, r, &wanted); err != nil {
		jsonbody.WriteError(w, http.StatusBadRequest, err)
		return
	}
	issued, err := signer.Issue(wanted.Name)
	switch {
	case errors.Is(err, authority.ErrName):
		jsonbody.WriteError(w, http.StatusBadRequest, err)
	case err != nil:
		jsonbody.WriteError(w, http.StatusInternalServerError, err)
	default:
		jsonbody.Write(w, http.StatusCreated, issued)
	}
}
