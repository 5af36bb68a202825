// SPDX-License-Identifier: Apache-2.0

// Package setting reads settings from the environment; an error names the variable and a good value.
package setting

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"time"
)

// Text returns the value of the variable, or fallback if it is unset or empty.
func Text(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}

// Port returns a TCP port.
func Port(name string, fallback int) (int, error) {
	value := Text(name, strconv.Itoa(fallback))
	port, err := strconv.Atoi(value)
	if err != nil || port < 1 || port > 65535 {
		return 0, fmt.Errorf("%s=%q is not a port between 1 and 65535, such as %d", name, value, fallback)
	}
	return port, nil
}

// Duration returns a time span above zero.
func Duration(name string, fallback time.Duration) (time.Duration, error) {
	value := Text(name, fallback.String())
	duration, err := time.ParseDuration(value)
	if err != nil || duration <= 0 {
		return 0, fmt.Errorf("%s=%q is not a duration above zero, such as %s", name, value, fallback)
	}
	return duration, nil
}

// Prefix returns an IP prefix without host bits.
func Prefix(name, fallback string) (netip.Prefix, error) {
	value := Text(name, fallback)
	prefix, err := netip.ParsePrefix(value)
	if err != nil || prefix != prefix.Masked() {
		return netip.Prefix{}, fmt.Errorf("%s=%q is not an IP prefix without host bits, such as %s", name, value, fallback)
	}
	return prefix, nil
}
