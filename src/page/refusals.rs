//! Why requests were refused, in words for the owner.

use super::texts::Text;

/// What this reason means, by its name in metrics; `None`: there is no such reason.
#[must_use]
pub fn meaning(reason: &str) -> Option<Text> {
    Some(match reason {
        "address" => Text::RefusedAddress,
        "query" => Text::RefusedQuery,
        "no_timestamp" => Text::RefusedNoTimestamp,
        "no_signature" => Text::RefusedNoSignature,
        "wrong_signature" | "wrong_msg_signature" => Text::RefusedWrongSignature,
        "timestamp" => Text::RefusedTimestamp,
        "timestamp_off" => Text::RefusedTimestampOff,
        "no_echostr" => Text::RefusedNoEchostr,
        "encrypt_type" => Text::RefusedEncryptType,
        "encrypted_in_plain" => Text::RefusedEncryptedInPlain,
        "plain_in_secure" => Text::RefusedPlainInSecure,
        "no_msg_signature" => Text::RefusedNoMsgSignature,
        "not_encrypted" => Text::RefusedNotEncrypted,
        "broken_envelope" => Text::RefusedBrokenEnvelope,
        "undecryptable" => Text::RefusedUndecryptable,
        "replayed" | "too_old" => Text::RefusedReplayed,
        "not_a_push" => Text::RefusedNotAPush,
        "too_long" => Text::RefusedTooLong,
        "other_path" => Text::RefusedOtherPath,
        "method" => Text::RefusedMethod,
        "foreign_form" => Text::RefusedForeignForm,
        "other_host" => Text::RefusedOtherHost,
        "foreign_scraper" => Text::RefusedForeignScraper,
        "too_many" => Text::RefusedTooMany,
        "tls" => Text::RefusedTls,
        "bad_request" => Text::RefusedMalformed,
        "request_timeout" => Text::RefusedTooSlow,
        "body_too_large" | "head_too_large" => Text::RefusedTooLarge,
        "length_required" | "expectation_failed" | "version_not_supported" => Text::RefusedProtocol,
        _ => return None,
    })
}
