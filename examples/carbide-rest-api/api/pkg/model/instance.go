// SPDX-License-Identifier: Apache-2.0

// Package model holds what the API is about: machines rented as instances.
package model

import (
	"errors"
	"net/netip"

	"github.com/google/uuid"
)

// State is a step in the life of an instance.
type State string

// The states, in the order in which an instance goes through them.
const (
	Pending      State = "pending"
	Provisioning State = "provisioning"
	Ready        State = "ready"
)

var (
	// ErrName means that an instance has no name.
	ErrName = errors.New("an instance needs a name")
	// ErrFinal means that an instance has reached its last state.
	ErrFinal = errors.New("the instance is ready")
)

// Instance is one machine in use.
type Instance struct {
	ID      uuid.UUID  `json:"id"`
	Name    string     `json:"name"`
	Address netip.Addr `json:"address"`
	State   State      `json:"state"`
}

// NewInstance returns a pending instance. Later instances have greater IDs.
func NewInstance(name string, address netip.Addr) (Instance, error) {
	if name == "" {
		return Instance{}, ErrName
	}
	id, err := uuid.NewV7()
	return Instance{ID: id, Name: name, Address: address, State: Pending}, err
}

// Advanced returns the instance in its next state.
func (i Instance) Advanced() (Instance, error) {
	switch i.State {
	case Pending:
		i.State = Provisioning
	case Provisioning:
		i.State = Ready
	default:
		return i, ErrFinal
	}
	return i, nil
}
