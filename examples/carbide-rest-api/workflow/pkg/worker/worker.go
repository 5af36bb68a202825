// SPDX-License-Identifier: Apache-2.0

// Package worker moves instances towards ready.
package worker

import (
	"context"
	"log/slog"

	"github.com/google/uuid"

	"github.com/nvidia/carbide-rest-api/api/pkg/model"
)

// Instances is where the instances are kept.
type Instances interface {
	Instances(ctx context.Context) ([]model.Instance, error)
	Advance(ctx context.Context, id uuid.UUID) (model.Instance, error)
}

// Step moves every instance that is not ready by one state. What fails is logged and left for the next step.
func Step(ctx context.Context, kept Instances) {
	instances, err := kept.Instances(ctx)
	if err != nil {
		slog.Warn("instances not listed", "error", err.Error())
		return
	}
	for _, instance := range instances {
		if instance.State == model.Ready {
			continue
		}
		advanced, err := kept.Advance(ctx, instance.ID)
		if err != nil {
			slog.Warn("instance not advanced", "id", instance.ID, "error", err.Error())
			continue
		}
		slog.Info("instance advanced", "id", advanced.ID, "state", advanced.State)
	}
}
