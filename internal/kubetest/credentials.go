package kubetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// credentials is what a server and its administrator identify themselves with.
// It is made anew for each server and never leaves its folder.
type credentials struct {
	certPEM    []byte // the server's certificate, its own authority
	adminToken string
}

// Names of the credential files in a server's folder.
const (
	certFile   = "tls.crt"
	keyFile    = "tls.key"
	saKeyFile  = "service-account.key"
	tokensFile = "tokens.csv"
)

// writeCredentials makes a certificate, keys and a token and writes them to
// dir.
func writeCredentials(dir string) (credentials, error) {
	certPEM, keyPEM, err := selfSigned()
	if err != nil {
		return credentials{}, fmt.Errorf("make server certificate: %w", err)
	}
	_, saPEM, err := newKey()
	if err != nil {
		return credentials{}, fmt.Errorf("make service account key: %w", err)
	}
	token := rand.Text()
	files := map[string][]byte{
		certFile:   certPEM,
		keyFile:    keyPEM,
		saKeyFile:  saPEM,
		tokensFile: []byte(token + `,admin,admin,"system:masters"` + "\n"),
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return credentials{}, fmt.Errorf("write credentials: %w", err)
		}
	}
	return credentials{certPEM: certPEM, adminToken: token}, nil
}

// selfSigned returns a certificate for the loopback address that is its own
// authority, and its key.
func selfSigned() (certPEM, keyPEM []byte, err error) {
	key, keyPEM, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "kubetest"},
		// Fixed dates: the certificate must be valid under any clock.
		NotBefore:             time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:              time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), keyPEM, nil
}

// newKey returns a fresh key and its PEM form.
func newKey() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}
