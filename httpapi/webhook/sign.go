package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// Secrets as the specification has them: "Signature scheme".
const (
	secretPrefix = "whsec_"
	minSecret    = 24 // bytes
	maxSecret    = 64
	newSecret    = 32
)

// NewSecret returns a new random secret.
func NewSecret() string {
	key := make([]byte, newSecret)
	_, _ = rand.Read(key) // which never fails
	return secretPrefix + base64.StdEncoding.EncodeToString(key)
}

// sign returns the signatures of a message, one for each secret.
func sign(secrets []string, id string, at int64, body []byte) (string, error) {
	if len(secrets) == 0 || len(secrets) > MaxSecrets {
		return "", fmt.Errorf("webhook: an endpoint has %d secrets; it must have from 1 to %d", len(secrets), MaxSecrets)
	}
	signatures := make([]string, len(secrets))
	for i, secret := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, secretPrefix))
		if err != nil || len(key) < minSecret || len(key) > maxSecret {
			// Without the error, whose text is about the secret.
			return "", errors.New("webhook: a secret is not whsec_ and the base64 of 24 to 64 bytes")
		}
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%d.%s", id, at, body)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return strings.Join(signatures, " "), nil
}
