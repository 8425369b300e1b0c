//! What the web part gives to pages and messages: signatures for the JS-SDK, pictures, and files of answers.

use crate::support::*;

const JPEG: &[u8] = b"\xff\xd8\xff\xe0 a menu";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n another menu";

const NEWS: &str = r#"
[[rule]]
message = "text"
news = [{ title = "Menu", pic_url = "pictures/menu.jpg", url = "https://example.com/menu" }]
"#;

const TICKET: &str = "/cgi-bin/ticket/getticket";

fn web() -> Setup {
    Setup::new().set("web.url", "\"https://example.com\"")
}

#[test]
fn a_page_is_signed_with_a_ticket_that_was_fetched_before_anybody_asked() {
    let platform = Platform::start();
    platform.fault(TICKET, Fault::Errcode(-1, "system error"));
    let mut account = web().platform(&platform).start();
    let page = "/wx/jsapi?url=https%3A%2F%2Fexample.com%2F";
    account.log().says("JS-SDK: there is a jsapi_ticket again");
    for _ in 0..3 {
        let answer = account.get(page);
        answer
            .is_status(200)
            .has_header("cache-control", "no-store");
    }
    account.restart();
    account.get(page).is_status(200);
    let ticket = account.command(&["token", "--jsapi-ticket"]);
    assert_eq!(ticket.ok().stdout, "SYN_JSAPI_TICKET_1\n");
    assert_eq!(platform.count(TICKET), 2);
    let soon = now() + 200;
    let sql = format!("UPDATE tokens SET expires_at = {soon} WHERE name = 'jsapi_ticket'");
    store::change(&account.store_path(), &sql);
    account.restart();
    eventually("another ticket", account.log(), || {
        platform.count(TICKET) == 3
    });
    account.get(page).is_status(200);
    for (url, status) in [
        ("https://evil/", 403),
        ("https://example.com.evil/", 403),
        ("https://example.com@evil/", 400),
        ("//example.com/", 400),
        ("file:///etc/passwd", 400),
    ] {
        account
            .get(&format!("/wx/jsapi?url={url}"))
            .is_status(status);
    }
}

#[test]
fn no_page_is_signed_without_a_ticket() {
    let platform = Platform::start();
    platform.always(TICKET, Fault::Errcode(48001, "api unauthorized"));
    let account = web().platform(&platform).start();
    account.log().says("JS-SDK: there is no jsapi_ticket");
    let answer = account.get("/wx/jsapi?url=https://example.com/");
    answer.is_status(503).has_header("retry-after", "5");
}

/// A new configuration with these files beside it.
fn with_files(setup: Setup, files: &[(&str, &[u8])]) -> Setup {
    for (name, bytes) in files {
        let path = setup.folder().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    setup
}

/// The path of the picture that is shown now.
#[track_caller]
fn shown_picture(account: &Account) -> String {
    let answer = account.post(&text("menu"));
    let body = answer.body();
    let url = body.split("<PicUrl>").nth(1).unwrap_or_default();
    let url = url.trim_start_matches("<![CDATA[").split([']', '<']).next();
    let path = url.unwrap().strip_prefix("https://example.com");
    path.unwrap_or_else(|| panic!("{}", answer.explained("a picture")))
        .to_owned()
}

#[test]
fn a_picture_of_an_article_is_served_under_its_hash_for_ever() {
    let largest = [JPEG, &vec![b'x'; (2 << 20) - JPEG.len()]].concat();
    let setup = with_files(web().rules(NEWS), &[("pictures/menu.jpg", &largest)]);
    let account = setup.start();
    let path = shown_picture(&account);
    let tag = format!(
        "\"{}\"",
        path.trim_start_matches("/wx/p/").trim_end_matches(".jpg")
    );
    let get = |method: &str, tags: Option<&str>| {
        let request = Request::new(method, &path);
        account.send(&tags.iter().fold(request, |request, tags| {
            request.header("If-None-Match", tags)
        }))
    };
    for (method, body) in [("GET", largest.as_slice()), ("HEAD", &[])] {
        let answer = get(method, Some("\"other\""));
        answer
            .is_status(200)
            .has_header("content-type", "image/jpeg")
            .has_header("content-length", "2097152")
            .has_header("cache-control", "public, max-age=31536000, immutable")
            .has_header("x-content-type-options", "nosniff")
            .has_header("etag", &tag);
        assert!(answer.response.body == body, "{method}");
    }
    for tags in [tag.clone(), format!("\"a\", W/{tag}"), "*".to_owned()] {
        let answer = get("GET", Some(&tags));
        answer
            .is(304, "")
            .has_header("etag", &tag)
            .has_header("cache-control", "immutable");
        assert_eq!(answer.header("content-length"), None);
    }
    account.send(&Request::new("POST", &path)).is_status(405);
    account
        .command(&["check"])
        .ok()
        .says("pictures/menu.jpg (2 MiB): https://example.com/wx/p/");
}

#[test]
fn a_changed_picture_has_another_address_and_the_old_one_stays_for_a_while() {
    let setup = with_files(web().rules(NEWS), &[("pictures/menu.jpg", JPEG)]);
    let mut account = setup.start();
    let old = shown_picture(&account);
    std::fs::write(account.folder().join("pictures/menu.jpg"), PNG).unwrap();
    assert_eq!(shown_picture(&account), old);
    account.get(&old).is_status(200);
    account.reload();
    let new = shown_picture(&account);
    assert!(
        new.ends_with(".png") && old.ends_with(".jpg"),
        "{old} {new}"
    );
    account.get(&old).is_status(200);
    account.restart();
    for path in [&old, &new] {
        account.get(path).is_status(200);
    }
    std::fs::write(account.folder().join("pictures/menu.jpg"), "<svg>").unwrap();
    account.reload();
    assert_eq!(shown_picture(&account), new);
    account.log().says("is SVG");
    std::fs::write(account.folder().join("pictures/menu.jpg"), PNG).unwrap();
    let age = |days: u32| {
        let sql = format!("UPDATE pictures SET used_at = used_at - {days} * 86400");
        store::change(&account.store_path(), &sql);
        account.reload();
    };
    age(29);
    account.await_rest_of("chores");
    account.get(&old).is_status(200);
    age(2);
    eventually("the removal of the old picture", account.log(), || {
        account.store().count("pictures") == 1
    });
    account.get(&old).is_status(404);
    account.get(&new).is_status(200);
}

#[test]
fn nothing_but_a_picture_is_found_under_the_path_of_pictures() {
    let setup = with_files(web().rules(NEWS), &[("pictures/menu.jpg", JPEG)]);
    let account = setup.set("web.rate", "1000").start();
    let path = shown_picture(&account);
    let hash = path.trim_start_matches("/wx/p/").trim_end_matches(".jpg");
    let mut odd: Vec<String> = (0..64)
        .flat_map(|at| {
            let (start, end) = hash.split_at(at);
            let other = if end.starts_with('0') { "1" } else { "0" };
            [
                format!("{start}.jpg"),
                format!("{start}{other}{}.jpg", &end[1..]),
                format!("{start}/{end}.jpg"),
            ]
        })
        .collect();
    let upper = hash.to_uppercase();
    odd.extend([
        "".to_owned(),
        hash.to_owned(),
        format!("{upper}.jpg"),
        format!("{hash}.png"),
        format!("{hash}.JPG"),
        format!("{hash}.jpeg"),
        format!("{hash}.svg"),
        format!("{hash}.jpg/"),
        format!("{hash}.jpg.jpg"),
        format!("{hash}.jpg%00"),
        format!("{hash}%2ejpg"),
        format!("/{hash}.jpg"),
        format!("./{hash}.jpg"),
        format!("../p/{hash}.jpg"),
        format!("%2e%2e/{hash}.jpg"),
        format!("..%2f{hash}.jpg"),
        "pictures/menu.jpg".to_owned(),
        "../pictures/menu.jpg".to_owned(),
        "../../../../etc/passwd".to_owned(),
        "..%2f..%2f..%2fetc%2fpasswd".to_owned(),
        "%2e%2e/%2e%2e/wechat.conf".to_owned(),
        "....//....//wechat.conf".to_owned(),
        "/etc/passwd".to_owned(),
        "wechat.db".to_owned(),
    ]);
    assert!(odd.len() > 200);
    for name in odd {
        let answer = account.get(&format!("/wx/p/{name}"));
        answer.is_status(404);
    }
    account.get(&path).is_status(200);
}

/// A rule for each way to answer with a file.
const MEDIA: &str = r#"
[[rule]]
name = "picture"
message = "text"
equals = "picture"
image = "menu.gif"

[[rule]]
message = "text"
equals = "again"
image = "./menu.gif"

[[rule]]
message = "text"
equals = "voice"
voice = "hello.mp3"

[[rule]]
message = "text"
equals = "video"
video = { media_id = "The tour.mp4", title = "Our {content}" }

[[rule]]
message = "text"
equals = "music"
music = { title = "Song", thumb_media_id = "menu.jpg" }
"#;

const ADD: &str = "/cgi-bin/material/add_material";

fn answers_with_files(platform: &Platform) -> Setup {
    let files: [(&str, &[u8]); 4] = [
        ("menu.gif", b"GIF89a"),
        ("hello.mp3", b"ID3\x04"),
        ("The tour.mp4", b"\0\0\0\x18ftypmp42"),
        ("menu.jpg", JPEG),
    ];
    with_files(Setup::new().platform(platform).rules(MEDIA), &files)
}

#[test]
fn a_file_is_uploaded_once_and_its_rule_answers_nothing_until_then() {
    let platform = Platform::start();
    platform.fault(ADD, Fault::Hang);
    let mut account = answers_with_files(&platform).start();
    account.post(&text("picture")).is_success();
    account.log().says("picture: its file is not uploaded yet");
    let explain = || account.command(&["explain", "picture"]);
    explain().ok().says("its file is not uploaded yet");
    eventually("the upload", account.log(), || platform.count(ADD) == 1);
    platform.release();
    let uploaded = "is uploaded, and answers from now on";
    eventually("all uploads", account.log(), || {
        account.log().count(uploaded) == 4
    });
    let answers = |account: &Account| {
        for (says, part) in [
            ("picture", "SYN_permanent_image_1"),
            ("again", "SYN_permanent_image_1"),
            ("voice", "SYN_permanent_voice_2"),
            ("video", "SYN_permanent_video_3"),
            ("music", "SYN_permanent_thumb_4"),
        ] {
            let answer = account.post(&text(says));
            answer.reply();
            answer.expect(answer.body().contains(part), part);
        }
    };
    answers(&account);
    explain().ok().says("SYN_permanent_image_1");
    account
        .command(&["check"])
        .ok()
        .says("menu.gif (image, picture): uploaded as SYN_permanent_image_1");
    let with_title = |call: &Call| call.body.contains("{\"title\":\"The tour\"");
    assert!(platform.calls().iter().any(with_title));
    account.restart();
    answers(&account);
    account.reload();
    answers(&account);
    assert_eq!(platform.count(ADD), 4);
    // What was deleted is uploaded again.
    account
        .command(&["material", "delete", "SYN_permanent_image_1", "--yes"])
        .ok();
    account.reload();
    eventually("another upload", account.log(), || platform.count(ADD) == 5);
}

#[test]
fn a_file_that_the_platform_refuses_is_said_to_be_missing() {
    let platform = Platform::start();
    platform.always(ADD, Fault::Errcode(40005, "invalid file type"));
    let account = answers_with_files(&platform).start();
    account
        .log()
        .says("picture answers nothing: menu.gif is not uploaded: ");
    account.post(&text("picture")).is_success();
    eventually("the failure in check", account.log(), || {
        let check = account.command(&["check"]);
        check
            .stdout
            .contains("menu.gif (image, picture): answers nothing, the upload failed: ")
            && check.stdout.contains("40005")
    });
    std::fs::write(account.folder().join("menu.gif"), "GIF89a of another time").unwrap();
    platform.heal();
    account.reload();
    account.log().says("picture: menu.gif is uploaded");
    account.post(&text("picture")).reply();
}

#[test]
fn a_file_that_changes_after_it_was_read_is_not_uploaded() {
    let platform = Platform::start();
    platform.fault("/cgi-bin/stable_token", Fault::Hang);
    let account = answers_with_files(&platform).start();
    eventually("the first upload", account.log(), || {
        platform.token_calls() == 1
    });
    std::fs::write(account.folder().join("hello.mp3"), "ID3\x04 another").unwrap();
    platform.release();
    account
        .log()
        .says("hello.mp3 is not uploaded: the file has changed since the configuration was read; reload it");
    account.reload();
    account.log().says("hello.mp3 is uploaded");
}
