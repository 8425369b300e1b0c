//! Where a body in chunks ends, and what its content is (RFC 9112, section 7.1); pure, no I/O.

use super::refusal::Refusal;

/// The most digits the size of a chunk may have; 8 are 4 GiB, far beyond any limit on bodies.
const SIZE_DIGITS: usize = 8;

/// The most bytes of framing for each byte of content: a chunk of one byte needs 12, eight digits and two line ends.
const FRAMING_PER_BYTE: usize = 16;

/// The most bytes of framing beyond that, of all trailers, and of one line.
const LINES_LIMIT: usize = 8 * 1024;

/// A body in chunks, as far as it has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunks {
    next: Part,
    /// Bytes of content so far.
    content: usize,
    /// Bytes of lines with sizes so far.
    framing: usize,
    /// Bytes of trailers so far.
    trailers: usize,
    /// The most bytes of content.
    max_body: usize,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// The line with the size of a chunk.
    Size,
    /// Content; this many bytes of the chunk are missing.
    Content(usize),
    /// The line end after the content of a chunk.
    ContentEnd,
    /// The lines after the last chunk, of which an empty one is the last.
    Trailers,
    /// The next request.
    Nothing,
}

impl Chunks {
    pub fn new(max_body: usize) -> Chunks {
        Chunks {
            next: Part::Size,
            content: 0,
            framing: 0,
            trailers: 0,
            max_body,
        }
    }

    /// Bytes of content so far.
    pub fn content(&self) -> usize {
        self.content
    }

    /// Bytes that the chunk under way still misses.
    pub fn missing(&self) -> usize {
        match self.next {
            Part::Content(missing) => missing,
            Part::Size | Part::ContentEnd | Part::Trailers | Part::Nothing => 0,
        }
    }

    /// Takes the framing out of what has arrived: `input[start..]` holds the content so far, then bytes as they came.
    /// Afterwards it is the content, then at most the beginning of a line, or the next request.
    ///
    /// `Ok(true)`: the body is whole.
    pub fn read(&mut self, input: &mut Vec<u8>, start: usize) -> Result<bool, Refusal> {
        let begin = start + self.content;
        let (mut content_end, mut at) = (begin, begin);
        loop {
            match self.next {
                Part::Size => {
                    let Some(line) = line(&input[at..])? else {
                        break;
                    };
                    let size = size(line)?;
                    let len = line.len() + LINE_END.len();
                    at += len;
                    self.framing += len;
                    let most =
                        LINES_LIMIT.saturating_add(self.content.saturating_mul(FRAMING_PER_BYTE));
                    if size > self.max_body - self.content || self.framing > most {
                        return Err(Refusal::BodyTooLarge);
                    }
                    self.next = match size {
                        0 => Part::Trailers,
                        size => Part::Content(size),
                    };
                }
                Part::Content(missing) => {
                    let count = missing.min(input.len() - at);
                    input.copy_within(at..at + count, content_end);
                    at += count;
                    content_end += count;
                    self.content += count;
                    if count < missing {
                        self.next = Part::Content(missing - count);
                        break;
                    }
                    self.next = Part::ContentEnd;
                }
                Part::ContentEnd => {
                    let end = &input[at..input.len().min(at + LINE_END.len())];
                    if !LINE_END.starts_with(end) {
                        return Err(Refusal::BadRequest);
                    }
                    if end.len() < LINE_END.len() {
                        break;
                    }
                    at += LINE_END.len();
                    self.next = Part::Size;
                }
                Part::Trailers => {
                    let Some(line) = line(&input[at..])? else {
                        break;
                    };
                    let len = line.len() + LINE_END.len();
                    at += len;
                    self.trailers += len;
                    if self.trailers > LINES_LIMIT {
                        return Err(Refusal::HeadTooLarge);
                    }
                    if len == LINE_END.len() {
                        self.next = Part::Nothing;
                    }
                }
                Part::Nothing => break,
            }
        }
        input.drain(content_end..at);
        Ok(self.next == Part::Nothing)
    }
}

/// Nothing else ends a line here: where one reader takes a lone LF for an end and another does not, requests can
/// be hidden from one of them.
const LINE_END: &[u8] = b"\r\n";

/// The first line without its end, or `None` while that has not arrived.
fn line(input: &[u8]) -> Result<Option<&[u8]>, Refusal> {
    let searched = &input[..input.len().min(LINES_LIMIT)];
    let Some(end) = searched.iter().position(|&byte| byte == b'\n') else {
        return match input.len() < LINES_LIMIT {
            true => Ok(None),
            false => Err(Refusal::HeadTooLarge),
        };
    };
    let line = searched[..end].strip_suffix(b"\r");
    let plain = |byte: &u8| *byte == b'\t' || !byte.is_ascii_control();
    match line {
        Some(line) if line.iter().all(plain) => Ok(Some(line)),
        Some(_) | None => Err(Refusal::BadRequest),
    }
}

/// The size that a chunk's line begins with: digits only, then nothing or extensions, which mean nothing here.
fn size(line: &[u8]) -> Result<usize, Refusal> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit());
    let digits = digits.count();
    let ends = matches!(line.get(digits), None | Some(b';'));
    if !(1..=SIZE_DIGITS).contains(&digits) || !ends {
        return Err(Refusal::BadRequest);
    }
    std::str::from_utf8(&line[..digits])
        .ok()
        .and_then(|digits| usize::from_str_radix(digits, 16).ok())
        .ok_or(Refusal::BadRequest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX_BODY: usize = 1000;

    /// The content of a whole body, and what follows it.
    type Decoded = Option<(Vec<u8>, Vec<u8>)>;

    /// What comes of a body that arrives in these pieces after a head of three bytes.
    fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Decoded, Refusal> {
        let (mut input, mut chunks) = (b"...".to_vec(), Chunks::new(MAX_BODY));
        let mut whole = false;
        for piece in pieces {
            input.extend_from_slice(piece);
            whole = chunks.read(&mut input, 3)?;
        }
        assert_eq!(&input[..3], b"...");
        let rest = input.split_off(3 + chunks.content());
        Ok(whole.then(|| (input.split_off(3), rest)))
    }

    #[track_caller]
    fn is(body: &str, content: &str, rest: &str) {
        let expected = Ok(Some((content.into(), rest.into())));
        assert_eq!(decode([body.as_bytes()]), expected, "{body:?}");
        let bytes = body.as_bytes().chunks(1);
        assert_eq!(decode(bytes), expected, "{body:?} byte by byte");
    }

    #[track_caller]
    fn refused(body: &str, refusal: Refusal) {
        assert_eq!(decode([body.as_bytes()]), Err(refusal), "{body:?}");
        let bytes = body.as_bytes().chunks(1);
        assert_eq!(decode(bytes), Err(refusal), "{body:?} byte by byte");
    }

    #[test]
    fn the_content_of_all_chunks_is_put_together() {
        is("0\r\n\r\n", "", "");
        is("5\r\nhello\r\n0\r\n\r\n", "hello", "");
        is("1\r\na\r\n00000002\r\nbc\r\n000\r\n\r\n", "abc", "");
        is(
            "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
            &"0123456789".repeat(2),
            "",
        );
        is("2\r\n\r\n\r\n0\r\n\r\n", "\r\n", "");
    }

    #[test]
    fn extensions_and_trailers_are_thrown_away_and_the_next_request_is_kept() {
        is(
            "5;a=b;c=\"d;\te\"\r\nhello\r\n0;last\r\n\r\nGET",
            "hello",
            "GET",
        );
        is(
            "1\r\nx\r\n0\r\nContent-Length: 7\r\nA: ü\r\n\r\n0\r\n\r\n",
            "x",
            "0\r\n\r\n",
        );
    }

    #[test]
    fn sizes_are_one_to_eight_digits_and_nothing_else() {
        for size in [
            "",
            " 5",
            "5 ",
            "5 ;a",
            "+5",
            "-5",
            "0x5",
            "5h",
            "5,5",
            "000000005",
            "ffffffffffffffff",
            "\u{665}",
            "5\t",
            "5\0",
            "5;\0",
            "5;a\rb",
            ";",
            "\r",
        ] {
            refused(
                &format!("{size}\r\nhello\r\n0\r\n\r\n"),
                Refusal::BadRequest,
            );
        }
    }

    #[test]
    fn lines_end_with_cr_and_lf() {
        for body in [
            "5\nhello\r\n0\r\n\r\n",
            "5;a\nhello\r\n0\r\n\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "5\r\nhello0\r\n\r\n",
            "5\r\nhello\r0\r\n\r\n",
            "0\r\n\n",
            "0\r\nA: b\n\r\n",
        ] {
            refused(body, Refusal::BadRequest);
        }
    }

    #[test]
    fn the_limit_counts_the_content() {
        let chunk = |size: usize| format!("{size:x}\r\n{}\r\n", "x".repeat(size));
        let limit = chunk(600) + &chunk(400);
        is(&(limit.clone() + "0\r\n\r\n"), &"x".repeat(MAX_BODY), "");
        // It need not arrive to be refused.
        refused(&(limit + "1\r\n"), Refusal::BodyTooLarge);
        refused("3e9\r\n", Refusal::BodyTooLarge);
        refused("ffffffff\r\n", Refusal::BodyTooLarge);
    }

    #[test]
    fn single_bytes_are_a_body_and_long_extensions_are_not() {
        is(
            &("00000001\r\nx\r\n".repeat(MAX_BODY) + "0\r\n\r\n"),
            &"x".repeat(MAX_BODY),
            "",
        );
        let padded = format!("1;{}\r\nx\r\n", "a".repeat(100));
        assert_eq!(decode([padded.repeat(50).as_bytes()]), Ok(None));
        refused(&padded.repeat(MAX_BODY), Refusal::BodyTooLarge);
        refused(
            &format!("1;{}", "a".repeat(LINES_LIMIT)),
            Refusal::HeadTooLarge,
        );
        refused(
            &format!("0\r\n{}", "A: b\r\n".repeat(LINES_LIMIT / 6 + 1)),
            Refusal::HeadTooLarge,
        );
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_two_pieces_are_the_same(
            parts in prop::collection::vec(prop::sample::select(vec![
                "0", "1", "5", "a", "F", "\r\n", "\r\n", "\n", "\r", ";", ";a=b", "hello", "x", " ", "\0", "ff",
            ]), 0..24),
            at in any::<prop::sample::Index>(),
        ) {
            let body = parts.concat();
            let (first, second) = body.as_bytes().split_at(at.index(body.len() + 1));
            let whole = decode([body.as_bytes()]);
            prop_assert_eq!(decode([first, second]), whole);
        }

        #[test]
        fn every_content_comes_back_however_it_is_cut(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
            extension in prop::sample::select(vec!["", ";", ";a", ";a=\"b\""]),
            trailer in prop::sample::select(vec!["", "A: b\r\n", "A: b\r\nC:\r\n"]),
        ) {
            let mut body = Vec::new();
            for chunk in &chunks {
                body.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
                body.extend_from_slice(chunk);
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(format!("0{extension}\r\n{trailer}\r\n").as_bytes());
            let ahead = b"POST /next";
            body.extend_from_slice(ahead);
            let expected = Ok(Some((chunks.concat(), ahead.to_vec())));
            for cut in 0..=body.len() {
                let (first, second) = body.split_at(cut);
                prop_assert_eq!(&decode([first, second]), &expected);
            }
        }
    }
}
