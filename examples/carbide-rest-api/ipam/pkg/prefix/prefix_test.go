// SPDX-License-Identifier: Apache-2.0

package prefix

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
	"testing"
)

func newPool(t *testing.T, parent string) *Pool {
	t.Helper()
	pool, err := NewPool(netip.MustParsePrefix(parent))
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

func allocate(t *testing.T, pool *Pool, bits int) netip.Prefix {
	t.Helper()
	allocated, err := pool.Allocate(bits)
	if err != nil {
		t.Fatal(err)
	}
	return allocated
}

func TestAllocateDoesNotOverlapAndEnds(t *testing.T) {
	pool := newPool(t, "10.0.0.0/24")
	for _, want := range []string{"10.0.0.0/26", "10.0.0.64/26", "10.0.0.128/25"} {
		wanted := netip.MustParsePrefix(want)
		if got := allocate(t, pool, wanted.Bits()); got != wanted {
			t.Errorf("got %s, want %s", got, wanted)
		}
	}
	if _, err := pool.Allocate(32); !errors.Is(err, ErrExhausted) {
		t.Errorf("error = %v", err)
	}
}

func TestReleasedPrefixesJoinAgain(t *testing.T) {
	pool := newPool(t, "fd00::/64")
	low, high := allocate(t, pool, 65), allocate(t, pool, 65)
	for _, half := range []netip.Prefix{high, low} {
		if err := pool.Release(half); err != nil {
			t.Fatal(err)
		}
	}
	if got := allocate(t, pool, 64); got.String() != "fd00::/64" {
		t.Errorf("got %s", got)
	}
}

func TestReleaseOfWhatWasNotHandedOut(t *testing.T) {
	pool := newPool(t, "10.0.0.0/24")
	allocate(t, pool, 25)
	for _, other := range []string{"10.0.0.0/26", "10.0.0.128/25", "192.0.2.0/24"} {
		if err := pool.Release(netip.MustParsePrefix(other)); !errors.Is(err, ErrNotAllocated) {
			t.Errorf("%s: error = %v", other, err)
		}
	}
}

func TestLengthOutOfRange(t *testing.T) {
	pool := newPool(t, "10.0.0.0/24")
	for _, bits := range []int{-1, 0, 23, 33} {
		if _, err := pool.Allocate(bits); !errors.Is(err, ErrLength) {
			t.Errorf("/%d: error = %v", bits, err)
		}
	}
}

func TestConcurrentAllocationsDiffer(t *testing.T) {
	pool := newPool(t, "10.0.0.0/24")
	var group sync.WaitGroup
	for range 64 {
		group.Go(func() {
			if _, err := pool.Allocate(30); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	got := pool.Allocated()
	if len(got) != 64 || !slices.IsSortedFunc(got, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) }) {
		t.Errorf("%d allocated: %v", len(got), got)
	}
}
