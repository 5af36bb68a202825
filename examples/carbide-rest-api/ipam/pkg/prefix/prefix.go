// SPDX-License-Identifier: Apache-2.0

// Package prefix hands out parts of an IP prefix and takes them back.
package prefix

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"

	"go4.org/netipx"
)

var (
	// ErrLength means that no prefix of this pool can have the length asked for.
	ErrLength = errors.New("prefix length out of range")
	// ErrExhausted means that no free part is large enough.
	ErrExhausted = errors.New("pool exhausted")
	// ErrNotAllocated means that the prefix was not handed out.
	ErrNotAllocated = errors.New("prefix not allocated")
)

// Pool is one IP prefix, parts of which are handed out. It is safe for concurrent use.
type Pool struct {
	parent netip.Prefix

	mu        sync.Mutex
	free      *netipx.IPSet
	allocated map[netip.Prefix]bool
}

// NewPool returns a pool of which everything is free.
func NewPool(parent netip.Prefix) (*Pool, error) {
	free, err := setOf(nil, parent)
	if err != nil {
		return nil, err
	}
	return &Pool{parent: parent.Masked(), free: free, allocated: map[netip.Prefix]bool{}}, nil
}

// Allocate hands out a free prefix of the given length, from the smallest free part that can hold it.
func (p *Pool) Allocate(bits int) (netip.Prefix, error) {
	if bits < p.parent.Bits() || bits > p.parent.Addr().BitLen() {
		return netip.Prefix{}, fmt.Errorf("%w: /%d in %s", ErrLength, bits, p.parent)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	found, rest, ok := p.free.RemoveFreePrefix(uint8(bits))
	if !ok {
		return netip.Prefix{}, fmt.Errorf("%w: no /%d left in %s", ErrExhausted, bits, p.parent)
	}
	p.free = rest
	p.allocated[found] = true
	return found, nil
}

// AllocateAddress hands out a prefix that is one free address.
func (p *Pool) AllocateAddress() (netip.Prefix, error) {
	return p.Allocate(p.parent.Addr().BitLen())
}

// Release takes back a prefix that Allocate handed out.
func (p *Pool) Release(allocated netip.Prefix) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.allocated[allocated] {
		return fmt.Errorf("%w: %s", ErrNotAllocated, allocated)
	}
	free, err := setOf(p.free, allocated)
	if err != nil {
		return err
	}
	p.free = free
	delete(p.allocated, allocated)
	return nil
}

// Allocated lists what is handed out, in address order.
func (p *Pool) Allocated() []netip.Prefix {
	p.mu.Lock()
	defer p.mu.Unlock()
	allocated := slices.AppendSeq(make([]netip.Prefix, 0, len(p.allocated)), maps.Keys(p.allocated))
	slices.SortFunc(allocated, netipx.ComparePrefix)
	return allocated
}

func setOf(set *netipx.IPSet, added netip.Prefix) (*netipx.IPSet, error) {
	var builder netipx.IPSetBuilder
	if set != nil {
		builder.AddSet(set)
	}
	builder.AddPrefix(added)
	return builder.IPSet()
}
