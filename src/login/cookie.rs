//! The cookies of a browser: of its session, of a log-in under way (the flow), and of a sign-in on the operator's page.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq;

use crate::config::WebUrl;
use crate::random::{self, NoRandomNumbers};
use crate::secret::Secret;

/// How long a flow cookie lives.
pub const FLOW_LIVES: Duration = Duration::from_secs(600);

/// Characters of a session's mark.
const MARK: usize = 12;

/// The names of the cookies, and how they are written, by the scheme of the pages' address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cookies {
    is_https: bool,
    of: Pages,
}

/// The pages that cookies are for. Those of one host share all cookies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pages {
    Owner,
    Operator,
}

/// The text of a session's cookie: 32 random bytes. The store has its hash only.
#[derive(Debug, Clone)]
pub struct SessionToken(Secret);

/// The SHA-256 of the text of a session's cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

/// The text of a flow cookie: 16 random bytes. It tells that a log-in comes back to the browser in which it began.
#[derive(Debug, Clone)]
pub struct Flow(Secret);

/// What is told of a flow cookie outside its browser: the first 16 bytes of its SHA-256. Compared in constant time.
#[derive(Debug, Clone, Copy, Eq)]
pub struct FlowDigest(pub [u8; 16]);

impl Cookies {
    /// The cookies of pages under this address.
    #[must_use]
    pub fn of(url: &WebUrl) -> Cookies {
        Cookies {
            is_https: url.is_https,
            of: Pages::Owner,
        }
    }

    /// The cookies of the operator's page under this address; `None`: under loopback names.
    #[must_use]
    pub fn of_operator(url: Option<&WebUrl>) -> Cookies {
        Cookies {
            is_https: url.is_some_and(|url| url.is_https),
            of: Pages::Operator,
        }
    }

    /// The name of the session's cookie. Browsers take one whose name begins with `__Host-` only over https, from the
    /// host itself and for all of its paths: no other site and no subdomain can plant it.
    #[must_use]
    pub fn session_name(self) -> &'static str {
        match (self.of, self.is_https) {
            (Pages::Owner, true) => "__Host-wechatd",
            (Pages::Owner, false) => "wechatd",
            (Pages::Operator, true) => "__Host-wechatd-admin",
            (Pages::Operator, false) => "wechatd-admin",
        }
    }

    /// The name of the flow cookie.
    #[must_use]
    pub fn flow_name(self) -> &'static str {
        match self.is_https {
            true => "__Host-wechatd-flow",
            false => "wechatd-flow",
        }
    }

    /// The hash of the session's cookie among the values of the headers `Cookie`; `None` if there is none, or it
    /// cannot be ours.
    pub fn session<'a>(self, headers: impl IntoIterator<Item = &'a str>) -> Option<TokenHash> {
        self.token(headers).map(|token| token.hash())
    }

    /// The session's cookie itself, found in the same way.
    pub fn token<'a>(self, headers: impl IntoIterator<Item = &'a str>) -> Option<SessionToken> {
        find(headers, self.session_name(), 32).map(|text| SessionToken(Secret::new(text)))
    }

    /// The flow cookie among the values of the headers `Cookie`; `None` if there is none, or it cannot be ours.
    pub fn flow<'a>(self, headers: impl IntoIterator<Item = &'a str>) -> Option<Flow> {
        find(headers, self.flow_name(), 16).map(|text| Flow(Secret::new(text)))
    }

    /// The value of `Set-Cookie` that logs the browser in for as long as the session lives.
    #[must_use]
    pub fn set_session(self, token: &SessionToken, lives: Duration) -> String {
        self.set(self.session_name(), token.0.expose(), lives)
    }

    /// The value of `Set-Cookie` that logs the browser out.
    #[must_use]
    pub fn clear_session(self) -> String {
        self.set(self.session_name(), "", Duration::ZERO)
    }

    /// The value of `Set-Cookie` for a log-in under way.
    #[must_use]
    pub fn set_flow(self, flow: &Flow) -> String {
        self.set(self.flow_name(), flow.0.expose(), FLOW_LIVES)
    }

    /// The value of `Set-Cookie` that ends a log-in under way.
    #[must_use]
    pub fn clear_flow(self) -> String {
        self.set(self.flow_name(), "", Duration::ZERO)
    }

    fn set(self, name: &str, value: &str, lives: Duration) -> String {
        let secure = if self.is_https { " Secure;" } else { "" };
        // Lax: with Strict the cookie would be missing when WeChat sends the browser back.
        format!(
            "{name}={value}; Path=/; Max-Age={}; HttpOnly;{secure} SameSite=Lax",
            lives.as_secs()
        )
    }
}

/// The value of the first cookie of this name that is the base64url of so many bytes.
fn find<'a>(
    headers: impl IntoIterator<Item = &'a str>,
    name: &str,
    bytes: usize,
) -> Option<&'a str> {
    let pairs = headers.into_iter().flat_map(|header| header.split(';'));
    let values = pairs.filter_map(|pair| {
        let (own, value) = pair.split_once('=')?;
        (own.trim_matches([' ', '\t']) == name).then(|| value.trim_matches([' ', '\t']))
    });
    let length = (4 * bytes).div_ceil(3);
    let mut ours = values.filter(|value| {
        let of_base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        value.len() == length && value.bytes().all(of_base64url)
    });
    ours.next()
}

impl SessionToken {
    /// A new one.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn random() -> Result<SessionToken, NoRandomNumbers> {
        let bytes: [u8; 32] = random::bytes()?;
        Ok(SessionToken(Secret::new(URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// The text itself, for the one place that must send it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What the store knows of it.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.0.expose())
    }

    /// What the forms of this session's pages carry: no other site can know it, and neither the cookie nor the store's
    /// hash can be told from it.
    #[must_use]
    pub fn form_token(&self) -> String {
        URL_SAFE_NO_PAD.encode(sha256(&format!("form {}", self.0.expose())))
    }
}

impl TokenHash {
    /// Of a text.
    #[must_use]
    pub fn of(text: &str) -> TokenHash {
        TokenHash(sha256(text))
    }

    /// 12 characters that change with the session, for the owner's program: nothing else can be learned from them.
    #[must_use]
    pub fn mark(&self) -> String {
        let mut mark = URL_SAFE_NO_PAD.encode(self.0);
        mark.truncate(MARK);
        mark
    }
}

impl Flow {
    /// A new one.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn random() -> Result<Flow, NoRandomNumbers> {
        let bytes: [u8; 16] = random::bytes()?;
        Ok(Flow(Secret::new(URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// What is told of it outside its browser.
    #[must_use]
    pub fn digest(&self) -> FlowDigest {
        let mut first = [0; 16];
        first.copy_from_slice(&sha256(self.0.expose())[..16]);
        FlowDigest(first)
    }
}

impl PartialEq for FlowDigest {
    fn eq(&self, other: &FlowDigest) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

fn sha256(text: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    bytes
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::{NewSession, Store};

    const HTTPS: Cookies = Cookies {
        is_https: true,
        of: Pages::Owner,
    };
    const HTTP: Cookies = Cookies {
        is_https: false,
        of: Pages::Owner,
    };

    /// A value of `Set-Cookie` as a browser sends it back.
    fn sent_back(set: &str) -> String {
        set.split(';').next().unwrap().to_owned()
    }

    #[test]
    fn a_cookie_comes_back_as_what_was_set() {
        for cookies in [HTTPS, HTTP] {
            let (token, flow) = (SessionToken::random().unwrap(), Flow::random().unwrap());
            let session = sent_back(&cookies.set_session(&token, Duration::from_secs(60)));
            let flow_back = sent_back(&cookies.set_flow(&flow));
            let together = format!("a=b; {session};{flow_back} ; theme=dark");
            for headers in [
                vec![together.as_str()],
                vec!["a=b", session.as_str(), flow_back.as_str()],
            ] {
                assert_eq!(cookies.session(headers.clone()), Some(token.hash()));
                let found = cookies.flow(headers).map(|flow| flow.digest());
                assert_eq!(found, Some(flow.digest()));
            }
        }
    }

    #[test]
    fn the_flags_are_those_that_keep_other_sites_out() {
        let token = SessionToken(Secret::new("T"));
        let flow = Flow(Secret::new("F"));
        let week = Duration::from_secs(7 * 24 * 3600);
        assert_eq!(
            HTTPS.set_session(&token, week),
            "__Host-wechatd=T; Path=/; Max-Age=604800; HttpOnly; Secure; SameSite=Lax"
        );
        assert_eq!(
            HTTPS.clear_session(),
            "__Host-wechatd=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"
        );
        assert_eq!(
            HTTPS.set_flow(&flow),
            "__Host-wechatd-flow=F; Path=/; Max-Age=600; HttpOnly; Secure; SameSite=Lax"
        );
        assert_eq!(
            HTTP.set_session(&token, week),
            "wechatd=T; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax"
        );
        assert_eq!(
            HTTP.set_flow(&flow),
            "wechatd-flow=F; Path=/; Max-Age=600; HttpOnly; SameSite=Lax"
        );
    }

    #[test]
    fn the_operators_page_has_a_cookie_and_form_tokens_of_its_own() {
        let token = SessionToken::random().unwrap();
        let local = Cookies::of_operator(None);
        let set = local.set_session(&token, Duration::from_secs(60));
        assert!(set.starts_with("wechatd-admin="), "{set}");
        let cookie = sent_back(&set);
        assert_eq!(HTTP.session([cookie.as_str()]), None);
        assert_eq!(local.session([cookie.as_str()]), Some(token.hash()));
        let same = local.token([cookie.as_str()]).unwrap();
        assert_eq!(same.form_token(), token.form_token());
        assert_ne!(
            token.form_token(),
            URL_SAFE_NO_PAD.encode(token.hash().0),
            "the store's hash is no form token"
        );
    }

    #[test]
    fn a_cookie_of_another_name_or_form_is_not_ours() {
        let value = "A".repeat(43);
        for header in [
            String::new(),
            format!("wechatd={value}"),
            format!("__host-wechatd={value}"),
            format!("x__Host-wechatd={value}"),
            format!("__Host-wechatd ={value}A"),
            format!("__Host-wechatd={}", &value[1..]),
            format!("__Host-wechatd=\"{}\"", &value[2..]),
            format!("__Host-wechatd={}=", &value[1..]),
            format!("__Host-wechatd={}é", &value[2..]),
            format!("__Host-wechatd-flow={value}"),
            "__Host-wechatd".to_owned(),
            "__Host-wechatd=".to_owned(),
        ] {
            assert_eq!(HTTPS.session([header.as_str()]), None, "{header}");
        }
        // One that cannot be ours does not hide ours.
        let two = format!("__Host-wechatd=old; __Host-wechatd={value}");
        assert_eq!(HTTPS.session([two.as_str()]), Some(TokenHash::of(&value)));
    }

    #[test]
    fn a_token_and_what_is_told_of_it_have_nothing_in_common() {
        let token = SessionToken::random().unwrap();
        assert_eq!(token.0.expose().len(), 43);
        assert_eq!(format!("{token:?}"), "SessionToken(***)");
        let mark = token.hash().mark();
        assert_eq!(mark.len(), 12);
        assert!(!token.0.expose().contains(&mark));
        let other = SessionToken::random().unwrap();
        assert_ne!(other.hash().mark(), mark);
        // The example of the standard (FIPS 180): SHA-256 of "abc".
        assert_eq!(TokenHash::of("abc").0[..4], [0xba, 0x78, 0x16, 0xbf]);
    }

    #[test]
    fn a_stolen_store_has_no_cookie_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wechat.db");
        let store = Store::open(&path.as_path().into()).unwrap();
        let token = SessionToken::random().unwrap();
        let session = NewSession {
            token_hash: token.hash().0,
            openid: "oSynStolen".to_owned(),
            unionid: None,
            method: "oauth".to_owned(),
            created_at: 1,
            expires_at: 1_000,
            address: None,
            agent: None,
        };
        store.begin_session(session, None).unwrap();
        let cookie = format!("__Host-wechatd={}", token.0.expose());
        let hash = HTTPS.session([cookie.as_str()]).unwrap();
        let visitor = store.reader().unwrap().visitor(&hash.0, 1).unwrap();
        assert_eq!(visitor.unwrap().openid, "oSynStolen");
        let has = |file: &str, what: &[u8]| {
            let bytes = std::fs::read(folder.path().join(file)).unwrap_or_default();
            bytes.windows(what.len()).any(|part| part == what)
        };
        let files = ["wechat.db", "wechat.db-wal"];
        assert!(files.iter().any(|file| has(file, b"oSynStolen")));
        for file in files {
            assert!(!has(file, token.0.expose().as_bytes()), "{file}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_browser_sends_is_read_without_a_panic(header in any::<String>(), value in "[-_A-Za-z0-9]{43}") {
            HTTPS.session([header.as_str()]);
            HTTP.flow([header.as_str()]);
            let found = HTTPS.session([header.replace("__Host-wechatd", "x").as_str(), &format!("__Host-wechatd={value}")]);
            prop_assert_eq!(found, Some(TokenHash::of(&value)));
        }
    }
}
