// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"testing"
	"time"
)

func TestIssuedCertificatesAreTrusted(t *testing.T) {
	authority, err := New()
	if err != nil {
		t.Fatal(err)
	}
	issued, err := authority.Issue("api.carbide.example")
	if err != nil {
		t.Fatal(err)
	}
	both, err := tls.X509KeyPair([]byte(issued.Certificate), []byte(issued.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if own, err := authority.Certificate(); err != nil || own != issued.Authority || !roots.AppendCertsFromPEM([]byte(own)) {
		t.Fatalf("authority %q, %v", own, err)
	}
	if _, err := both.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "api.carbide.example"}); err != nil {
		t.Error(err)
	}
	if left := time.Until(issued.Expires); left > certificateLifetime {
		t.Errorf("expires in %s", left)
	}
}

func TestTheAuthorityOutlivesWhatItSigns(t *testing.T) {
	now := time.Now()
	authority, err := newAt(func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	first, err := authority.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(authorityLifetime - certificateLifetime/2)
	if issued, err := authority.Issue("late"); err != nil || issued.Authority == first {
		t.Errorf("signed by an authority that ends sooner; %v", err)
	}
}

func TestACertificateNeedsAName(t *testing.T) {
	authority, err := New()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := authority.Issue(""); !errors.Is(err, ErrName) {
		t.Errorf("error = %v", err)
	}
}
