// SPDX-License-Identifier: Apache-2.0

// Package readiness says whether the API's database answers.
package readiness

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nvidia/carbide-rest-api/common/pkg/dbconfig"
)

const answerTimeout = 2 * time.Second

// Database is a pool of connections, which are made when they are first needed.
type Database struct {
	config dbconfig.Config
	pool   *pgxpool.Pool
}

// Open returns the database without connecting to it.
func Open(ctx context.Context, config dbconfig.Config) (*Database, error) {
	pool, err := pgxpool.New(ctx, config.ConnectionString())
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", config, err)
	}
	return &Database{config: config, pool: pool}, nil
}

// Check says why the database does not answer, or nil.
func (d *Database) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	if err := d.pool.Ping(ctx); err != nil {
		return fmt.Errorf("database %s: %w", d.config, err)
	}
	return nil
}

// Close closes all connections.
func (d *Database) Close() {
	d.pool.Close()
}
