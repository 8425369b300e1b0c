//! The encryption of pushes and replies in the compatible and secure modes (the platform's page
//! "Message encryption and decryption"): AES-256-CBC over `random(16) ‖ length(4, big endian) ‖
//! message ‖ AppID`.
//!
//! The ciphertext itself is not authenticated: verify `msg_signature` before [`open`].

use std::fmt;

use aes::Aes256;
use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD};
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};

/// The length of an EncodingAESKey, in characters.
const ENCODED_KEY_LENGTH: usize = 43;
/// The platform pads to blocks of 32 bytes, twice the block size of AES.
const PAD_BLOCK: usize = 32;
/// The length of the header before the message: random bytes and the message's length.
const HEADER: usize = 20;

/// The 43rd character of an EncodingAESKey often has unused bits set.
const KEY_ENCODING: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    NO_PAD.with_decode_allow_trailing_bits(true),
);

/// The key of one account, decoded from its EncodingAESKey.
#[derive(Clone, PartialEq, Eq)]
pub struct AesKey([u8; 32]);

impl fmt::Debug for AesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AesKey(…)")
    }
}

/// Why a text is not an EncodingAESKey. The texts do not quote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AesKeyError {
    /// Its length is not 43; the length in characters.
    Length(usize),
    /// It contains a character that is not base64.
    Character,
}

impl fmt::Display for AesKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AesKeyError::Length(length) => write!(
                f,
                "EncodingAESKey: must have 43 characters, has {length}: copy it from WeChat's console"
            ),
            AesKeyError::Character => {
                f.write_str("EncodingAESKey: may hold only letters and digits")
            }
        }
    }
}

impl std::error::Error for AesKeyError {}

impl AesKey {
    /// Decodes the 43 characters that the console shows as EncodingAESKey.
    pub fn parse(encoding_aes_key: &str) -> Result<AesKey, AesKeyError> {
        let length = encoding_aes_key.chars().count();
        if length != ENCODED_KEY_LENGTH {
            return Err(AesKeyError::Length(length));
        }
        let mut key = [0; 32];
        match KEY_ENCODING.decode_slice(encoding_aes_key, &mut key) {
            Ok(32) => Ok(AesKey(key)),
            Ok(_) | Err(_) => Err(AesKeyError::Character),
        }
    }

    fn iv(&self) -> &[u8] {
        &self.0[..16]
    }
}

/// Why an encrypted body could not be decrypted, with the error numbers of the platform's sample code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CryptoError {
    /// `Encrypt` is not base64 (-40010).
    Base64,
    /// The ciphertext is empty or its length is not a multiple of the block size (-40007).
    Blocks,
    /// The padding or length is wrong, usually because the key is (-40007, -40008).
    Content,
    /// Encrypted for another AppID (-40005).
    AppId,
}

impl fmt::Display for CryptoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CryptoError::Base64 => "crypto: cannot decrypt: Encrypt is not base64 (-40010)",
            CryptoError::Blocks => "crypto: cannot decrypt: Encrypt is cut off (-40007)",
            CryptoError::Content => {
                "crypto: cannot decrypt: padding or length do not fit (-40007): compare account.aes_key with the \
                 EncodingAESKey in the console"
            }
            CryptoError::AppId => {
                "crypto: cannot decrypt: meant for another AppID (-40005): compare account.app_id with the console"
            }
        })
    }
}

impl std::error::Error for CryptoError {}

/// Decrypts `Encrypt` (base64, as received), which must end with `app_id`, and returns the message.
pub fn open(key: &AesKey, app_id: &str, encrypt: &str) -> Result<Vec<u8>, CryptoError> {
    let mut buffer = STANDARD.decode(encrypt).map_err(|_| CryptoError::Base64)?;
    if buffer.is_empty() {
        return Err(CryptoError::Blocks);
    }
    let cipher = cbc::Decryptor::<Aes256>::new_from_slices(&key.0, key.iv())
        .expect("the key has 32 bytes and the initialisation vector 16");
    let padded = cipher
        .decrypt_padded::<NoPadding>(&mut buffer)
        .map_err(|_| CryptoError::Blocks)?;
    let end = unpadded_length(padded).ok_or(CryptoError::Content)?;
    let message = header_end(&padded[..end]).ok_or(CryptoError::Content)?;
    if &padded[message..end] != app_id.as_bytes() {
        return Err(CryptoError::AppId);
    }
    buffer.truncate(message);
    buffer.drain(..HEADER);
    Ok(buffer)
}

/// Where the padding of 1 to 32 bytes starts. Always checks the same number of bytes, to take constant time.
fn unpadded_length(padded: &[u8]) -> Option<usize> {
    let pad = *padded.last()?;
    let tail = padded.iter().rev().take(PAD_BLOCK).enumerate();
    let mut wrong = 0;
    for (at, byte) in tail {
        let counts = u8::from(at < usize::from(pad));
        wrong |= counts * (byte ^ pad);
    }
    let valid = wrong == 0 && (1..=PAD_BLOCK).contains(&usize::from(pad));
    valid.then_some(padded.len().checked_sub(usize::from(pad))?)
}

/// Where the message ends and the AppID starts.
fn header_end(content: &[u8]) -> Option<usize> {
    let length: [u8; 4] = content.get(16..HEADER)?.try_into().ok()?;
    let end = usize::try_from(u32::from_be_bytes(length))
        .ok()?
        .checked_add(HEADER)?;
    (end <= content.len()).then_some(end)
}

/// Encrypts `msg` for `app_id`; the result is the `Encrypt` element. `random` is 16 new random bytes.
pub fn seal(key: &AesKey, app_id: &str, msg: &[u8], random: [u8; 16]) -> String {
    let length = u32::try_from(msg.len()).expect("a message is far below 4 GiB");
    let content_length = HEADER + msg.len() + app_id.len();
    let pad = PAD_BLOCK - content_length % PAD_BLOCK;
    let mut buffer = Vec::with_capacity(content_length + pad);
    buffer.extend_from_slice(&random);
    buffer.extend_from_slice(&length.to_be_bytes());
    buffer.extend_from_slice(msg);
    buffer.extend_from_slice(app_id.as_bytes());
    // The padding is its own length, 1 to 32, repeated.
    buffer.resize(content_length + pad, pad as u8);
    let cipher = cbc::Encryptor::<Aes256>::new_from_slices(&key.0, key.iv())
        .expect("the key has 32 bytes and the initialisation vector 16");
    let whole = buffer.len();
    let sealed = cipher
        .encrypt_padded::<NoPadding>(&mut buffer, whole)
        .expect("the buffer is whole blocks of 32 bytes");
    STANDARD.encode(sealed)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

    #[test]
    fn a_key_with_unused_bits_set_is_accepted() {
        assert!(AesKey::parse(KEY).is_ok());
    }

    #[test]
    fn what_is_not_a_key_is_refused_without_quoting_it() {
        assert_eq!(AesKey::parse(""), Err(AesKeyError::Length(0)));
        assert_eq!(AesKey::parse(&KEY[1..]), Err(AesKeyError::Length(42)));
        assert_eq!(
            AesKey::parse(&format!("{KEY}=")),
            Err(AesKeyError::Length(44))
        );
        assert_eq!(
            AesKey::parse(&KEY.replace('c', "!")),
            Err(AesKeyError::Character)
        );
        assert_eq!(AesKey::parse(&"好".repeat(43)), Err(AesKeyError::Character));
        assert_eq!(format!("{:?}", AesKey::parse(KEY).unwrap()), "AesKey(…)");
    }

    #[test]
    fn the_published_example_is_sealed_byte_by_byte() {
        let key = AesKey::parse(KEY).unwrap();
        let sealed = seal(
            &key,
            "wxb11529c136998cb6",
            "我是中文abcd123".as_bytes(),
            *b"aaaabbbbccccdddd",
        );
        assert_eq!(
            sealed,
            "jn1L23DB+6ELqJ+6bruv21Y6MD7KeIfP82D6gU39rmkgczbWwt5+3bnyg5K55bgVtVzd832WzZGMhkP72vVOfg=="
        );
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens(
            msg in proptest::collection::vec(any::<u8>(), 0..300), random: [u8; 16], app_id in "[a-z0-9]{0,20}",
        ) {
            let key = AesKey::parse(KEY).unwrap();
            let sealed = seal(&key, &app_id, &msg, random);
            prop_assert_eq!(open(&key, &app_id, &sealed), Ok(msg));
            prop_assert_eq!(open(&key, &format!("{app_id}x"), &sealed), Err(CryptoError::AppId));
        }

        #[test]
        fn anything_else_is_an_error_and_never_a_panic(
            blocks in proptest::collection::vec(any::<u8>(), 0..200), text in ".{0,80}",
        ) {
            let key = AesKey::parse(KEY).unwrap();
            prop_assert!(open(&key, "wx", &STANDARD.encode(&blocks)).is_err());
            prop_assert!(open(&key, "wx", &text).is_err());
        }
    }
}
