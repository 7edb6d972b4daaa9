//! The signature of Standard Webhooks: `v1,` and the HMAC-SHA256 of `id.timestamp.body` in Base64.

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use secrecy::{ExposeSecret, SecretString};

/// What a secret begins with.
const PREFIX: &str = "whsec_";

/// The value of `webhook-signature`: one signature for each secret, a blank between them.
///
/// # Errors
/// A secret is not Base64.
pub(super) fn signatures<'a>(
    secrets: impl Iterator<Item = &'a SecretString>,
    id: &str,
    seconds: &str,
    body: &str,
) -> Result<String, ErrorStack> {
    let text = format!("{id}.{seconds}.{body}");
    let signed: Result<Vec<String>, _> = secrets.map(|secret| sign(secret, &text)).collect();
    Ok(signed?.join(" "))
}

fn sign(secret: &SecretString, text: &str) -> Result<String, ErrorStack> {
    let secret = secret.expose_secret();
    let key = openssl::base64::decode_block(secret.trim_start_matches(PREFIX))?;
    let key = PKey::hmac(&key)?;
    let mut signer = Signer::new(MessageDigest::sha256(), &key)?;
    let code = signer.sign_oneshot_to_vec(text.as_bytes())?;
    Ok(format!("v1,{}", openssl::base64::encode_block(&code)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification (the section on verifying, and the test of its libraries).
    #[test]
    fn the_example_of_the_specification() {
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        let body = r#"{"test": 2432232314}"#;
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signed = signatures([&secret, &secret].into_iter(), id, "1614265330", body).unwrap();
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signed, format!("{expected} {expected}"));
    }
}
