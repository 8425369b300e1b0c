//! Temporary media: uploading files to the platform and fetching them.

use crate::support::*;
use serde_json::json;

const UPLOAD: &str = "/cgi-bin/media/upload";

fn account(platform: &Platform) -> Account {
    Setup::new().platform(platform).stopped()
}

fn put(account: &Account, name: &str, bytes: &[u8]) {
    std::fs::write(account.folder().join(name), bytes).unwrap();
}

#[test]
fn upload_finds_the_type_by_the_content_and_prints_the_media_id() {
    let platform = Platform::start();
    let account = account(&platform);
    for (name, bytes, media_type, sent_as) in [
        ("a.gif", &b"GIF89a"[..], "image", "a.gif"),
        ("b.PNG", b"\x89PNG\r\n\x1a\n", "image", "b.PNG"),
        ("c", b"\xff\xd8\xff\xe0", "image", "c.jpg"),
        ("d.bin", b"ID3 song", "voice", "d.bin.mp3"),
        ("e.mp4", b"\0\0\0\x18ftypmp42", "video", "e.mp4"),
    ] {
        put(&account, name, bytes);
        let ran = account.command(&["media", "upload", name]);
        ran.ok().says(&format!("SYN_{media_type}_"));
        let call = platform.calls().pop().unwrap();
        assert_eq!(call.path, UPLOAD);
        assert_eq!(call.query.get("type").map(String::as_str), Some(media_type));
        let filename = format!("filename=\"{sent_as}\"");
        assert!(call.body.contains(&filename), "{filename}: {}", call.body);
    }
    let json = account
        .command(&["media", "upload", "c", "--type", "thumb", "--json"])
        .json();
    assert_eq!(json["type"], "thumb");
    assert_eq!(json["media_id"], "SYN_thumb_6");
    assert!(json["expires_at"].as_i64().unwrap() > now() + 250_000);
}

#[test]
fn types_and_sizes_are_checked_before_anything_is_sent() {
    let platform = Platform::start();
    let account = account(&platform);
    put(&account, "a.gif", b"GIF89a");
    put(&account, "empty.gif", b"");
    put(&account, "text.gif", b"no picture at all");
    let mut large = b"\xff\xd8\xff\xe0".to_vec();
    large.resize(70 << 10, 0);
    put(&account, "large.jpg", &large);
    large.resize((10 << 20) + 1, 0);
    put(&account, "huge.jpg", &large);
    for (arguments, why) in [
        (&["upload", "none.gif"][..], "none.gif"),
        (&["upload", "empty.gif"], "none of PNG"),
        (&["upload", "text.gif"], "none of PNG"),
        (&["upload", "a.gif", "--type", "voice"], "AMR or MP3"),
        (
            &["upload", "a.gif", "--type", "picture"],
            "image, voice, video, thumb",
        ),
        (&["upload", "large.jpg", "--type", "thumb"], "takes 64 KiB"),
        (&["upload", "huge.jpg"], "takes 10 MiB"),
        (&["image", "a.gif"], "PNG or JPEG"),
        (&["image", "huge.jpg"], "takes 1023 KiB"),
    ] {
        account
            .command(&[&["media"], arguments].concat())
            .refused()
            .complains(why);
    }
    assert!(platform.calls().is_empty(), "{:?}", platform.calls());
}

/// A file that begins with an `ftyp` box of these brands, the major one first.
fn ftyp(brands: &[&str]) -> Vec<u8> {
    let length = u32::try_from(12 + 4 * brands.len()).unwrap();
    let mut file = length.to_be_bytes().to_vec();
    file.extend(b"ftyp");
    file.extend(brands[0].as_bytes());
    file.extend(b"\0\0\0\0");
    for brand in &brands[1..] {
        file.extend(brand.as_bytes());
    }
    file.extend(b"\0\0\0\x08free");
    file
}

#[test]
fn an_unsupported_format_is_refused_with_the_format_to_save_it_as() {
    let platform = Platform::start();
    let account = account(&platform);
    let wmv = [
        &b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9"[..],
        b"\xc0\xef\x19\xbc\x4d\x5b\xcf\x11\xa8\xfd\x00\x80\x5f\x5c\x44\x2b",
    ]
    .concat();
    let mut voice_memo = ftyp(&["mp42", "isom"]);
    voice_memo.extend(b"\0\0\0\x21hdlr\0\0\0\0\0\0\0\0soun\0\0\0\0");
    for (bytes, is, save_as) in [
        (ftyp(&["heic", "mif1", "heic"]), "HEIC", "JPEG"),
        (ftyp(&["heix"]), "HEIC", "JPEG"),
        (ftyp(&["hevc"]), "HEIC", "JPEG"),
        (ftyp(&["mif1", "heic"]), "HEIC", "JPEG"),
        (ftyp(&["mif1", "miaf", "avif"]), "AVIF", "JPEG"),
        (ftyp(&["avif"]), "AVIF", "JPEG"),
        (ftyp(&["avis"]), "AVIF", "JPEG"),
        (ftyp(&["M4A ", "mp42", "isom"]), "M4A", "MP3"),
        (ftyp(&["M4B ", "mp42"]), "M4A", "MP3"),
        (voice_memo, "M4A", "MP3"),
        (ftyp(&["qt  "]), "QuickTime", "MP4"),
        (ftyp(&["3gp4", "isom"]), "3GP", "MP4"),
        (ftyp(&["3g2a"]), "3GP", "MP4"),
        (ftyp(&["crx "]), "Canon", "JPEG"),
        (ftyp(&["zzzz"]), "\"zzzz\"", "MP4"),
        (b"\0\0\0\x0cJXL \r\n\x87\n".to_vec(), "JPEG XL", "JPEG"),
        (b"RIFF\x24\0\0\0WEBPVP8 ".to_vec(), "WebP", "JPEG"),
        (b"RIFF\x24\0\0\0AVI LIST".to_vec(), "AVI", "MP4"),
        (b"II*\0\x08\0\0\0".to_vec(), "TIFF", "JPEG"),
        (b"MM\0*\0\0\0\x08".to_vec(), "TIFF", "JPEG"),
        (
            b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec(),
            "SVG",
            "PNG",
        ),
        (b"%PDF-1.7".to_vec(), "PDF", "JPEG"),
        (b"OggS\0\x02".to_vec(), "Ogg", "MP3"),
        (b"fLaC\0\0\0\x22".to_vec(), "FLAC", "MP3"),
        (b"\xff\xf1\x50\x80".to_vec(), "AAC", "MP3"),
        (b"#!SILK_V3".to_vec(), "SILK", "MP3"),
        (b"\x02#!SILK_V3".to_vec(), "SILK", "MP3"),
        (b"FORM\0\0\x10\0AIFF".to_vec(), "AIFF", "MP3"),
        (b"\x1a\x45\xdf\xa3\x01".to_vec(), "Matroska", "MP4"),
        (b"FLV\x01\x05".to_vec(), "FLV", "MP4"),
        (b"\0\0\x01\xba\x44".to_vec(), "MPEG", "MP4"),
        (wmv, "WMV", "MP4"),
    ] {
        put(&account, "file.mp4", &bytes);
        for command in [
            &["media", "upload", "file.mp4"][..],
            &["material", "upload", "file.mp4"],
            &["send", FAN, "--image", "file.mp4"],
        ] {
            account
                .command(command)
                .refused()
                .complains(is)
                .complains(&format!("save it as {save_as}"));
        }
    }
    // A format for permanent material only.
    put(&account, "tone.wav", b"RIFF\x24\0\0\0WAVEfmt ");
    account
        .command(&["media", "upload", "tone.wav"])
        .refused()
        .complains("save it as AMR or MP3");
    assert!(platform.calls().is_empty(), "{:?}", platform.calls());
    for brands in [
        &["isom", "avc1"][..],
        &["mp41"],
        &["avc1"],
        &["M4V ", "mp42"],
        &["iso6", "dash"],
        &["zzzz", "isom"],
        &["MSNV", "mp42"],
    ] {
        put(&account, "film.mp4", &ftyp(brands));
        account
            .command(&["media", "upload", "film.mp4"])
            .ok()
            .says("SYN_video_");
    }
    let mut film = ftyp(&["mp42"]);
    film.extend(b"\0\0\0\x21hdlr\0\0\0\0\0\0\0\0soun\0\0\0\x21hdlr\0\0\0\0\0\0\0\0vide");
    put(&account, "film.mp4", &film);
    account
        .command(&["media", "upload", "film.mp4"])
        .ok()
        .says("SYN_video_");
}

#[test]
fn get_writes_the_complete_file_or_none() {
    let platform = Platform::start();
    let account = account(&platform);
    let ran = account.command(&["media", "get", "SYN_photo", "--out", "photo.gif"]);
    ran.ok().complains("photo.gif");
    let photo = account.folder().join("photo.gif");
    assert_eq!(
        std::fs::read_to_string(&photo).unwrap(),
        "GIF89a of SYN_photo"
    );
    let ran = account.command(&["media", "get", "SYN_other"]);
    assert_eq!(ran.ok().stdout, "GIF89a of SYN_other");
    account
        .command(&["media", "get", "gone", "--out", "photo.gif"])
        .failed()
        .complains("40007");
    assert_eq!(
        std::fs::read_to_string(&photo).unwrap(),
        "GIF89a of SYN_photo"
    );
    assert!(!account.folder().join("photo.gif.part").exists());
}

#[test]
fn a_full_disk_is_reported_as_such_and_not_as_a_fault_of_the_platform() {
    let platform = Platform::start();
    let account = account(&platform);
    // A full disk of one page, mounted for the command only; needs root or user namespaces.
    let script = "mkdir full && mount -t tmpfs -o size=4k tmpfs full && head -c 4096 /dev/zero >full/ballast && { \"$@\"; code=$?; ls full; exit $code; }";
    let program = account.program(&["media", "get", "SYN_photo", "--out", "full/photo.gif"]);
    let mut command = std::process::Command::new("unshare");
    command.args(["--mount", "--map-root-user", "sh", "-c", script, "sh"]);
    command.arg(program.get_program()).args(program.get_args());
    command.current_dir(account.folder());
    let ran = Ran::of(command, "");
    match ["unshare:", "mount:"]
        .iter()
        .any(|tool| ran.stderr.contains(tool))
    {
        true => eprintln!("cannot mount a full disk here: {}", ran.stderr),
        false => {
            ran.expect(ran.code == 1, "exit code 1");
            ran.complains("photo.gif: No space left on device")
                .complains("make room");
            ran.expect(!ran.stderr.contains("api:"), "no word about the platform");
            assert_eq!(ran.stdout, "ballast\n", "no partial file");
        }
    }
    let run = |stdout: std::process::Stdio| {
        let mut program = account.program(&["media", "get", "SYN_photo"]);
        let ran = program.stdout(stdout).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        (ran.status.code(), said)
    };
    let nowhere = std::fs::File::options().write(true).open("/dev/full");
    let (code, said) = run(nowhere.unwrap().into());
    assert_eq!(code, Some(1));
    assert!(said.contains("output: No space left"), "{said}");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(run(writer.into()), (Some(0), String::new()));
}

#[test]
fn get_prints_the_url_of_a_video() {
    let platform = Platform::start();
    let account = account(&platform);
    let url = "http://video.example.com/SYN.mp4\n";
    let ran = account.command(&["media", "get", "SYN_video"]);
    assert_eq!(ran.ok().stdout, url);
    let ran = account.command(&["media", "get", "SYN_video", "--out", "tour.mp4"]);
    assert_eq!(ran.failed().stdout, url);
    assert!(!account.folder().join("tour.mp4").exists());
}

#[test]
fn image_prints_the_url_for_articles() {
    let platform = Platform::start();
    let account = account(&platform);
    put(&account, "cover.jpg", b"\xff\xd8\xff\xe0");
    let ran = account.command(&["media", "image", "cover.jpg"]);
    assert_eq!(ran.ok().stdout, "http://mmbiz.qpic.cn/SYN/0\n");
    let json = account
        .command(&["media", "image", "cover.jpg", "--json"])
        .json();
    assert_eq!(json, json!({"url": "http://mmbiz.qpic.cn/SYN/0"}));
    assert_eq!(platform.count("/cgi-bin/media/uploadimg"), 2);
}

#[test]
fn get_fetches_the_recording_of_a_web_page_as_speex() {
    let platform = Platform::start();
    let account = account(&platform);
    let ran = account.command(&["media", "get", "SYN_voice", "--speex"]);
    assert_eq!(ran.ok().stdout, "speex of SYN_voice");
    account
        .command(&["media", "get", "gone", "--speex", "--out", "voice.speex"])
        .failed()
        .complains("40007");
    assert!(!account.folder().join("voice.speex").exists());
    assert_eq!(platform.count("/cgi-bin/media/get/jssdk"), 2);
    assert_eq!(platform.count("/cgi-bin/media/get"), 0);
}

#[test]
fn ctrl_c_leaves_no_partial_file() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    platform.always("/cgi-bin/media/get", Fault::Trickle);
    let mut command = account.program(&["media", "get", "SYN_image_1", "--out", "picture.jpg"]);
    command.stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    let part = account.folder().join("picture.jpg.part");
    eventually("the partial file", account.log(), || part.exists());
    account::send_signal(child.id(), "INT");
    let out = child.wait_with_output().unwrap();
    assert_eq!(out.status.code(), Some(130));
    assert_eq!(
        String::from_utf8_lossy(&out.stderr),
        "wechatd: picture.jpg: not written: interrupted\n"
    );
    assert!(!part.exists());
    assert!(!account.folder().join("picture.jpg").exists());
}
