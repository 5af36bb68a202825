// SPDX-License-Identifier: Apache-2.0

package version

import "testing"

func TestVersionIsDevUnlessLinkedOtherwise(t *testing.T) {
	if Version != "dev" {
		t.Errorf("Version = %q, want %q", Version, "dev")
	}
}
