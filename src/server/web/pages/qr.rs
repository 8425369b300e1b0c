//! A QR code as a picture within a page.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};
use qrcode::{Color, EcLevel, QrCode};

/// The light border that a code needs, in modules.
const BORDER: usize = 4;

/// The edge of a module in a PNG, in pixels.
const SCALE: usize = 8;

/// The longest text that is drawn, in bytes: a longer one makes a code that phones hardly read, and a large page.
const MOST: usize = 800;

/// The code of a text; `None` if it is too long to be scanned.
pub fn picture(text: &str, label: &str) -> Option<Markup> {
    if text.len() > MOST {
        return None;
    }
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let width = code.width() + 2 * BORDER;
    let path = path(&code);
    Some(html! {
        svg .qr role="img" aria-label=(label) viewBox=(format!("0 0 {width} {width}")) shape-rendering="crispEdges" {
            path fill="#fff" d=(format!("M0 0h{width}v{width}H0z")) {}
            path stroke="#000" d=(path) {}
        }
    })
}

/// The same as a picture that can be pressed and held in WeChat, which is not recognised in drawings.
pub fn image(text: &str, label: &str) -> Option<Markup> {
    if text.len() > MOST {
        return None;
    }
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let png = STANDARD.encode(png(&code).ok()?);
    Some(html! { img .qr alt=(label) src=(format!("data:image/png;base64,{png}")); })
}

/// A PNG with one bit per pixel; each row takes whole bytes.
fn png(code: &QrCode) -> Result<Vec<u8>, png::EncodingError> {
    let edge = (code.width() + 2 * BORDER) * SCALE;
    let module = |at: usize| {
        (at / SCALE)
            .checked_sub(BORDER)
            .filter(|at| *at < code.width())
    };
    let is_dark = |x, y| {
        let place = module(x).zip(module(y));
        place.is_some_and(|place| code[place] == Color::Dark)
    };
    let stride = edge.div_ceil(8);
    let mut bits = vec![0_u8; stride * edge];
    for y in 0..edge {
        for x in (0..edge).filter(|&x| !is_dark(x, y)) {
            bits[y * stride + x / 8] |= 0x80 >> (x % 8);
        }
    }
    let mut file = Vec::new();
    let edge = u32::try_from(edge).unwrap_or(u32::MAX);
    let mut encoder = png::Encoder::new(&mut file, edge, edge);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&bits)?;
    writer.finish()?;
    Ok(file)
}

/// The dark modules, a stroke for each run of them in a row.
fn path(code: &QrCode) -> String {
    let mut path = String::new();
    for y in 0..code.width() {
        let row: Vec<bool> = (0..code.width())
            .map(|x| code[(x, y)] == Color::Dark)
            .collect();
        // Steps from the end of the last run.
        path += &format!("M{BORDER} {}.5", y + BORDER);
        for run in row.chunk_by(|one, next| one == next) {
            let step = if run[0] { 'h' } else { 'm' };
            let height = if run[0] { "" } else { " 0" };
            path += &format!("{step}{}{height}", run.len());
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dark_module_is_drawn_and_no_light_one() {
        let text = "https://example.com/wx/login/members?to=%2Fdocs%3Fa%3D1";
        let code = QrCode::with_error_correction_level(text, EcLevel::L).unwrap();
        let width = code.width();
        let mut dark = vec![vec![false; width]; width];
        for row in path(&code).split('M').skip(1) {
            let (start, steps) = row.split_at(row.find(['m', 'h']).unwrap());
            let (x, y) = start.split_once(' ').unwrap();
            let mut x = x.parse::<usize>().unwrap() - BORDER;
            let y = y.trim_end_matches(".5").parse::<usize>().unwrap() - BORDER;
            let steps = steps.replace(" 0", "").replace('m', " -").replace('h', " ");
            for step in steps.split_whitespace() {
                let length = step.trim_start_matches('-').parse::<usize>().unwrap();
                dark[y][x..x + length].fill(!step.starts_with('-'));
                x += length;
            }
            assert_eq!(x, width);
        }
        for (y, row) in dark.iter().enumerate() {
            for (x, dark) in row.iter().enumerate() {
                assert_eq!(*dark, code[(x, y)] == Color::Dark, "{x} {y}");
            }
        }
    }

    #[test]
    fn the_picture_can_be_read_by_a_phone() {
        let text = "http://weixin.qq.com/q/SYN_web-follow";
        let page = image(text, "").unwrap().into_string();
        let (_, data) = page.split_once("base64,").unwrap();
        let file = STANDARD.decode(data.split('"').next().unwrap()).unwrap();
        let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut pixels).unwrap();
        let edge = usize::try_from(frame.width).unwrap();
        let grey = |x: usize, y: usize| pixels[y * edge + x];
        let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(edge, edge, grey);
        assert_eq!(prepared.detect_grids()[0].decode().unwrap().1, text);
        assert!(page.len() < 3_000, "{}", page.len());
    }

    #[test]
    fn a_code_stays_small_and_none_is_drawn_for_a_text_that_is_too_long() {
        let longest = picture(&"x".repeat(MOST), "").unwrap().into_string();
        assert!(longest.len() < 24_000, "{}", longest.len());
        assert!(picture(&"x".repeat(MOST + 1), "").is_none());
    }
}
