//! For each line of standard input, one delivery: whether the published package, and ed25519-dalek, verify it.
use base64::{engine::general_purpose::STANDARD, Engine};
use ed25519_dalek::{Signature, VerifyingKey};
use http::HeaderMap;
use std::io::BufRead;

fn main() {
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let parts: Vec<&str> = line.split('\t').collect();
        let mut headers = HeaderMap::new();
        for (name, value) in ["webhook-id", "webhook-timestamp", "webhook-signature"].into_iter().zip(&parts[2..5]) {
            headers.insert(name, value.parse().expect("a header's value"));
        }
        let body = STANDARD.decode(parts[5]).expect("base64");
        let signed = [format!("{}.{}.", parts[2], parts[3]).as_bytes(), &body].concat();
        println!("{} {}", is_symmetric(parts[0], &headers, &body), is_asymmetric(parts[1], parts[4], &signed));
    }
}

fn is_symmetric(secret: &str, headers: &HeaderMap, body: &[u8]) -> bool {
    !secret.is_empty() && standardwebhooks::Webhook::new(secret).is_ok_and(|webhook| webhook.verify(body, headers).is_ok())
}

fn is_asymmetric(public_key: &str, given: &str, signed: &[u8]) -> bool {
    let Some(key) = parsed_key(public_key) else { return false };
    given.split(' ').filter_map(|each| each.strip_prefix("v1a,")).any(|each| {
        let signature = STANDARD.decode(each).ok().and_then(|raw| Signature::from_slice(&raw).ok());
        signature.is_some_and(|signature| key.verify_strict(signed, &signature).is_ok())
    })
}

fn parsed_key(public_key: &str) -> Option<VerifyingKey> {
    let raw = STANDARD.decode(public_key.strip_prefix("whpk_")?).ok()?;
    VerifyingKey::from_bytes(&raw.try_into().ok()?).ok()
}
