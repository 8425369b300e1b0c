//! Parses single TOML values into the types of the configuration; every error says what was expected.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use toml::Spanned;
use toml::de::DeValue;

use super::problem::suggestion;
use crate::secret::Secret;
use crate::webhook::SigningSecret;

/// A value of the file with its position.
pub(super) type Value<'a> = Spanned<DeValue<'a>>;

/// The result of parsing a value: the value, or what is wrong with it.
pub(super) type Parsed<T> = Result<T, String>;

/// The units of durations in milliseconds, the largest first.
const TIMES: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

pub(super) fn string(value: &Value) -> Parsed<String> {
    match value.get_ref().as_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(expected("a text in quotes", value)),
    }
}

/// Refuses control characters, except those in `may`: they come from an escape such as `\b` in what was meant as a
/// regular expression or a Windows path.
pub(super) fn no_control(text: &str, may: &[char]) -> Parsed<()> {
    match text.chars().find(|c| c.is_control() && !may.contains(c)) {
        None => Ok(()),
        Some(c) => Err(format!(
            "holds the control character U+{:04X}; between double quotes \\ begins an escape, put the text between single quotes",
            u32::from(c)
        )),
    }
}

/// The name of a hook or the like, `what`, which logs, commands and the store call it by.
pub(super) fn name(value: &Value, what: &str) -> Parsed<String> {
    let text = string(value)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
    match (1..=64).contains(&text.len()) && text.bytes().all(plain) {
        true => Ok(text),
        false => Err(format!(
            "{text:?} is no name for a {what}: up to 64 letters, digits, - and _"
        )),
    }
}

/// The one of `known` whose name `text` is. `what` says what it should be, such as "a format".
pub(super) fn one_of<T: Copy>(text: &str, known: &[(&'static str, T)], what: &str) -> Parsed<T> {
    let found = known.iter().find(|(name, _)| *name == text);
    found.map(|(_, one)| *one).ok_or_else(|| {
        let advice = suggestion(text, known.iter().map(|(name, _)| *name));
        format!("{text:?} is not {what}; {advice}")
    })
}

/// A Token, which signs the requests of the platform.
pub(super) fn token(value: &Value) -> Parsed<Secret> {
    let text = string(value)?;
    let well_formed =
        (3..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
    match well_formed {
        true => Ok(Secret::new(text)),
        false => Err("a Token has 3 to 32 letters or digits and nothing else".to_owned()),
    }
}

/// A secret of Standard Webhooks.
pub(super) fn signing_secret(value: &Value) -> Parsed<SigningSecret> {
    SigningSecret::parse(&string(value)?).ok_or_else(|| {
        "is no secret of Standard Webhooks: whsec_ and the base64 of 24 to 64 bytes; without the key one is made".to_owned()
    })
}

pub(super) fn boolean(value: &Value) -> Parsed<bool> {
    value
        .get_ref()
        .as_bool()
        .ok_or_else(|| expected("true or false", value))
}

pub(super) fn integer(value: &Value, least: usize, most: usize) -> Parsed<usize> {
    let what = format!("a whole number from {least} to {most}");
    value
        .get_ref()
        .as_integer()
        .and_then(|n| usize::from_str_radix(n.as_str(), n.radix()).ok())
        .filter(|n| (least..=most).contains(n))
        .ok_or_else(|| expected(&what, value))
}

/// A string, or a list of at least one string.
pub(super) fn one_or_more(value: &Value) -> Parsed<Vec<String>> {
    match value.get_ref().as_array() {
        None => match value.get_ref().as_str() {
            Some(text) => Ok(vec![text.to_owned()]),
            None => Err(expected("a text or a list of texts", value)),
        },
        Some(items) if items.is_empty() => {
            Err("an empty list matches nothing; leave the key out".to_owned())
        }
        Some(items) => items.iter().map(string).collect(),
    }
}

/// `"250ms"`, `"10s"`, `"5m"`, `"2h"`, `"180d"`.
pub(super) fn duration(value: &Value, least: Duration, most: Duration) -> Parsed<Duration> {
    let text = string(value).map_err(|_| expected("a duration such as \"10s\"", value))?;
    let read = read_duration(&text)?;
    if read < least || read > most {
        return Err(format!(
            "{text:?} is out of range; it can be {} to {}",
            show_duration(least),
            show_duration(most)
        ));
    }
    Ok(read)
}

/// A duration of at least `least`, or zero for "off". `why` says why less is not enough.
pub(super) fn duration_or_zero(
    value: &Value,
    least: Duration,
    most: Duration,
    why: &str,
) -> Parsed<Duration> {
    let read = duration(value, Duration::ZERO, most)?;
    if !read.is_zero() && read < least {
        return Err(format!(
            "{:?} is too short: {why}; the least is {:?}",
            string(value)?,
            show_duration(least)
        ));
    }
    Ok(read)
}

/// A duration as in the file: a whole number with `ms`, `s`, `m`, `h` or `d`.
///
/// # Errors
/// Says what was expected.
pub fn read_duration(text: &str) -> Result<Duration, String> {
    scaled(text, &TIMES)
        .map(Duration::from_millis)
        .ok_or_else(|| format!("{text:?} is not a duration; write a whole number with ms, s, m, h or d, such as \"10s\""))
}

/// `"64KiB"`, `"1MiB"`, or a number of bytes with `B`.
pub(super) fn size(value: &Value, least: usize, most: usize) -> Parsed<usize> {
    let text = string(value).map_err(|_| expected("a size such as \"1MiB\"", value))?;
    let read = scaled(
        &text,
        &[
            ("B", 1),
            ("KiB", 1 << 10),
            ("MiB", 1 << 20),
            ("GiB", 1 << 30),
        ],
    )
    .and_then(|bytes| usize::try_from(bytes).ok())
    .ok_or_else(|| {
        format!(
            "{text:?} is not a size; write a whole number with B, KiB, MiB or GiB, such as \"1MiB\""
        )
    })?;
    if read < least || read > most {
        let (least, most) = (written(least), written(most));
        return Err(format!(
            "{text:?} is out of range; it can be {least} to {most}"
        ));
    }
    Ok(read)
}

/// A size as an owner writes it, in the largest unit that fits.
fn written(bytes: usize) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let fits = units
        .iter()
        .find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit));
    fits.map_or_else(
        || format!("{bytes}B"),
        |(unit, name)| format!("{}{name}", bytes / unit),
    )
}

/// A list of addresses and networks in CIDR notation.
pub(super) fn networks(value: &Value) -> Parsed<Vec<IpNet>> {
    let items = value.get_ref().as_array().ok_or_else(|| {
        expected(
            "a list of addresses or networks such as [\"10.0.0.0/8\"]",
            value,
        )
    })?;
    items
        .iter()
        .map(|item| string(item).and_then(|text| read_network(&text)))
        .collect()
}

/// One address, or a network in CIDR notation.
///
/// # Errors
/// Says what was expected.
pub fn read_network(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map(canonical)
        .map_err(|_| format!("{text:?} is not an address or a network such as \"10.0.0.0/8\""))
}

/// Turns an IPv4 network written as IPv6 (`::ffff:10.0.0.0/104`) into IPv4, as is done with clients' addresses.
fn canonical(network: IpNet) -> IpNet {
    let mapped = |network: Ipv6Net| {
        let address = network.addr().to_ipv4_mapped()?;
        Ipv4Net::new(address, network.prefix_len().checked_sub(96)?).ok()
    };
    match network {
        IpNet::V4(_) => network,
        IpNet::V6(six) => mapped(six).map_or(network, IpNet::V4),
    }
}

/// The duration as in the file, in the largest unit that divides it.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    let units = TIMES.map(|(unit, size)| (unit, u128::from(size)));
    let mut units = units.into_iter().filter(|_| milliseconds > 0);
    match units.find(|(_, size)| milliseconds.is_multiple_of(*size)) {
        Some((unit, size)) => format!("{}{unit}", milliseconds / size),
        None => "0s".to_owned(),
    }
}

pub(super) fn expected(what: &str, value: &Value) -> String {
    let found = match value.get_ref() {
        DeValue::String(_) => "a text",
        DeValue::Integer(n) => return format!("expected {what}, found {n}"),
        DeValue::Float(_) => "a number with a decimal point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    format!("expected {what}, found {found}")
}

/// A whole number followed by one of these units, multiplied by the unit's size.
fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let (_, size) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(toml: &str) -> Value<'_> {
        DeValue::parse(toml).expect("a value")
    }

    #[test]
    fn durations_are_read_and_shown_in_the_same_form() {
        let any = (Duration::ZERO, Duration::MAX);
        for text in ["250ms", "10s", "90s", "5m", "2h", "180d", "0s"] {
            let read = duration(&value(&format!("{text:?}")), any.0, any.1).expect(text);
            let back =
                duration(&value(&format!("{:?}", show_duration(read))), any.0, any.1).expect(text);
            assert_eq!(read, back, "{text}");
        }
        for text in [
            "10",
            "s",
            "-1s",
            "1.5s",
            "10 s",
            "99999999999999999999d",
            "18446744073709551615d",
        ] {
            assert!(
                duration(&value(&format!("{text:?}")), any.0, any.1).is_err(),
                "{text}"
            );
        }
        assert!(duration(&value("10"), any.0, any.1).is_err());
    }

    #[test]
    fn sizes_and_networks_are_read() {
        assert_eq!(size(&value("\"1MiB\""), 0, usize::MAX), Ok(1 << 20));
        assert_eq!(size(&value("\"512B\""), 0, usize::MAX), Ok(512));
        assert!(size(&value("\"1MB\""), 0, usize::MAX).is_err());
        for (least, most, range) in [
            (0, 1 << 20, "0B to 1MiB"),
            (4 << 10, 256 << 10, "4KiB to 256KiB"),
            (1_000, 3 << 10, "1000B to 3KiB"),
        ] {
            let error = size(&value("\"4MiB\""), least, most).expect_err("too large");
            assert!(error.ends_with(range), "{error}");
        }
        assert_eq!(
            networks(&value("[\"127.0.0.1\", \"::1\", \"10.0.0.0/8\"]")).map(|n| n.len()),
            Ok(3)
        );
        assert!(networks(&value("[\"10.0.0.0/99\"]")).is_err());
    }
}
