// SPDX-License-Identifier: Apache-2.0

package host

const machine = "x86_64"
