// SPDX-License-Identifier: Apache-2.0

package host

import "syscall"

// Kernel returns the kernel's release, such as 24.5.0.
func Kernel() (string, error) {
	return syscall.Sysctl("kern.osrelease")
}
