// SPDX-License-Identifier: Apache-2.0

// Command migrations is carbide-rest-db: it brings the database to the newest schema and ends.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/nvidia/carbide-rest-api/common/pkg/dbconfig"
	"github.com/nvidia/carbide-rest-api/common/pkg/program"
	"github.com/nvidia/carbide-rest-api/common/pkg/setting"
	"github.com/nvidia/carbide-rest-api/db/pkg/connect"
	"github.com/nvidia/carbide-rest-api/db/pkg/migrate"
	"github.com/nvidia/carbide-rest-api/db/pkg/schema"
)

func main() {
	program.Program{
		Name:    "carbide-rest-db",
		Summary: "migrates the database of DB_HOST, DB_PORT, DB_NAME, waiting for it up to DB_WAIT; healthy means that it answers.",
		Run:     run,
		Health:  checkDatabase,
	}.Main()
}

func run(ctx context.Context) error {
	config, err := dbconfig.FromEnv()
	if err != nil {
		return err
	}
	span, err := setting.Duration("DB_WAIT", 30*time.Second)
	if err != nil {
		return err
	}
	migrations, err := schema.Migrations()
	if err != nil {
		return err
	}
	conn, err := connect.Wait(ctx, config, span)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))

	applied, err := migrate.Apply(ctx, conn, migrations)
	for _, migration := range applied {
		slog.Info("applied", "migration", migration.String())
	}
	if err != nil {
		return fmt.Errorf("database %s: %w", config, err)
	}
	slog.Info("schema is current", "database", config.String(), "migrations", len(migrations))
	return nil
}

func checkDatabase(ctx context.Context) error {
	config, err := dbconfig.FromEnv()
	if err != nil {
		return err
	}
	conn, err := connect.Once(ctx, config)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return conn.Ping(ctx)
}
