// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/nvidia/carbide-rest-api/api/pkg/model"
)

// memory keeps instances; those named "stuck" cannot be advanced.
type memory []model.Instance

func (m memory) Instances(context.Context) ([]model.Instance, error) {
	return slices.Clone(m), nil
}

func (m memory) Advance(_ context.Context, id uuid.UUID) (advanced model.Instance, err error) {
	at := slices.IndexFunc(m, func(one model.Instance) bool { return one.ID == id })
	if m[at].Name == "stuck" {
		return m[at], errors.New("stuck")
	}
	m[at], err = m[at].Advanced()
	return m[at], err
}

func TestStepsLeadToReady(t *testing.T) {
	kept := memory{
		{ID: uuid.New(), Name: "stuck", State: model.Pending},
		{ID: uuid.New(), Name: "new", State: model.Pending},
		{ID: uuid.New(), Name: "old", State: model.Ready},
	}
	for _, want := range []model.State{model.Provisioning, model.Ready, model.Ready} {
		Step(t.Context(), kept)
		if kept[0].State != model.Pending || kept[1].State != want || kept[2].State != model.Ready {
			t.Errorf("%+v, want the second to be %s", kept, want)
		}
	}
}
