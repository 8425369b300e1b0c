//! Arbitrary bytes as the body of a push: parsing and interpreting them never panics, and the result is consistent.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wechatd::wechat::Push;

fuzz_target!(|body: &[u8]| {
    let Ok(push) = Push::parse(body) else { return };
    assert!(!push.from_user.is_empty() && !push.to_user.is_empty());
    // A message has its id and sender, everything else its time and a digest.
    assert!(push.dedup_key().contains('|'));
    assert_eq!(Push::parse(body).as_ref(), Ok(&push));
    let _ = (
        push.effect(),
        push.subject(),
        push.event_key(),
        push.scene(),
        push.msg_id(),
    );
    assert!(push.may_be_answered() || !push.may_be_transferred());
});
