// SPDX-License-Identifier: Apache-2.0

// Package version holds the version that all seven binaries report.
package version

// Version is set by the linker:
//
//	-ldflags "-X github.com/nvidia/carbide-rest-api/common/pkg/version.Version=1.4.0"
var Version = "dev"
