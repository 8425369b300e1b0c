//! Draws a text as a QR code: with half blocks in the terminal, as SVG or as PNG. Makes no call.

use std::path::Path;

use qrcode::render::svg;
use qrcode::{Color, EcLevel, QrCode};

use crate::cli::terminal::{Failure, WholeFile};

/// The light border that a code needs, in modules.
const BORDER: usize = 4;

/// The edge of a module in a PNG, in pixels.
const SCALE: usize = 10;

/// The file formats of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Png,
    Svg,
}

impl Format {
    /// The format that the file's extension stands for.
    pub(super) fn of(path: &Path) -> Result<Format, Failure> {
        let extension = path.extension().and_then(|extension| extension.to_str());
        match extension.map(str::to_lowercase).as_deref() {
            Some("png") => Ok(Format::Png),
            Some("svg") => Ok(Format::Svg),
            _ => Err(Failure::Wrong(format!(
                "--out: {}: the name of the file ends in .png or .svg",
                path.display()
            ))),
        }
    }
}

/// The colours of the blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colours {
    /// Black on white by escape sequences, whatever the colours of the terminal.
    BlackOnWhite,
    /// No escape sequences: the blocks are the dark modules, as on paper.
    Plain,
}

/// The modules of a code with its border.
pub(super) struct Picture {
    code: QrCode,
    width: usize,
    /// Row by row; true is dark.
    dark: Vec<bool>,
}

impl Picture {
    pub(super) fn of(text: &str) -> Result<Picture, Failure> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M).map_err(|error| {
            Failure::Failed(format!("qrcode: the URL cannot be drawn: {error}"))
        })?;
        let inner = code.width();
        let width = inner + 2 * BORDER;
        let mut dark = vec![false; width * width];
        for y in 0..inner {
            for x in 0..inner {
                dark[(y + BORDER) * width + x + BORDER] = code[(x, y)] == Color::Dark;
            }
        }
        Ok(Picture { code, width, dark })
    }

    fn is_dark(&self, x: usize, y: usize) -> bool {
        self.dark.get(y * self.width + x).copied().unwrap_or(false)
    }

    /// Two rows of modules in each line of text.
    pub(super) fn lines(&self, colours: Colours) -> Vec<String> {
        let line = |y: usize| {
            let blocks =
                (0..self.width).map(|x| match (self.is_dark(x, y), self.is_dark(x, y + 1)) {
                    (true, true) => '█',
                    (true, false) => '▀',
                    (false, true) => '▄',
                    (false, false) => ' ',
                });
            let blocks: String = blocks.collect();
            match colours {
                Colours::BlackOnWhite => format!("\x1b[30;107m{blocks}\x1b[0m"),
                Colours::Plain => blocks,
            }
        };
        (0..self.width).step_by(2).map(line).collect()
    }

    /// Writes the code to a file.
    pub(super) fn write(&self, format: Format, file: WholeFile) -> Result<(), Failure> {
        match format {
            Format::Svg => {
                let mut svg = self.code.render::<svg::Color>();
                file.write_and_finish(svg.min_dimensions(256, 256).build().as_bytes())
            }
            Format::Png => {
                let mut png = Vec::new();
                self.png(&mut png)
                    .map_err(|error| Failure::Failed(format!("the picture: {error}")))?;
                file.write_and_finish(&png)
            }
        }
    }

    /// Writes a PNG with one bit per pixel; each row takes whole bytes.
    fn png(&self, to: impl std::io::Write) -> Result<(), png::EncodingError> {
        let edge = self.width * SCALE;
        let stride = edge.div_ceil(8);
        let mut bits = vec![0_u8; stride * edge];
        for y in 0..edge {
            for x in 0..edge {
                if !self.is_dark(x / SCALE, y / SCALE) {
                    bits[y * stride + x / 8] |= 0x80 >> (x % 8);
                }
            }
        }
        // The largest code has 177 modules and so about 1850 pixels.
        let edge = u32::try_from(edge).unwrap_or(u32::MAX);
        let mut encoder = png::Encoder::new(to, edge, edge);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::One);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&bits)?;
        writer.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_holds_two_rows_and_the_border_is_bright() {
        let picture = Picture::of("http://weixin.qq.com/q/SYNTHETIC").expect("a picture");
        let lines = picture.lines(Colours::Plain);
        assert_eq!(lines.len(), picture.width.div_ceil(2));
        assert!(lines[0].chars().all(|c| c == ' '), "{lines:?}");
        for line in &lines {
            assert_eq!(line.chars().count(), picture.width);
            assert!(line.starts_with("    ") && line.ends_with("    "));
        }
        let coloured = picture.lines(Colours::BlackOnWhite);
        assert!(coloured[3].starts_with("\x1b[30;107m") && coloured[3].ends_with("\x1b[0m"));
    }
}
