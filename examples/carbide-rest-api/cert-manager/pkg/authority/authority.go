// SPDX-License-Identifier: Apache-2.0

// Package authority is a certificate authority that lives as long as the process.
package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	authorityLifetime   = 24 * time.Hour
	certificateLifetime = time.Hour
	clockSkew           = time.Minute // between this machine and those that check a certificate
)

// ErrName means that the certificate has no name to be for.
var ErrName = errors.New("a certificate needs a DNS name")

// Issued is a certificate with its key and the authority that signed it, in PEM.
type Issued struct {
	Certificate string    `json:"certificate"`
	PrivateKey  string    `json:"privateKey"`
	Authority   string    `json:"authority"`
	Expires     time.Time `json:"expires"`
}

// Authority signs certificates. It is safe for concurrent use.
type Authority struct {
	now func() time.Time

	mu   sync.Mutex
	pair pair
}

type pair struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// New returns an authority with a fresh key.
func New() (*Authority, error) {
	return newAt(time.Now)
}

func newAt(now func() time.Time) (*Authority, error) {
	self, err := newPair(now())
	return &Authority{now: now, pair: self}, err
}

// Certificate returns the authority's own certificate in PEM.
func (a *Authority) Certificate() (string, error) {
	self, err := a.current()
	if err != nil {
		return "", err
	}
	return encode("CERTIFICATE", self.certificate.Raw), nil
}

// Issue signs a new certificate for a DNS name.
func (a *Authority) Issue(name string) (Issued, error) {
	if name == "" {
		return Issued{}, ErrName
	}
	self, err := a.current()
	if err != nil {
		return Issued{}, err
	}
	leaf := template(name, a.now(), certificateLifetime)
	leaf.DNSNames = []string{name}
	leaf.KeyUsage = x509.KeyUsageDigitalSignature
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	issued, err := sign(leaf, self.certificate, self.key)
	if err != nil {
		return Issued{}, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(issued.key)
	if err != nil {
		return Issued{}, err
	}
	return Issued{
		Certificate: encode("CERTIFICATE", issued.certificate.Raw),
		PrivateKey:  encode("PRIVATE KEY", key),
		Authority:   encode("CERTIFICATE", self.certificate.Raw),
		Expires:     issued.certificate.NotAfter,
	}, nil
}

// current replaces the authority's certificate when what it signs would outlive it.
func (a *Authority) current() (pair, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.now().Add(certificateLifetime).Before(a.pair.certificate.NotAfter) {
		return a.pair, nil
	}
	renewed, err := newPair(a.now())
	if err != nil {
		return pair{}, err
	}
	a.pair = renewed
	return renewed, nil
}

func newPair(now time.Time) (pair, error) {
	self := template("carbide-rest-cert-manager", now, authorityLifetime)
	self.IsCA = true
	self.BasicConstraintsValid = true
	self.MaxPathLenZero = true
	self.KeyUsage = x509.KeyUsageCertSign
	return sign(self, nil, nil)
}

func template(name string, now time.Time, lifetime time.Duration) *x509.Certificate {
	return &x509.Certificate{
		Subject:   pkix.Name{CommonName: name},
		NotBefore: now.Add(-clockSkew),
		NotAfter:  now.Add(lifetime),
	}
}

// sign makes a key and its certificate, which signs itself if there is no parent.
func sign(certificate, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair{}, err
	}
	if parent == nil {
		parent, parentKey = certificate, key
	}
	der, err := x509.CreateCertificate(rand.Reader, certificate, parent, &key.PublicKey, parentKey)
	if err != nil {
		return pair{}, fmt.Errorf("certificate for %s: %w", certificate.Subject.CommonName, err)
	}
	signed, err := x509.ParseCertificate(der)
	return pair{certificate: signed, key: key}, err
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
