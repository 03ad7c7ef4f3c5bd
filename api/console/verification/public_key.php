// $publicKeys: the one in use, during a rotation both; $headers: array_change_key_case(getallheaders())
function is_genuine(array $publicKeys, string $body, array $headers): bool
{
    $id = $headers['webhook-id'] ?? '';
    $sentAt = $headers['webhook-timestamp'] ?? '';
    if (!ctype_digit($sentAt) || abs(time() - (int) $sentAt) > 300) {
        return false;
    }
    foreach (explode(' ', $headers['webhook-signature'] ?? '') as $given) {
        foreach ($publicKeys as $publicKey) {
            if (str_starts_with($given, 'v1a,') && is_signed($publicKey, substr($given, 4), "$id.$sentAt.$body")) {
                return true;
            }
        }
    }
    return false;
}

function is_signed(string $publicKey, string $signature, string $signed): bool
{
    $raw = base64_decode($signature);
    $key = base64_decode(substr($publicKey, strlen('whpk_')));
    return strlen($raw) === SODIUM_CRYPTO_SIGN_BYTES && sodium_crypto_sign_verify_detached($raw, $signed, $key);
}
