package webhook

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSignVector has the message and the signature that the libraries of the
// specification test themselves with.
func TestSignVector(t *testing.T) {
	const (
		id   = "msg_p5jXN8AQM9LWM0D4loKWxJek"
		at   = 1614265330
		body = `{"test": 2432232314}`
		want = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	)
	for _, secret := range []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"} {
		got, err := sign([]string{secret}, id, at, []byte(body))
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	old := NewSecret()
	got, err := sign([]string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", old}, id, at, []byte(body))
	require.NoError(t, err)
	first, second, found := strings.Cut(got, " ")
	assert.True(t, found, "a signature for each secret")
	assert.Equal(t, want, first)
	alone, err := sign([]string{old}, id, at, []byte(body))
	require.NoError(t, err)
	assert.Equal(t, alone, second)
}

func TestSecrets(t *testing.T) {
	assert.NotEqual(t, NewSecret(), NewSecret())
	sized := func(n int) string { return secretPrefix + base64.StdEncoding.EncodeToString(make([]byte, n)) }
	for secret, ok := range map[string]bool{
		NewSecret(): true, sized(24): true, sized(64): true,
		sized(23): false, sized(65): false, "": false, "whsec_": false, "whsec_nonsense!": false,
	} {
		_, err := sign([]string{secret}, "id", 1, nil)
		assert.Equal(t, ok, err == nil, "%q: %v", secret, err)
		if err != nil && secret != "" {
			assert.NotContains(t, err.Error(), strings.TrimPrefix(secret, secretPrefix)+"!", "secrets are not for logs")
		}
	}
	for n, ok := range map[int]bool{0: false, 1: true, MaxSecrets: true, MaxSecrets + 1: false} {
		var secrets []string
		for range n {
			secrets = append(secrets, NewSecret())
		}
		_, err := sign(secrets, "id", 1, nil)
		assert.Equal(t, ok, err == nil, fmt.Sprint(n, " secrets"))
	}
}
