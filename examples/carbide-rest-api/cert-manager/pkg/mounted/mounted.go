// SPDX-License-Identifier: Apache-2.0

// Package mounted reads the certificates that a deployment mounts into a container.
package mounted

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/nvidia/carbide-rest-api/common/pkg/setting"
)

var extensions = []string{".crt", ".pem"}

// Folder is where the certificates are mounted: CERTS_DIR, or else /var/secrets/temporal/certs.
func Folder() string {
	return setting.Text("CERTS_DIR", "/var/secrets/temporal/certs")
}

// Read returns all certificates of the folder's .crt and .pem files; none if there is no such folder.
func Read(folder string) ([]*x509.Certificate, error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var certificates []*x509.Certificate
	for _, entry := range entries {
		if entry.IsDir() || !slices.Contains(extensions, filepath.Ext(entry.Name())) {
			continue
		}
		found, err := readFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			return nil, err
		}
		certificates = append(certificates, found...)
	}
	return certificates, nil
}

// Log writes one line for each certificate.
func Log(certificates []*x509.Certificate) {
	for _, one := range certificates {
		slog.Info("certificate mounted", "subject", one.Subject.String(), "expires", one.NotAfter.Format(time.RFC3339))
	}
}

func readFile(file string) ([]*x509.Certificate, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var certificates []*x509.Certificate
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		one, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		certificates = append(certificates, one)
	}
	return certificates, nil
}
