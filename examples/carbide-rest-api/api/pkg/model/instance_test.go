// SPDX-License-Identifier: Apache-2.0

package model

import (
	"errors"
	"net/netip"
	"testing"
)

func TestAnInstanceAdvancesUntilItIsReady(t *testing.T) {
	instance, err := NewInstance("blue", netip.MustParseAddr("10.0.0.1"))
	if err != nil || instance.State != Pending {
		t.Fatalf("%+v, %v", instance, err)
	}
	for _, want := range []State{Provisioning, Ready} {
		if instance, err = instance.Advanced(); err != nil || instance.State != want {
			t.Errorf("%s, %v; want %s", instance.State, err, want)
		}
	}
	if _, err = instance.Advanced(); !errors.Is(err, ErrFinal) {
		t.Errorf("error = %v", err)
	}
}

func TestAnInstanceNeedsAName(t *testing.T) {
	if _, err := NewInstance("", netip.Addr{}); !errors.Is(err, ErrName) {
		t.Errorf("error = %v", err)
	}
}
