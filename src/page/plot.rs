//! Bars as SVG, and the same numbers as a table. Colours come from the style, so that they suit light and dark.

use maud::{Markup, html};

use super::frame::Frame;
use super::texts::Text;
use crate::store::{DayCount, by_week};

/// More bars than these become weeks.
const MOST: usize = 180;

/// The height of the picture in its own units.
const HEIGHT: i64 = 1_000;

/// Arrivals up, departures down, oldest day first.
#[must_use]
pub fn growth(frame: &Frame<'_>, days: &[DayCount]) -> Markup {
    let weeks = days.len() > MOST;
    let grouped = if weeks { by_week(days) } else { Vec::new() };
    let bars = if weeks { &grouped } else { days };
    let (up, down) = (frame.say(Text::Arrivals), frame.say(Text::Departures));
    html! {
        figure .plot {
            (picture(frame, bars, [up, down]))
            div .ends {
                @if let (Some(first), Some(last)) = (bars.first(), bars.last()) {
                    span { (first.day) }
                    span { (last.day) }
                }
            }
            figcaption .legend {
                span .key.up { (up) }
                span .key.down { (down) }
            }
        }
        details {
            summary { (frame.say(Text::Numbers)) }
            div .scroll tabindex="0" {
                table {
                    thead {
                        tr {
                            th scope="col" { (frame.say(if weeks { Text::WeekFrom } else { Text::Day })) }
                            th .n scope="col" { (up) }
                            th .n scope="col" { (down) }
                            th .n scope="col" { (frame.say(Text::Net)) }
                        }
                    }
                    tbody {
                        @for bar in bars.iter().rev() {
                            tr {
                                td { (bar.day) }
                                td .n { (bar.arrivals) }
                                td .n { (bar.departures) }
                                td .n { (signed(bar.net())) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A difference with its sign: `+3`, `−2`, `0`.
#[must_use]
pub fn signed(number: i64) -> String {
    match number {
        0 => "0".to_owned(),
        1.. => format!("+{number}"),
        ..0 => format!("−{}", number.unsigned_abs()),
    }
}

fn picture(frame: &Frame<'_>, bars: &[DayCount], [up, down]: [&str; 2]) -> Markup {
    let most = |value: fn(&DayCount) -> i64| bars.iter().map(value).max().unwrap_or(0);
    let (highest, lowest) = (most(|bar| bar.arrivals), most(|bar| bar.departures));
    // Both directions have one scale.
    let height = |value: i64| value * HEIGHT / (highest + lowest).max(1);
    let axis = height(highest);
    let width = i64::try_from(bars.len()).unwrap_or(i64::MAX).max(1) * 10;
    html! {
        svg role="img" aria-label=(frame.say(Text::Growth)) viewBox=(format!("0 0 {width} {HEIGHT}")) preserveAspectRatio="none" {
            @for (bar, left) in bars.iter().zip((1..).step_by(10)) {
                @let (day, came, left_us) = (&bar.day, bar.arrivals, bar.departures);
                @if came > 0 {
                    rect .up x=(left) y=(axis - height(came)) width="8" height=(height(came)) { title { (day) " " (up) " " (came) } }
                }
                @if left_us > 0 {
                    rect .down x=(left) y=(axis) width="8" height=(height(left_us)) { title { (day) " " (down) " " (left_us) } }
                }
            }
            line .axis x1="0" x2=(width) y1=(axis) y2=(axis) {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;

    const FRAME: Frame<'_> = Frame {
        language: Language::English,
        base: "",
        here: "/",
        signed_in: None,
    };

    /// So many days, the first of which is a Monday.
    fn days(count: usize) -> Vec<DayCount> {
        let day = |n: usize| DayCount {
            day: format!("day {n}"),
            weekday: n % 7,
            start: 0,
            arrivals: 2,
            departures: i64::from(n == 1),
            messages: 0,
        };
        (0..count).map(day).collect()
    }

    #[test]
    fn every_bar_says_its_numbers_and_the_table_has_them_too() {
        let drawn = growth(&FRAME, &days(2)).into_string();
        assert!(
            drawn.contains("<rect class=\"up\" x=\"1\" y=\"0\" width=\"8\" height=\"666\"><title>day 0 Came 2</title></rect>"),
            "{drawn}"
        );
        assert!(
            drawn.contains("<rect class=\"down\" x=\"11\" y=\"666\" width=\"8\" height=\"333\"><title>day 1 Left 1</title></rect>"),
            "{drawn}"
        );
        assert!(
            drawn.contains("<tr><td>day 1</td><td class=\"n\">2</td><td class=\"n\">1</td><td class=\"n\">+1</td></tr>"),
            "{drawn}"
        );
    }

    #[test]
    fn more_than_180_days_become_weeks() {
        let drawn = growth(&FRAME, &days(180)).into_string();
        assert_eq!(drawn.matches("<rect class=\"up\"").count(), 180);
        let drawn = growth(&FRAME, &days(365)).into_string();
        assert_eq!(drawn.matches("<rect class=\"up\"").count(), 53);
        assert!(drawn.contains("Week from"), "{drawn}");
        assert!(
            drawn.contains("<td>day 7</td><td class=\"n\">14</td>"),
            "{drawn}"
        );
    }

    #[test]
    fn nothing_and_very_much_can_be_drawn() {
        assert!(growth(&FRAME, &[]).into_string().contains("<svg"));
        let mut most = days(1).remove(0);
        (most.arrivals, most.departures) = (1_000_000_000_000, 1);
        assert!(
            growth(&FRAME, &[most])
                .into_string()
                .contains("height=\"999\"")
        );
        assert_eq!([signed(3), signed(0), signed(-2)], ["+3", "0", "−2"]);
    }
}
