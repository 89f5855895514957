package webhook

import (
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCheckPublic(t *testing.T) {
	for _, address := range []string{
		"127.0.0.1:443", "[::1]:443", "0.0.0.0:443", "[::]:443", "0.1.2.3:80",
		"10.1.2.3:443", "172.16.0.1:443", "172.31.255.255:443", "192.168.1.1:443", "100.100.100.200:80",
		"169.254.169.254:80", "[fe80::1%eth0]:443", "[fd00:ec2::254]:80", "[fc00::1]:443", "[fec0::1]:443",
		"[::ffff:127.0.0.1]:443", "[::ffff:10.0.0.1]:443", "[::ffff:169.254.169.254]:80", "[::127.0.0.1]:443", "[::ffff:100.64.0.1]:443",
		"[64:ff9b::a9fe:a9fe]:80", "[2002:a00:1::1]:443", "[2001:0:a00:1::]:443", "[2001:db8::1]:443",
		"224.0.0.1:443", "255.255.255.255:443", "240.0.0.1:443", "[ff02::1]:443", "198.18.0.1:443", "nonsense", "",
	} {
		assert.Error(t, checkPublic(address), address)
	}
	for _, address := range []string{
		"1.1.1.1:443", "93.184.216.34:8443", "172.32.0.1:443", "100.128.0.1:443", "[2606:4700::1111]:443", "[::ffff:8.8.8.8]:443",
	} {
		assert.NoError(t, checkPublic(address), address)
	}
}

// TestDefaultTransport does not reach a server of this machine, by whatever name.
func TestDefaultTransport(t *testing.T) {
	server := httptest.NewServer(nil)
	defer server.Close()
	notifier := newNotifier(t, Config{AllowHTTP: true}, Endpoint{URL: server.URL, Secrets: []string{NewSecret()}})
	err := notifier.NotifyEnded(t.Context(), endedJob())
	assert.ErrorIs(t, err, errNotPublic)
	assert.NotContains(t, err.Error(), server.URL)
}
