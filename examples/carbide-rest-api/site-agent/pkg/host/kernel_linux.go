// SPDX-License-Identifier: Apache-2.0

package host

import (
	"os"
	"strings"
)

// Kernel returns the kernel's release, such as 6.12.0.
func Kernel() (string, error) {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	return strings.TrimSpace(string(release)), err
}
