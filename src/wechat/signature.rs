//! The SHA-1 signatures of callbacks: of a request (Token, timestamp, nonce) and, with the ciphertext as a fourth part,
//! of an encrypted body (`msg_signature`); and of web pages for the JS-SDK.

use sha1_smol::Sha1;
use subtle::ConstantTimeEq;

/// The signature of `parts`: the lower-case hexadecimal SHA-1 of their concatenation, sorted as
/// byte strings.
///
/// The parts are texts and are never compared as numbers: `"1767225600"` sorts before `"99"`.
pub fn sign(parts: &[&str]) -> String {
    hash(parts).hexdigest()
}

fn hash(parts: &[&str]) -> Sha1 {
    let mut sorted = parts.to_vec();
    sorted.sort_unstable();
    let mut hash = Sha1::new();
    for part in sorted {
        hash.update(part.as_bytes());
    }
    hash
}

/// The lower-case hexadecimal SHA-1 of `bytes`: identifies content that the owner chose; proves nothing.
pub fn digest(bytes: &[u8]) -> String {
    Sha1::from(bytes).hexdigest()
}

/// The first 8 bytes of the SHA-1 of `bytes`, as a number: a shorter [`digest`], for when there are many.
pub fn short_digest(bytes: &[u8]) -> i64 {
    let [a, b, c, d, e, f, g, h, ..] = Sha1::from(bytes).digest().bytes();
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// The signature of a web page for the JS-SDK (fact sheet 9). `url` is that of the page, as the browser has it, up to `#`.
pub fn sign_page(jsapi_ticket: &str, noncestr: &str, timestamp: i64, url: &str) -> String {
    let signed =
        format!("jsapi_ticket={jsapi_ticket}&noncestr={noncestr}&timestamp={timestamp}&url={url}");
    digest(signed.as_bytes())
}

/// The bytes of a signature in lower-case hexadecimal digits; `None` if it is malformed.
pub fn signature_bytes(signature: &str) -> Option<[u8; 20]> {
    let mut bytes = [0; 20];
    if signature.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(signature.as_bytes().chunks(2)) {
        let digit = |at: usize| match digits[at] {
            digit @ b'0'..=b'9' => Some(digit - b'0'),
            digit @ b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        *byte = digit(0)? << 4 | digit(1)?;
    }
    Some(bytes)
}

/// Whether `given` is the signature of `parts`. Takes constant time.
///
/// False if `given` has another length, upper-case digits or other characters.
pub fn verify(parts: &[&str], given: &str) -> bool {
    let is = |given: [u8; 20]| hash(parts).digest().bytes().ct_eq(&given).into();
    signature_bytes(given).is_some_and(is)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PARTS: [&str; 3] = ["AAAAA", "1714036504", "1514711492"];
    const SIGNATURE: &str = "f464b24fc39322e44b38aa78f5edd27bd1441696";

    #[test]
    fn the_example_of_the_platform_verifies() {
        assert_eq!(sign(&PARTS), SIGNATURE);
        assert!(verify(&PARTS, SIGNATURE));
    }

    #[test]
    fn the_bytes_of_a_signature_are_those_of_its_digits() {
        let bytes = signature_bytes(SIGNATURE).unwrap();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, SIGNATURE);
        for wrong in [
            "",
            "f464",
            &SIGNATURE.replace('f', "g"),
            &SIGNATURE.replace('f', "é"),
            &SIGNATURE.to_uppercase(),
        ] {
            assert_eq!(signature_bytes(wrong), None);
        }
        assert_eq!(
            short_digest(b"abc"),
            0xa999_3e36_4706_816a_u64.cast_signed()
        );
    }

    #[test]
    fn a_malformed_signature_is_false() {
        for given in [
            "",
            "f464",
            &SIGNATURE.to_uppercase(),
            &format!("{SIGNATURE}0"),
            "签名",
        ] {
            assert!(!verify(&PARTS, given), "{given:?}");
        }
        for at in 0..SIGNATURE.len() {
            let mut wrong = SIGNATURE.as_bytes().to_vec();
            wrong[at] ^= 1;
            assert!(!verify(&PARTS, &String::from_utf8(wrong).unwrap()));
        }
    }

    proptest! {
        #[test]
        fn the_order_of_the_parts_does_not_matter(
            parts in proptest::collection::vec("[ -~é-鿿]{0,12}", 0..5).prop_shuffle()
        ) {
            let given: Vec<&str> = parts.iter().map(String::as_str).collect();
            let mut sorted = given.clone();
            sorted.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
            prop_assert_eq!(sign(&given), Sha1::from(sorted.concat()).hexdigest());
            prop_assert!(verify(&given, &sign(&sorted)));
        }
    }
}
