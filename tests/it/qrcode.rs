//! The QR code commands: creating and drawing codes, and counting who used them.

use crate::support::*;
use serde_json::json;

const CREATE: &str = "/cgi-bin/qrcode/create";

fn account(platform: &Platform) -> Account {
    Setup::new().platform(platform).stopped()
}

/// Decodes a code from its modules, true for dark, drawn four pixels wide.
fn decoded(width: usize, dark: impl Fn(usize, usize) -> bool) -> String {
    let grey = |x: usize, y: usize| if dark(x / 4, y / 4) { 0 } else { 255 };
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width * 4, width * 4, grey);
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1, "one code");
    grids[0].decode().unwrap().1
}

/// Decodes a code drawn with half blocks.
fn decoded_from_terminal(stdout: &str) -> String {
    let drawing: Vec<Vec<char>> = stdout
        .lines()
        .skip_while(|line| !line.is_empty())
        .skip(1)
        .map(|line| line.chars().collect())
        .collect();
    let width = drawing[0].len();
    decoded(width, |x, y| {
        let block = drawing[y / 2].get(x).copied().unwrap_or(' ');
        block == '█' || block == if y % 2 == 0 { '▀' } else { '▄' }
    })
}

#[test]
fn a_code_printed_in_the_terminal_decodes_to_its_url() {
    let platform = Platform::start();
    let account = account(&platform);
    for scene in ["10086", "poster-7", "海报"] {
        let ran = account.command(&["qrcode", "create", scene]);
        ran.ok().says("ticket").says("gQSYN_");
        let url = format!("http://weixin.qq.com/q/SYN_{scene}");
        ran.says(&url);
        assert_eq!(decoded_from_terminal(&ran.stdout), url);
    }
}

#[test]
fn the_scene_decides_between_number_and_text() {
    let platform = Platform::start();
    let account = account(&platform);
    let cases: [(&[&str], &str, serde_json::Value); 6] = [
        (
            &["10086"],
            "(a number)",
            json!({"expire_seconds": 604_800, "action_name": "QR_SCENE", "action_info": {"scene": {"scene_id": 10086}}}),
        ),
        (
            &["poster-7"],
            "(a text)",
            json!({"expire_seconds": 604_800, "action_name": "QR_STR_SCENE", "action_info": {"scene": {"scene_str": "poster-7"}}}),
        ),
        (
            &["10086", "--expires", "30d"],
            "30d",
            json!({"expire_seconds": 2_592_000, "action_name": "QR_SCENE", "action_info": {"scene": {"scene_id": 10086}}}),
        ),
        (
            &["99", "--permanent"],
            "for ever",
            json!({"action_name": "QR_LIMIT_SCENE", "action_info": {"scene": {"scene_id": 99}}}),
        ),
        (
            &["100001", "--permanent"],
            "a text: as a number",
            json!({"action_name": "QR_LIMIT_STR_SCENE", "action_info": {"scene": {"scene_str": "100001"}}}),
        ),
        (
            &["007"],
            "a text: as a number",
            json!({"expire_seconds": 604_800, "action_name": "QR_STR_SCENE", "action_info": {"scene": {"scene_str": "007"}}}),
        ),
    ];
    for (arguments, says, sent) in cases {
        let ran = account.command(&[&["qrcode", "create"], arguments].concat());
        ran.ok().says(says);
        assert_eq!(platform.bodies(CREATE).last(), Some(&sent));
    }
    let json = account
        .command(&["qrcode", "create", "poster-7", "--json"])
        .json();
    assert_eq!(json["kind"], "scene_str");
    assert_eq!(json["url"], "http://weixin.qq.com/q/SYN_poster-7");
    assert_eq!(json["expire_seconds"], 604_800);
}

#[test]
fn png_and_svg_files_contain_the_code() {
    let platform = Platform::start();
    let account = account(&platform);
    let (png, svg) = (
        account.folder().join("code.png"),
        account.folder().join("code.SVG"),
    );
    for file in [&png, &svg] {
        let file = file.to_str().unwrap();
        account
            .command(&["qrcode", "create", "poster-7", "--permanent", "--out", file])
            .ok()
            .says(file);
    }
    let decoder = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(&png).unwrap()));
    let mut reader = decoder.read_info().unwrap();
    let mut bits = vec![0; reader.output_buffer_size().unwrap()];
    let image = reader.next_frame(&mut bits).unwrap();
    let edge = image.width as usize;
    let read = decoded(edge / 10, |x, y| {
        let (x, y) = (x * 10 + 5, y * 10 + 5);
        bits[y * image.line_size + x / 8] & (0x80 >> (x % 8)) == 0
    });
    assert_eq!(read, "http://weixin.qq.com/q/SYN_poster-7");
    let svg = std::fs::read_to_string(&svg).unwrap();
    assert!(svg.contains("<svg") && svg.contains("<path"), "{svg}");
}

#[test]
fn invalid_arguments_are_refused_before_a_code_is_created() {
    let platform = Platform::start();
    let account = account(&platform);
    let long = "x".repeat(65);
    for arguments in [
        &["x", "--expires", "31d"][..],
        &["x", "--expires", "soon"],
        &["x", "--expires", "0s"],
        &["x", "--expires", "7d", "--permanent"],
        &["x", "--permanent", "--out", "code.jpg"],
        &["x", "--permanent", "--out", "code"],
        &[""],
        &[&long],
    ] {
        account
            .command(&[&["qrcode", "create"], arguments].concat())
            .refused();
    }
    assert_eq!(platform.count(CREATE), 0);
    platform.fault(CREATE, Fault::Errcode(45029, "qrcode count out of limit"));
    account
        .command(&["qrcode", "create", "x", "--permanent"])
        .failed()
        .complains("use codes that expire");
}

#[test]
fn stats_count_follows_and_scans_per_scene() {
    let account = Account::start();
    let fans: Vec<String> = (0..4).map(|_| another_fan()).collect();
    for fan in &fans[..3] {
        account
            .post(&subscribe_by("poster-7").from(fan))
            .is_status(200);
    }
    account
        .post(&subscribe_by("10086").from(&fans[3]))
        .is_status(200);
    account
        .post(&subscribe().from(&another_fan()))
        .is_status(200);
    account.post(&unsubscribe().from(&fans[0])).is_status(200);
    for scene in ["10086", "10086", "door"] {
        account.post(&scan(scene).from(&fans[3])).is_status(200);
    }
    let rows = account.command(&["qrcode", "stats", "--json"]).json();
    let rows: Vec<String> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            format!(
                "{} {} {}",
                row["scene"].as_str().unwrap(),
                row["follows"],
                row["scans"]
            )
        })
        .collect();
    assert_eq!(rows, ["poster-7 3 0", "10086 1 2", "door 0 1"]);
    let ran = account.command(&["qrcode", "stats"]);
    ran.ok().says("SCENE").says("poster-7  3        0");
    let none = account.command(&["qrcode", "stats", "--since", "2999-01-01", "--json"]);
    assert_eq!(none.json(), json!([]));
}

#[test]
fn picture_fetches_the_platforms_own_image_without_a_token() {
    const PICTURE: &str = "/cgi-bin/showqrcode";
    let platform = Platform::start();
    let account = account(&platform);
    let ticket = "gQSYN+/8TAAA==";
    account
        .command(&["qrcode", "picture", ticket, "--out", "code.jpg"])
        .ok()
        .complains("code.jpg: 24 bytes");
    let file = account.folder().join("code.jpg");
    let picture = format!("GIF89a of {ticket}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), picture);
    let call = platform.calls().pop().unwrap();
    assert_eq!(call.query.len(), 1, "{call:?}");
    assert_eq!(platform.token_calls(), 0);
    platform.fault(PICTURE, Fault::NotFound);
    account
        .command(&["qrcode", "picture", ticket, "--out", "code.jpg"])
        .failed()
        .complains("does not know this ticket");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), picture);
    assert_eq!(platform.count(PICTURE), 2);
}
