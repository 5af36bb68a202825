// SPDX-License-Identifier: Apache-2.0

package host

import "testing"

func TestTheHostIsDescribed(t *testing.T) {
	if kernel, err := Kernel(); kernel == "" || err != nil {
		t.Errorf("Kernel = %q, %v", kernel, err)
	}
	if Machine == "" {
		t.Error("Machine is empty")
	}
}
