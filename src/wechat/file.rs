//! Files that the platform takes: their kinds by the first bytes, and what each may be sent as.

mod unsupported;

use std::fmt;

use crate::counted::counted;
pub use unsupported::Unsupported;

/// The type of a file in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaType {
    /// PNG, JPEG or GIF, 10 MB; keep to 2 MB, an older limit that some accounts still have.
    Image,
    /// AMR or MP3, 2 MB, 60 seconds.
    Voice,
    /// MP4, 10 MB.
    Video,
    /// JPEG, 64 KB: the picture of a music or mini program message.
    Thumb,
}

/// The kinds of files that the platform accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Kind {
    Png,
    Jpeg,
    Gif,
    Bmp,
    Amr,
    Mp3,
    Wma,
    Wav,
    Mp4,
}

/// How long the platform keeps a file. Permanent files may be of more kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// Temporary media.
    ThreeDays,
    /// Permanent material.
    Permanent,
}

/// Why a file cannot be sent.
#[derive(Debug)]
pub enum Unfit {
    /// The platform does not take files of this kind.
    Unsupported(Unsupported),
    /// Nothing is known that begins like it.
    Unknown,
    /// It cannot be sent as this type.
    OtherType(Kind, MediaType, Lifetime),
}

impl MediaType {
    /// Every type.
    pub const ALL: [MediaType; 4] = [
        MediaType::Image,
        MediaType::Voice,
        MediaType::Video,
        MediaType::Thumb,
    ];

    /// The platform's word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            MediaType::Image => "image",
            MediaType::Voice => "voice",
            MediaType::Video => "video",
            MediaType::Thumb => "thumb",
        }
    }

    /// The largest file of this type, in bytes.
    #[must_use]
    pub fn max_bytes(self) -> usize {
        match self {
            MediaType::Image | MediaType::Video => 10 * 1024 * 1024,
            MediaType::Voice => 2 * 1024 * 1024,
            MediaType::Thumb => 64 * 1024,
        }
    }

    /// Which files can be sent as this type.
    fn kinds(self, lifetime: Lifetime) -> &'static str {
        match (self, lifetime) {
            (MediaType::Image, Lifetime::ThreeDays) => "PNG, JPEG or GIF",
            (MediaType::Image, Lifetime::Permanent) => "PNG, JPEG, GIF or BMP",
            (MediaType::Voice, Lifetime::ThreeDays) => "AMR or MP3",
            (MediaType::Voice, Lifetime::Permanent) => "AMR, MP3, WMA or WAV",
            (MediaType::Video, Lifetime::ThreeDays | Lifetime::Permanent) => "MP4",
            (MediaType::Thumb, Lifetime::ThreeDays | Lifetime::Permanent) => "JPEG",
        }
    }
}

impl Kind {
    /// The kind of a file by its content: the platform looks at that too, not at the name.
    ///
    /// # Errors
    /// When the platform takes no such file.
    pub fn of(bytes: &[u8]) -> Result<Kind, Unfit> {
        match Unsupported::of(bytes) {
            Some(unsupported) => Err(Unfit::Unsupported(unsupported)),
            None => Kind::supported(bytes).ok_or(Unfit::Unknown),
        }
    }

    fn supported(bytes: &[u8]) -> Option<Kind> {
        match bytes {
            [0x89, b'P', b'N', b'G', ..] => Some(Kind::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Kind::Jpeg),
            [b'G', b'I', b'F', b'8', ..] => Some(Kind::Gif),
            // Its length, then four zero bytes.
            [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Some(Kind::Bmp),
            [b'#', b'!', b'A', b'M', b'R', ..] => Some(Kind::Amr),
            [0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11, ..] => Some(Kind::Wma),
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'A',
                b'V',
                b'E',
                ..,
            ] => Some(Kind::Wav),
            [b'I', b'D', b'3', ..] => Some(Kind::Mp3),
            // An MPEG layer III frame without a tag before it.
            [0xff, second, ..] if second & 0xe6 == 0xe2 => Some(Kind::Mp3),
            [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some(Kind::Mp4),
            _ => None,
        }
    }

    /// The extensions of such files; the first is the usual one.
    #[must_use]
    pub fn extensions(self) -> &'static [&'static str] {
        match self {
            Kind::Png => &["png"],
            Kind::Jpeg => &["jpg", "jpeg"],
            Kind::Gif => &["gif"],
            Kind::Bmp => &["bmp"],
            Kind::Amr => &["amr"],
            Kind::Mp3 => &["mp3"],
            Kind::Wma => &["wma"],
            Kind::Wav => &["wav"],
            Kind::Mp4 => &["mp4"],
        }
    }

    /// The name of a file of this kind: `name`, with an extension that fits.
    #[must_use]
    pub fn named(self, name: &str) -> String {
        let fits = name.rsplit_once('.').is_some_and(|(_, extension)| {
            let extension = extension.to_lowercase();
            self.extensions().contains(&extension.as_str())
        });
        match fits {
            true => name.to_owned(),
            false => format!("{name}.{}", self.extensions()[0]),
        }
    }

    /// The type that such a file is sent as by default.
    #[must_use]
    pub fn media_type(self) -> MediaType {
        match self {
            Kind::Png | Kind::Jpeg | Kind::Gif | Kind::Bmp => MediaType::Image,
            Kind::Amr | Kind::Mp3 | Kind::Wma | Kind::Wav => MediaType::Voice,
            Kind::Mp4 => MediaType::Video,
        }
    }

    /// Checks that such a file can be sent as this type.
    ///
    /// # Errors
    /// [`Unfit::OtherType`]
    pub fn check(self, wanted: MediaType, lifetime: Lifetime) -> Result<(), Unfit> {
        let of_type = match wanted {
            MediaType::Image | MediaType::Voice | MediaType::Video => self.media_type() == wanted,
            MediaType::Thumb => self == Kind::Jpeg,
        };
        let may = match self {
            Kind::Bmp | Kind::Wma | Kind::Wav => lifetime == Lifetime::Permanent,
            Kind::Png | Kind::Jpeg | Kind::Gif | Kind::Amr | Kind::Mp3 | Kind::Mp4 => true,
        };
        match of_type && may {
            true => Ok(()),
            false => Err(Unfit::OtherType(self, wanted, lifetime)),
        }
    }
}

/// A size in bytes, for people.
#[must_use]
pub fn shown_size(bytes: usize) -> String {
    match bytes {
        bytes if bytes >= 10 << 30 => format!("{} GiB", bytes >> 30),
        bytes if bytes >= 1 << 20 => format!("{} MiB", bytes >> 20),
        bytes if bytes >= 1 << 10 => format!("{} KiB", bytes >> 10),
        bytes => counted(bytes, "byte"),
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.extensions()[0].to_uppercase())
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::Unsupported(Unsupported { name, save_as }) => write!(
                f,
                "is {name}, which WeChat does not take: save it as {save_as}"
            ),
            Unfit::Unknown => f.write_str(
                "is none of PNG, JPEG, GIF, BMP, AMR, MP3, WMA, WAV, MP4 by its content",
            ),
            Unfit::OtherType(kind, media_type, lifetime) => {
                let (name, wanted) = (media_type.name(), media_type.kinds(*lifetime));
                write!(f, "is {kind}, and a file of type {name} is {wanted}")?;
                let near = match media_type {
                    MediaType::Thumb => MediaType::Image,
                    MediaType::Image | MediaType::Voice | MediaType::Video => *media_type,
                };
                match kind.media_type() == near {
                    true => write!(f, ": save it as {wanted}"),
                    false => Ok(()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_content() {
        for (bytes, kind) in [
            (&b"\x89PNG\r\n\x1a\n"[..], Some(Kind::Png)),
            (b"\xff\xd8\xff\xe0", Some(Kind::Jpeg)),
            (b"GIF89a", Some(Kind::Gif)),
            (b"#!AMR\n", Some(Kind::Amr)),
            (b"ID3\x04", Some(Kind::Mp3)),
            (b"\xff\xfb\x90", Some(Kind::Mp3)),
            (b"\0\0\0\x18ftypmp42", Some(Kind::Mp4)),
            (b"BM\x46\0\0\0\0\0\0\0\x36", Some(Kind::Bmp)),
            (b"BMW is no picture", None),
            (b"RIFF\x24\0\0\0WAVEfmt ", Some(Kind::Wav)),
            (b"RIFF\x24\0\0\0WEBPVP8 ", None),
            (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6", Some(Kind::Wma)),
            (b"<svg>", None),
            (b"", None),
        ] {
            assert_eq!(Kind::of(bytes).ok(), kind, "{bytes:?}");
        }
    }
}
