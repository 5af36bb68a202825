// SPDX-License-Identifier: Apache-2.0

package mounted

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nvidia/carbide-rest-api/cert-manager/pkg/authority"
)

func write(t *testing.T, folder, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRead(t *testing.T) {
	ca, err := authority.New()
	if err != nil {
		t.Fatal(err)
	}
	issued, err := ca.Issue("temporal")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	write(t, folder, "tls.crt", issued.Certificate+issued.Authority)
	write(t, folder, "tls.key", issued.PrivateKey)
	write(t, folder, "both.pem", issued.PrivateKey+issued.Certificate)

	certificates, err := Read(folder)
	if err != nil || len(certificates) != 3 || certificates[0].Subject.CommonName != "temporal" {
		t.Errorf("%d certificates, %v", len(certificates), err)
	}
}

func TestNothingMounted(t *testing.T) {
	if certificates, err := Read(filepath.Join(t.TempDir(), "absent")); len(certificates) != 0 || err != nil {
		t.Errorf("%d certificates, %v", len(certificates), err)
	}
}

func TestABrokenCertificateIsNamed(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	if _, err := Read(folder); err == nil {
		t.Error("no error")
	}
}
