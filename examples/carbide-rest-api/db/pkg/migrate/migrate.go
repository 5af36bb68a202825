// SPDX-License-Identifier: Apache-2.0

// Package migrate applies migrations to a database, each once.
package migrate

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/nvidia/carbide-rest-api/db/pkg/schema"
)

// lock is the advisory lock that migrating processes take, so that they take turns.
const lock = 0x63617262696465 // "carbide"

const createRecord = `
create table if not exists schema_migrations (
    version    integer primary key,
    name       text not null,
    applied_at timestamptz not null default now()
)`

// Apply applies the migrations that the database does not have yet, each in a transaction of
// its own, and returns those.
func Apply(ctx context.Context, conn *pgx.Conn, migrations []schema.Migration) (applied []schema.Migration, err error) {
	if _, err := conn.Exec(ctx, "select pg_advisory_lock($1)", lock); err != nil {
		return nil, fmt.Errorf("advisory lock: %w", err)
	}
	defer func() { err = errors.Join(err, unlock(context.WithoutCancel(ctx), conn)) }()

	current, err := currentVersion(ctx, conn)
	if err != nil {
		return nil, err
	}
	for _, migration := range migrations {
		if migration.Version <= current {
			continue
		}
		if err := applyOne(ctx, conn, migration); err != nil {
			return applied, fmt.Errorf("migration %s: %w", migration, err)
		}
		applied = append(applied, migration)
	}
	return applied, nil
}

// unlock does nothing on a closed connection: closing it released the lock.
func unlock(ctx context.Context, conn *pgx.Conn) error {
	if conn.IsClosed() {
		return nil
	}
	_, err := conn.Exec(ctx, "select pg_advisory_unlock($1)", lock)
	return err
}

func currentVersion(ctx context.Context, conn *pgx.Conn) (version int, err error) {
	if _, err := conn.Exec(ctx, createRecord); err != nil {
		return 0, fmt.Errorf("table schema_migrations: %w", err)
	}
	err = conn.QueryRow(ctx, "select coalesce(max(version), 0) from schema_migrations").Scan(&version)
	return version, err
}

func applyOne(ctx context.Context, conn *pgx.Conn, migration schema.Migration) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, migration.SQL); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "insert into schema_migrations (version, name) values ($1, $2)", migration.Version, migration.Name)
		return err
	})
}
