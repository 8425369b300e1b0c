//! What people see who log in and out: the pages, and where they are led.

use super::*;

#[test]
fn outside_wechat_the_page_says_to_open_it_there() {
    let server = server();
    let target = "/wx/login/all?to=/docs?a=1&b=2";
    let chinese = server.get(target, &[]);
    chinese.is_page(200).has("<svg").has("请在微信中打开本页");
    chinese.has("data-url=\"/wx/scan\" data-form=\"gate=all&amp;to=%2Fdocs%3Fa%3D1%26b%3D2\"");
    chinese.has("<script nonce=");
    let english = server.get(target, &[("Accept-Language", "en")]);
    english
        .is_page(200)
        .has("lang=\"en\"")
        .has("open this page in WeChat");
    assert!(english.header("Set-Cookie").is_none());
    let long = format!("/wx/login?to=/{}", "x".repeat(1_500));
    server.get(&long, &[]).is_page(200).lacks("<svg");
}

#[test]
fn inside_wechat_the_browser_goes_to_wechats_own_log_in() {
    let server = server();
    let answer = server.get("/wx/login/all?to=/docs?a=1&b=2", &[WECHAT]);
    let location = answer.is(302).header("Location").unwrap();
    let begin = "https://open.weixin.qq.com/connect/oauth2/authorize?appid=wx7a9c0e1f2b3d4c5e&redirect_uri=\
                 https%3A%2F%2Fexample.com%2Fwx%2Fback%3Fto%3D%252Fdocs%253Fa%253D1%2526b%253D2\
                 &response_type=code&scope=snsapi_base&state=";
    assert!(location.starts_with(begin), "{location}");
    assert!(location.ends_with("#wechat_redirect"), "{location}");
    let flow = answer.header("Set-Cookie").unwrap();
    assert!(flow.starts_with("__Host-wechatd-flow="), "{flow}");
    // One that is there already is kept.
    let cookie = flow.split(';').next().unwrap();
    let again = server.get("/wx/login/all", &[WECHAT, ("Cookie", cookie)]);
    assert_eq!(again.is(302).header("Set-Cookie"), Some(flow));
}

#[test]
fn who_is_logged_in_passes_and_is_stopped_in_a_circle() {
    let server = server();
    let cookie = server.logged_in("oVisitorOne");
    let cookie = [("Cookie", cookie.as_str())];
    for _ in 0..3 {
        let answer = server.get("/wx/login/all?to=/docs", &cookie);
        answer.is(303).leads_to("https://example.com/docs");
    }
    let stopped = server.get("/wx/login/all?to=/docs", &cookie);
    stopped
        .is_page(200)
        .has("__Host-wechatd")
        .has("<code>https://example.com</code>");
    let other = server.logged_in("oVisitorOne");
    server
        .get("/wx/login/all?to=/docs", &[("Cookie", &other)])
        .is(303);
    // Another log-in would not help.
    server.get("/wx/login", &[("Cookie", &other)]).is_page(403);
}

#[test]
fn a_log_out_is_asked_for_and_ends_the_session() {
    let server = server();
    let cookie = server.logged_in("oVisitorOne");
    let cookie = ("Cookie", cookie.as_str());
    let page = server.get("/wx/logout?to=/bye?a=1", &[cookie]);
    page.is_page(200)
        .has("action=\"/wx/logout?to=%2Fbye%3Fa%3D1\"");
    for origin in ["https://evil.test", "null", "http://example.com"] {
        server
            .post("/wx/logout", &[cookie, ("Origin", origin)])
            .is(403);
    }
    server.post("/wx/logout", &[cookie]).is(403);
    server.get("/wx/auth/all", &[cookie]).is(200);
    let out = server.post("/wx/logout?to=/bye?a=1", &[cookie, OWN]);
    out.is(303).leads_to("https://example.com/bye?a=1");
    out.has("Set-Cookie: __Host-wechatd=; Path=/; Max-Age=0;");
    server.get("/wx/auth/all", &[cookie]).is(401);
    server
        .post("/wx/logout?to=//evil.test", &[OWN])
        .leads_to("https://example.com/");
}

#[test]
fn a_way_back_without_a_state_of_the_last_ten_minutes_is_refused() {
    let server = server();
    let key = StateKey::of(&server.site.app.store).unwrap();
    let url = server.site.app.live().config.web.url.clone().unwrap();
    let now = clock::unix_seconds();
    let flow = FlowDigest([7; 16]);
    let state = |at, to: &str| key.issue(flow, &ReturnTo::new(to, &url), 0, at);
    for (state, to) in [
        (state(now - 700, "/docs"), "/docs"),
        (state(now + 700, "/docs"), "/docs"),
        (state(now, "/docs"), "/other"),
        (String::new(), "/docs"),
    ] {
        let query = format!("to={}&code=1&state={state}", percent::encode(to));
        let answer = server.get(&format!("/wx/back?{query}"), &[]);
        let login = format!(
            "href=\"https://example.com/wx/login/members?to={}\"",
            percent::encode(to)
        );
        answer.is_page(400).has(&login);
        assert!(answer.header("Set-Cookie").is_none());
        server.post("/wx/back", &[OWN]).is_page(400);
        server.post("/wx/back", &[]).is(403);
    }
    // A person who refuses comes without a code.
    let refused = format!("/wx/back?to=%2Fdocs&state={}", state(now, "/docs"));
    server.get(&refused, &[]).is_page(200);
}

#[test]
fn what_strangers_write_is_shown_as_text_in_every_page() {
    let name = "<script>alert('1')</script>\"&\u{202e}\u{1f600}";
    let person = pages::Person {
        name: Some(name),
        since: Some("2026-11-21"),
    };
    let shown = "&lt;script&gt;alert('1')&lt;/script&gt;&quot;&amp;\\u{202e}\u{1f600}";
    for language in [Language::Chinese, Language::English] {
        let fields = [("to", "/\"><script>")];
        let page = pages::confirm(language, &person, "/wx/back", &fields).unwrap();
        let page = Answer::of(&page);
        page.is_page(200).has(shown);
        page.has("<input type=\"hidden\" name=\"to\" value=\"/&quot;&gt;&lt;script&gt;\">");
        Answer::of(&pages::snapshot(language).unwrap())
            .is_page(200)
            .has("使用完整服务");
        for refusal in [Refusal::NotFollowing, Refusal::NotListed] {
            let page = pages::refused(language, &refusal, None).unwrap();
            Answer::of(&page).is_page(403).lacks("<img");
            let follow = Some("http://weixin.qq.com/q/SYN");
            let with_code = Answer::of(&pages::refused(language, &refusal, follow).unwrap());
            let shows = with_code
                .is_page(403)
                .text
                .contains("src=\"data:image/png;base64,");
            assert_eq!(shows, refusal == Refusal::NotFollowing);
        }
        for trouble in [pages::Trouble::NotInTime, pages::Trouble::NoAnswer] {
            let page = pages::start_again(language, 200, trouble, "/\"><script>").unwrap();
            Answer::of(&page)
                .is_page(200)
                .has("href=\"/&quot;&gt;&lt;script&gt;\"");
        }
    }
    let nameless = pages::Person {
        name: None,
        since: None,
    };
    let page = pages::confirm(Language::English, &nameless, "/wx/back", &[]).unwrap();
    Answer::of(&page)
        .is_page(200)
        .has("a WeChat user")
        .has("does not follow");
}
