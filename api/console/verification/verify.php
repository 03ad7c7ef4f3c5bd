// $secrets: the one in use, during a rotation both; $headers: array_change_key_case(getallheaders())
function is_genuine(array $secrets, string $body, array $headers): bool
{
    foreach ($secrets as $secret) {
        if (is_signed($secret, $body, $headers)) {
            return true;
        }
    }
    return false;
}

function is_signed(string $secret, string $body, array $headers): bool
{
    if (!str_starts_with($secret, 'whsec_')) {
        return hash_equals(hash_hmac('sha256', $body, $secret), $headers['x-kakiyo-signature'] ?? '');
    }
    $id = $headers['webhook-id'] ?? '';
    $sentAt = $headers['webhook-timestamp'] ?? '';
    if (!ctype_digit($sentAt) || abs(time() - (int) $sentAt) > 300) {
        return false;
    }
    $key = base64_decode(substr($secret, strlen('whsec_')));
    $expected = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$sentAt.$body", $key, true));
    foreach (explode(' ', $headers['webhook-signature'] ?? '') as $given) {
        if (hash_equals($expected, $given)) {
            return true;
        }
    }
    return false;
}
