// SPDX-License-Identifier: Apache-2.0

// Package report is what a site agent tells the site manager.
package report

// Report describes the machine that an agent runs on.
type Report struct {
	Version string `json:"version"` // of the agent
	Kernel  string `json:"kernel"`  // release, such as 6.12.0
	Machine string `json:"machine"` // hardware name, such as aarch64
}
