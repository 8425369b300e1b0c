//! Arbitrary bytes as an encrypted push: parsing and opening the envelope never panics, and sealed bytes open to the
//! same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wechatd::wechat::{AesKey, Envelope, Push, open, seal};

/// The key and AppID of `tests/samples/crypto/inbound_requests.json`, so that its samples open.
const KEY: &str = "Qm9vdHN0cmFwIHNhbXBsZSBrZXkgZm9yIHdlY2hhdCA";
const APP_ID: &str = "wx7a9c0e1f2b3d4c5e";

fuzz_target!(|body: &[u8]| {
    let key = AesKey::parse(KEY).expect("a good key");
    if let Ok(Some(envelope)) = Envelope::parse(body) {
        // What is written can be read back.
        assert_eq!(
            Envelope::parse(envelope.to_body().as_bytes()),
            Ok(Some(envelope.clone()))
        );
        if let Ok(message) = open(&key, APP_ID, &envelope.encrypt) {
            let _ = Push::parse(&message);
        }
    }
    if let Ok(text) = std::str::from_utf8(body) {
        let _ = open(&key, APP_ID, text);
    }
    let sealed = seal(&key, APP_ID, body, [7; 16]);
    assert_eq!(open(&key, APP_ID, &sealed).as_deref(), Ok(body));
});
