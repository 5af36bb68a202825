// SPDX-License-Identifier: Apache-2.0

// Package inventory keeps instances in memory and gives each an address.
package inventory

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/nvidia/carbide-rest-api/api/pkg/model"
	"github.com/nvidia/carbide-rest-api/ipam/pkg/prefix"
)

// ErrUnknown means that no instance has the ID.
var ErrUnknown = errors.New("unknown instance")

// Inventory is a list of instances. It is safe for concurrent use.
type Inventory struct {
	addresses *prefix.Pool

	mu        sync.Mutex
	instances []model.Instance
}

// New returns an empty inventory whose instances get addresses from the pool.
func New(addresses *prefix.Pool) *Inventory {
	return &Inventory{addresses: addresses, instances: []model.Instance{}}
}

// List returns the instances, oldest first.
func (i *Inventory) List() []model.Instance {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.instances)
}

// Create adds a pending instance.
func (i *Inventory) Create(name string) (model.Instance, error) {
	address, err := i.addresses.AllocateAddress()
	if err != nil {
		return model.Instance{}, err
	}
	instance, err := model.NewInstance(name, address.Addr())
	if err != nil {
		return model.Instance{}, errors.Join(err, i.addresses.Release(address))
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.instances = append(i.instances, instance)
	return instance, nil
}

// Advance moves an instance to its next state.
func (i *Inventory) Advance(id uuid.UUID) (model.Instance, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	at := slices.IndexFunc(i.instances, func(one model.Instance) bool { return one.ID == id })
	if at < 0 {
		return model.Instance{}, fmt.Errorf("%w: %s", ErrUnknown, id)
	}
	advanced, err := i.instances[at].Advanced()
	i.instances[at] = advanced
	return advanced, err
}
