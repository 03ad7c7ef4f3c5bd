// For each line of standard input, one delivery: whether the published package, and Go's own ed25519, verify it.
package main

import (
	"bufio"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"strings"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		parts := strings.Split(lines.Text(), "\t")
		header := http.Header{}
		for place, name := range []string{"webhook-id", "webhook-timestamp", "webhook-signature"} {
			header.Set(name, parts[2+place])
		}
		body, err := base64.StdEncoding.DecodeString(parts[5])
		if err != nil {
			panic(err)
		}
		fmt.Println(isSymmetric(parts[0], header, body), isAsymmetric(parts[1], header, body))
	}
}

func isSymmetric(secret string, header http.Header, body []byte) bool {
	webhook, err := standardwebhooks.NewWebhook(secret)
	return err == nil && secret != "" && webhook.Verify(body, header) == nil
}

func isAsymmetric(publicKey string, header http.Header, body []byte) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(publicKey, "whpk_"))
	if err != nil || len(key) != ed25519.PublicKeySize {
		return false
	}
	signed := append([]byte(header.Get("webhook-id")+"."+header.Get("webhook-timestamp")+"."), body...)
	for _, given := range strings.Fields(header.Get("webhook-signature")) {
		encoded, found := strings.CutPrefix(given, "v1a,")
		signature, err := base64.StdEncoding.DecodeString(encoded)
		if found && err == nil && ed25519.Verify(key, signed, signature) {
			return true
		}
	}
	return false
}
