import (
	"crypto/ed25519"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// publicKeys: the one in use, during a rotation both; header: request.Header.Get
func isGenuine(publicKeys []string, body []byte, header func(string) string) bool {
	sentAt := header("webhook-timestamp")
	seconds, err := strconv.ParseInt(sentAt, 10, 64)
	if err != nil || time.Since(time.Unix(seconds, 0)).Abs() > 5*time.Minute {
		return false
	}
	signed := append([]byte(header("webhook-id")+"."+sentAt+"."), body...)
	for _, given := range strings.Fields(header("webhook-signature")) {
		signature, isAsymmetric := strings.CutPrefix(given, "v1a,")
		for _, publicKey := range publicKeys {
			if isAsymmetric && isSigned(publicKey, signature, signed) {
				return true
			}
		}
	}
	return false
}

func isSigned(publicKey, signature string, signed []byte) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(publicKey, "whpk_"))
	raw, wrong := base64.StdEncoding.DecodeString(signature)
	return err == nil && wrong == nil && len(key) == ed25519.PublicKeySize && ed25519.Verify(key, signed, raw)
}
