//! Standard Webhooks: secrets, and the signature of a call.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac::{self, HMAC_SHA256};

use crate::random::{self, NoRandomNumbers};
use crate::secret::Secret;

/// What a written secret begins with.
const PREFIX: &str = "whsec_";

/// A secret that both sides know: 24 to 64 bytes, written as `whsec_` and their base64.
#[derive(Clone)]
pub struct SigningSecret {
    written: Secret,
    key: Vec<u8>,
}

impl SigningSecret {
    /// Reads a written secret; `None` if it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<SigningSecret> {
        let bytes = STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
        (24..=64).contains(&bytes.len()).then(|| SigningSecret {
            written: Secret::new(text),
            key: bytes,
        })
    }

    /// A random secret.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn random() -> Result<SigningSecret, NoRandomNumbers> {
        let bytes: [u8; 32] = random::bytes()?;
        Ok(SigningSecret {
            written: Secret::new(format!("{PREFIX}{}", STANDARD.encode(bytes))),
            key: bytes.to_vec(),
        })
    }

    /// As the receiver enters it.
    #[must_use]
    pub fn written(&self) -> &Secret {
        &self.written
    }

    /// The signature of a call with this `webhook-id` and `webhook-timestamp` (Unix seconds), as `v1,…`.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let signed = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
        format!("v1,{}", hmac_base64(&self.key, &signed))
    }
}

/// HMAC-SHA256 in base64.
#[must_use]
pub fn hmac_base64(key: &[u8], message: &[u8]) -> String {
    STANDARD.encode(hmac::sign(&hmac::Key::new(HMAC_SHA256, key), message))
}

impl PartialEq for SigningSecret {
    fn eq(&self, other: &SigningSecret) -> bool {
        self.written == other.written
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_one_of_the_specification() {
        // The example of the specification's reference libraries.
        let secret = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signature = secret.expect("a secret").sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_random_secret_is_read_again_and_never_shown() {
        let secret = SigningSecret::random().expect("random numbers");
        assert_eq!(
            SigningSecret::parse(secret.written().expose()),
            Some(secret.clone())
        );
        assert_eq!(format!("{secret:?}"), "***");
        for text in [
            "",
            "whsec_",
            "whsec_c2hvcnQ=",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        ] {
            assert_eq!(SigningSecret::parse(text), None, "{text}");
        }
    }
}
