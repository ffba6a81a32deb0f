package client

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/credentials"
)

func TestTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	f := newFakeClusterWith(t, 1, credentials.NewServerTLSFromCert(&tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}))

	c := connect(t, f, func(c *Config) { c.TLS = &tls.Config{RootCAs: roots} })
	_, err = c.Put(within(t, patience), []byte("k"), nil)
	require.NoError(t, err)

	plain := connect(t, f, sessionless)
	_, err = plain.Put(within(t, 100*time.Millisecond), []byte("k"), nil)
	require.ErrorIs(t, err, ErrRefused, "a server that wants TLS gets no operation in plain text")
}
