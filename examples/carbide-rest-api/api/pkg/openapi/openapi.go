// SPDX-License-Identifier: Apache-2.0

// Package openapi holds the API's description.
package openapi

import _ "embed"

// Document is the description as OpenAPI 3.1 in YAML.
//
//go:embed openapi.yaml
var Document []byte
