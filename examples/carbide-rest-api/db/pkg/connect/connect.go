// SPDX-License-Identifier: Apache-2.0

// Package connect opens a connection to the database, waiting until there is one to open.
package connect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/nvidia/carbide-rest-api/common/pkg/dbconfig"
)

const (
	attemptTimeout = 5 * time.Second
	pause          = 500 * time.Millisecond
	refusedLogin   = "28" // SQLSTATE class: invalid authorization
)

// Once makes one attempt.
func Once(ctx context.Context, config dbconfig.Config) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, config.ConnectionString())
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", config, err)
	}
	return conn, nil
}

// Wait makes attempts until one succeeds, the database refuses the login, the span is over, or the context ends.
func Wait(ctx context.Context, config dbconfig.Config, span time.Duration) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, span, fmt.Errorf("no connection within %s", span))
	defer cancel()
	for waiting := false; ; waiting = true {
		conn, err := Once(ctx, config)
		if err == nil || isRefusedLogin(err) {
			return conn, err
		}
		if !waiting {
			slog.Info("waiting for the database", "at_most", span.String(), "reason", err.Error())
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-time.After(pause):
		}
	}
}

func isRefusedLogin(err error) bool {
	var answer *pgconn.PgError
	return errors.As(err, &answer) && strings.HasPrefix(answer.Code, refusedLogin)
}
