// SPDX-License-Identifier: Apache-2.0

// Command api is carbide-rest-api: it keeps instances and answers requests about them.
package main

import (
	"context"

	"github.com/nvidia/carbide-rest-api/api/pkg/inventory"
	"github.com/nvidia/carbide-rest-api/api/pkg/readiness"
	"github.com/nvidia/carbide-rest-api/api/pkg/rest"
	"github.com/nvidia/carbide-rest-api/common/pkg/dbconfig"
	"github.com/nvidia/carbide-rest-api/common/pkg/program"
	"github.com/nvidia/carbide-rest-api/common/pkg/server"
	"github.com/nvidia/carbide-rest-api/common/pkg/setting"
	"github.com/nvidia/carbide-rest-api/ipam/pkg/prefix"
)

const port = 8388

func main() {
	program.Program{
		Name:    "carbide-rest-api",
		Summary: "serves instances over REST; /readyz checks the database if DB_HOST is set.",
		Run:     run,
		Health:  server.Health(port),
	}.Main()
}

func run(ctx context.Context) error {
	parent, err := setting.Prefix("INSTANCE_POOL", "10.20.0.0/16")
	if err != nil {
		return err
	}
	addresses, err := prefix.NewPool(parent)
	if err != nil {
		return err
	}
	if setting.Text("DB_HOST", "") == "" {
		return serve(ctx, addresses, func(context.Context) error { return nil })
	}
	config, err := dbconfig.FromEnv()
	if err != nil {
		return err
	}
	database, err := readiness.Open(ctx, config)
	if err != nil {
		return err
	}
	defer database.Close()
	return serve(ctx, addresses, database.Check)
}

func serve(ctx context.Context, addresses *prefix.Pool, ready func(context.Context) error) error {
	return server.Run(ctx, port, rest.New(inventory.New(addresses), ready))
}
