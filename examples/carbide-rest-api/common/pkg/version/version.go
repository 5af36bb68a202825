// SPDX-License-Identifier: Apache-2.0

// Package version holds what the build tells all seven binaries about themselves.
package version

// Version is set by the linker:
//
//	-ldflags "-X github.com/nvidia/carbide-rest-api/common/pkg/version.Version=1.4.0"
var Version = "dev"

// BuildTime is set by the linker too, in RFC 3339: when VERSION last changed, so that equal sources make equal binaries.
var BuildTime = "unknown"
