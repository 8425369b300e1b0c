//! Files beside `wechat.conf` that rules name: pictures of articles, and files that are uploaded.

use super::*;
use std::os::unix::fs::symlink;
use wechatd::config::{Action, Media};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const JPEG: &[u8] = b"\xff\xd8\xff\xe0";
const WEB: &str = "web.url = \"https://example.com\"\n";

/// A folder in another, with files of all sorts.
fn folder() -> tempfile::TempDir {
    let around = tempfile::tempdir().unwrap();
    let folder = around.path().join("conf");
    std::fs::create_dir_all(folder.join("pictures/deep")).unwrap();
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    put("a.jpg", JPEG);
    put("pictures/b.jpeg", PNG);
    put("c.svg", b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>");
    put("d.png", b"GIF89a");
    put("e.png", b"secret = 1");
    put("f.png", b"");
    put("g.jpg", &[JPEG, &vec![0; 2 << 20][..]].concat());
    put("h.jpg", &[JPEG, &vec![0; (2 << 20) - 4][..]].concat());
    put("i.mp3", b"ID3\x04");
    put("j.mp4", b"\0\0\0\x18ftypmp42");
    put("../outside.png", PNG);
    symlink("../outside.png", folder.join("k.png")).unwrap();
    symlink("/etc", folder.join("l")).unwrap();
    symlink("pictures/b.jpeg", folder.join("m")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        folder.join("n.png"),
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .unwrap();
    around
}

fn read(around: &Path, text: &str) -> Result<Config, String> {
    let secret = Some("0123456789abcdef0123456789abcdef");
    let read = Config::read(&around.join("conf/wechat.conf"), text, secret);
    read.map_err(|problems| problems.to_string())
}

fn news(picture: &str) -> String {
    format!(
        "[[rule]]\nmessage = \"text\"\nnews = [{{ title = \"a\", url = \"https://a/\", pic_url = \"{picture}\" }}]\n"
    )
}

#[test]
fn a_picture_beside_the_configuration_gets_an_address_by_its_content() {
    let around = folder();
    let addresses = |text: &str| -> Vec<String> {
        let config = read(around.path(), text).unwrap();
        config.pictures.into_iter().map(|one| one.address).collect()
    };
    let [jpeg, png] =
        ["a.jpg", "pictures/b.jpeg"].map(|name| addresses(&[WEB, &news(name)].concat()));
    let prefix = "https://example.com/wx/p/";
    assert!(
        jpeg[0].starts_with(prefix) && jpeg[0].ends_with(".jpg"),
        "{jpeg:?}"
    );
    assert_eq!(jpeg[0].len(), prefix.len() + 64 + 4);
    assert!(png[0].ends_with(".png"), "{png:?}");
    let same = ["pictures/deep/../b.jpeg", "m", "./m"];
    for name in same {
        assert_eq!(addresses(&[WEB, &news(name)].concat()), png, "{name}");
    }
    assert_eq!(addresses(&[WEB, &news("h.jpg")].concat()).len(), 1);
    let twice = [WEB, &news("a.jpg"), &news("a.jpg")].concat();
    assert_eq!(addresses(&twice), jpeg);
    let elsewhere = "web.url = \"http://localhost:8080\"\nweb.path = \"/a/b\"\n";
    let moved = addresses(&[elsewhere, &news("a.jpg")].concat());
    assert!(
        moved[0].starts_with("http://localhost:8080/a/b/p/"),
        "{moved:?}"
    );
    for url in [
        "",
        "https://a/{1}.png",
        "http://a/b.png",
        "{content}",
        "{content}.png",
    ] {
        let text = news(url).replace("news", "regex = \"(.*)\"\nnews");
        assert!(addresses(&text).is_empty(), "{url}");
    }
}

#[test]
fn mistakes_of_pictures_are_reported_with_their_lines() {
    let around = folder();
    for (name, part) in [
        ("z.png", "there is no "),
        ("//cdn.example.com/z.png", "there is no "),
        (
            "../outside.png",
            "is outside the folder of the configuration",
        ),
        ("k.png", "is outside the folder of the configuration"),
        ("l/passwd", "is outside the folder of the configuration"),
        ("/etc/passwd", "is outside the folder of the configuration"),
        (
            "c.svg",
            "is SVG, which WeChat does not take: save it as PNG",
        ),
        (
            "d.png",
            "is GIF, and a picture of an article is JPEG or PNG",
        ),
        ("e.png", "is none of PNG, JPEG"),
        ("f.png", "is empty"),
        ("g.jpg", "is larger than 2 MiB"),
        ("n.png", "is no file"),
        ("pictures", "is no file"),
        (".", "is no file"),
        ("a.jpg/", "cannot be read: Not a directory"),
        ("a\\u0000.jpg", "control character"),
    ] {
        let problems = read(around.path(), &[WEB, &news(name)].concat()).unwrap_err();
        let place = "wechat.conf:4: rule #1: news.pic_url: ";
        assert!(
            problems.contains(place) && problems.contains(part),
            "{name}: {problems}"
        );
    }
    let problems = read(around.path(), &news("a.jpg")).unwrap_err();
    assert!(
        problems.contains(":3: ") && problems.contains("set web.url"),
        "{problems}"
    );
    // A web.url with a mistake is one mistake.
    for url in [
        "web.url = \"example.com\"\n",
        "web.ulr = \"https://example.com\"\n",
    ] {
        let problems = read(around.path(), &[url, &news("a.jpg")].concat()).unwrap_err();
        assert_eq!(problems.lines().count(), 1, "{problems}");
    }
}

#[test]
fn there_can_be_200_pictures() {
    let around = folder();
    let put = |number: usize| {
        let name = format!("{number}.png");
        let bytes = [PNG, name.as_bytes()].concat();
        std::fs::write(around.path().join("conf").join(&name), bytes).unwrap();
        news(&name)
    };
    let rules: String = (0..200).map(put).collect();
    let config = read(around.path(), &[WEB, &rules].concat()).unwrap();
    assert_eq!(config.pictures.len(), 200);
    let problems = read(around.path(), &[WEB, &rules, &news("a.jpg")].concat()).unwrap_err();
    assert!(problems.contains("there can be 200 pictures"), "{problems}");
}

#[test]
fn an_answer_names_a_media_id_or_a_file_of_its_type() {
    let around = folder();
    let rule = |answer: &str| format!("[[rule]]\nmessage = \"text\"\n{answer}\n");
    let rights = "account.app_id = \"wx7a9c0e1f2b3d4c5e\"\n";
    let read = |text: &str| read(around.path(), text);
    for (answer, media_type) in [
        ("image = \"d.png\"", "image"),
        ("image = \"m\"", ""),
        ("image = \"./m\"", "image"),
        ("voice = \"i.mp3\"", "voice"),
        ("video = { media_id = \"j.mp4\" }", "video"),
        ("music = { thumb_media_id = \"a.jpg\" }", "thumb"),
        ("music = { thumb_media_id = \"MEDIA-_7\" }", ""),
    ] {
        let config = read(&[rights, &rule(answer)].concat()).unwrap();
        let found = match config.rules[0].action.media().unwrap() {
            Media::File(file) => file.media_type.name(),
            Media::Id(_) => "",
        };
        assert_eq!(found, media_type, "{answer}");
    }
    for (answer, part) in [
        ("image = \"z.png\"", "image: there is no "),
        ("image = \"k.png\"", "is outside the folder"),
        (
            "image = \"i.mp3\"",
            "is MP3, and a file of type image is PNG, JPEG, GIF or BMP",
        ),
        ("voice = \"a.jpg\"", "is JPG, and a file of type voice is "),
        ("video = { media_id = \"a.jpg\" }", "video.media_id: "),
        (
            "music = { thumb_media_id = \"d.png\" }",
            "is GIF, and a file of type thumb is JPEG",
        ),
        (
            "music = { thumb_media_id = \"g.jpg\" }",
            "is larger than 64 KiB",
        ),
    ] {
        let problems = read(&[rights, &rule(answer)].concat()).unwrap_err();
        assert!(
            problems.contains("wechat.conf:4: ") && problems.contains(part),
            "{answer}: {problems}"
        );
    }
    let problems = read(&rule("image = \"a.jpg\"")).unwrap_err();
    assert!(
        problems.contains(":3: ") && problems.contains("needs account.app_id"),
        "{problems}"
    );
    let is_text = |config: Config| matches!(config.rules[0].action, Action::Text(_));
    assert!(is_text(read(&rule("text = \"a.jpg\"")).unwrap()));
}
