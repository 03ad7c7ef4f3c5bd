import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// secrets: the one in use, during a rotation both; header: request.Header.Get
func isGenuine(secrets []string, body []byte, header func(string) string) bool {
	for _, secret := range secrets {
		if isSigned(secret, body, header) {
			return true
		}
	}
	return false
}

func isSigned(secret string, body []byte, header func(string) string) bool {
	encoded, isStandard := strings.CutPrefix(secret, "whsec_")
	if !isStandard {
		expected := hex.EncodeToString(authenticate([]byte(secret), body))
		return hmac.Equal([]byte(expected), []byte(header("X-Kakiyo-Signature")))
	}
	sentAt := header("webhook-timestamp")
	seconds, err := strconv.ParseInt(sentAt, 10, 64)
	if err != nil || time.Since(time.Unix(seconds, 0)).Abs() > 5*time.Minute {
		return false
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return false
	}
	signed := append([]byte(header("webhook-id")+"."+sentAt+"."), body...)
	expected := "v1," + base64.StdEncoding.EncodeToString(authenticate(key, signed))
	for _, given := range strings.Fields(header("webhook-signature")) {
		if hmac.Equal([]byte(expected), []byte(given)) {
			return true
		}
	}
	return false
}

func authenticate(key, message []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(message)
	return mac.Sum(nil)
}
