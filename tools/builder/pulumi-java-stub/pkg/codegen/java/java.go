// Package java stands in for Pulumi's Java generator: the provider links it, yet never generates Java.
package java

// PackageInfo has the fields that the provider's schema sets.
type PackageInfo struct {
	BuildFiles                      string
	GradleNexusPublishPluginVersion string
	Dependencies                    map[string]string
}
