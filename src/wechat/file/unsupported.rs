//! Recognizes files that the platform does not accept by their first bytes, and says what to save them as.

use std::borrow::Cow;

/// A file that the platform does not accept.
#[derive(Debug)]
pub struct Unsupported {
    /// What it is.
    pub name: Cow<'static, str>,
    /// What to save it as.
    pub save_as: &'static str,
}

/// Kinds with a signature: its offset, its bytes, the name of the kind, and what to save it as.
const KINDS: &[(usize, &[u8], &str, &str)] = &[
    (8, b"WEBP", "WebP", "JPEG or PNG"),
    (8, b"AVI ", "AVI", "MP4"),
    (8, b"AIFF", "AIFF", "MP3"),
    (8, b"AIFC", "AIFF", "MP3"),
    (0, b"II*\0", "TIFF", "JPEG"),
    (0, b"MM\0*", "TIFF", "JPEG"),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL", "JPEG"),
    (0, b"\xff\x0a", "JPEG XL", "JPEG"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000", "JPEG"),
    (0, b"8BPS", "a Photoshop file", "JPEG or PNG"),
    (0, b"<svg", "SVG", "PNG"),
    (0, b"%PDF", "PDF", "JPEG, a picture of each page"),
    (0, b"OggS", "Ogg", "MP3"),
    (0, b"fLaC", "FLAC", "MP3"),
    (0, b"#!SILK", "SILK", "MP3"),
    (0, b"\x02#!SILK", "SILK", "MP3"),
    (0, b"MThd", "MIDI", "MP3"),
    (0, b"\x1a\x45\xdf\xa3", "Matroska or WebM", "MP4"),
    (0, b"FLV\x01", "FLV", "MP4"),
    (0, b"\0\0\x01\xba", "MPEG", "MP4"),
    (0, b"\0\0\x01\xb3", "MPEG", "MP4"),
];

/// Brands in the `ftyp` box of ISO media files, by prefix; what such files are, and what to save them as.
const BRANDS: &[(&str, Brand)] = &[
    ("hei", Brand::Unsupported("HEIC", "JPEG")),
    ("hev", Brand::Unsupported("HEIC", "JPEG")),
    ("avi", Brand::Unsupported("AVIF", "JPEG or PNG")),
    ("M4A", SOUND),
    ("M4B", SOUND),
    ("M4P", SOUND),
    ("qt", Brand::Unsupported("QuickTime (MOV)", "MP4")),
    ("3g", Brand::Unsupported("3GP", "MP4")),
    ("F4", Brand::Unsupported("Flash video", "MP4")),
    (
        "crx",
        Brand::Unsupported("a raw picture of a Canon camera", "JPEG"),
    ),
    ("iso", Brand::Mp4),
    ("mp4", Brand::Mp4),
    ("avc", Brand::Mp4),
    ("M4V", Brand::Mp4),
    ("MSNV", Brand::Mp4),
    ("dash", Brand::Mp4),
];

#[derive(Debug, Clone, Copy)]
enum Brand {
    Mp4,
    Unsupported(&'static str, &'static str),
}

const SOUND: Brand = Brand::Unsupported("M4A", "MP3");

/// Major brands that only say "pictures"; the compatible brands say which.
const PICTURES: [&[u8]; 2] = [b"mif1", b"msf1"];

/// The first bytes of every Windows Media file, and of its description of a video stream.
const WINDOWS_MEDIA: &[u8] = b"\x30\x26\xb2\x75\x8e\x66\xcf\x11";
const WINDOWS_VIDEO: &[u8] = b"\xc0\xef\x19\xbc\x4d\x5b\xcf\x11\xa8\xfd\x00\x80\x5f\x5c\x44\x2b";

impl Unsupported {
    fn new(name: &'static str, save_as: &'static str) -> Unsupported {
        Unsupported {
            name: Cow::Borrowed(name),
            save_as,
        }
    }

    /// What the file is, or `None` if it is not known here.
    pub(super) fn of(bytes: &[u8]) -> Option<Unsupported> {
        if bytes.get(4..8) == Some(b"ftyp") {
            return iso_media(bytes);
        }
        // An ADTS frame: its layer is 0, while that of MP3 is 1.
        if matches!(bytes, [0xff, second, ..] if second & 0xf6 == 0xf0) {
            return Some(Unsupported::new("AAC", "MP3"));
        }
        let holds = |mark: &[u8]| bytes.windows(mark.len()).any(|part| part == mark);
        if bytes.starts_with(WINDOWS_MEDIA) && holds(WINDOWS_VIDEO) {
            return Some(Unsupported::new("WMV", "MP4"));
        }
        let is_at =
            |at: usize, mark: &[u8]| bytes.get(at..).is_some_and(|rest| rest.starts_with(mark));
        let (_, _, name, save_as) = KINDS.iter().find(|(at, mark, ..)| is_at(*at, mark))?;
        Some(Unsupported::new(name, save_as))
    }
}

/// What a file with an `ftyp` box is, by the first brand that is known; `None` if it is MP4.
fn iso_media(bytes: &[u8]) -> Option<Unsupported> {
    let length = u32::from_be_bytes(*bytes.first_chunk()?);
    let end = usize::try_from(length).map_or(bytes.len(), |end| end.min(bytes.len()));
    let major = bytes.get(8..12).unwrap_or_default();
    let compatible = bytes.get(16..end).unwrap_or_default().chunks(4);
    let mut brands = std::iter::once(major).chain(compatible);
    let known = brands.find_map(|brand| {
        let is_it = |(beginning, _): &&(&str, Brand)| brand.starts_with(beginning.as_bytes());
        BRANDS.iter().find(is_it).map(|(_, what)| *what)
    });
    let what = match known {
        Some(Brand::Mp4) if is_sound_only(bytes) => SOUND,
        Some(what) => what,
        None if PICTURES.contains(&major) => Brand::Unsupported("HEIC", "JPEG"),
        None => {
            let major = String::from_utf8_lossy(major);
            return Some(Unsupported {
                name: Cow::Owned(format!("a file of the brand {major:?}")),
                save_as: "MP4",
            });
        }
    };
    match what {
        Brand::Mp4 => None,
        Brand::Unsupported(name, save_as) => Some(Unsupported::new(name, save_as)),
    }
}

/// Whether the file has tracks but no video: phones record voice like this, under an MP4 brand. A track's type is
/// twelve bytes after the start of its `hdlr` box's name.
fn is_sound_only(bytes: &[u8]) -> bool {
    let boxes = bytes.windows(16).filter(|part| part.starts_with(b"hdlr"));
    let mut tracks = boxes.map(|part| &part[12..]).peekable();
    tracks.peek().is_some() && tracks.all(|track| track != b"vide")
}
