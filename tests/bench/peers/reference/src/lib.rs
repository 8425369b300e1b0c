//! The work of one push, shared by the reference servers: verify the signature, parse the XML, write the reply.

use std::time::{SystemTime, UNIX_EPOCH};

use xmltree::Element;

/// The reply to a push; `None` if the signature is wrong or the body is not a push.
pub fn answer(query: &str, token: &str, body: &[u8]) -> Option<String> {
    let part = |name: &str| {
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find_map(|(found, value)| (found == name).then_some(value))
    };
    let mut parts = [token, part("timestamp")?, part("nonce")?];
    parts.sort_unstable();
    if sha1_smol::Sha1::from(parts.concat()).hexdigest() != part("signature")? {
        return None;
    }
    let push = Element::parse(body).ok()?;
    let text = |name: &str| Some(push.get_child(name)?.get_text()?.into_owned());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(format!(
        "<xml><ToUserName><![CDATA[{}]]></ToUserName><FromUserName><![CDATA[{}]]></FromUserName>\
         <CreateTime>{now}</CreateTime><MsgType><![CDATA[text]]></MsgType>\
         <Content><![CDATA[Send @ followed by your suggestion, and we will receive it.]]></Content></xml>",
        text("FromUserName")?,
        text("ToUserName")?,
    ))
}
