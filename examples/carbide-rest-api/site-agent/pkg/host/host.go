// SPDX-License-Identifier: Apache-2.0

// Package host describes the machine that the agent runs on.
package host

// Machine is the hardware name, as uname -m gives it on Linux.
const Machine = machine
