//! The metrics as text in the format of OpenMetrics 1.0; the only file that names `prometheus_client`.

use std::borrow::Cow;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::histogram::Times;

/// A metric with its values at one moment.
#[derive(Debug)]
pub struct Metric {
    /// As it is documented, with its unit and the ending of its kind.
    name: &'static str,
    meaning: &'static str,
    samples: Vec<(Labels, Value)>,
    kind: MetricType,
}

/// Names of labels with their values.
type Labels = Vec<(&'static str, Cow<'static, str>)>;

/// One value.
#[derive(Debug)]
pub enum Value {
    /// A whole number.
    Whole(u64),
    /// Another number.
    Number(f64),
    /// How long something takes.
    Times(Times),
}

impl Metric {
    /// What only grows; its name ends in `_total`.
    #[must_use]
    pub fn counter(name: &'static str, meaning: &'static str) -> Metric {
        Metric::new(MetricType::Counter, name, meaning)
    }

    /// What comes and goes.
    #[must_use]
    pub fn gauge(name: &'static str, meaning: &'static str) -> Metric {
        Metric::new(MetricType::Gauge, name, meaning)
    }

    /// How long something takes; its name ends in `_seconds`.
    #[must_use]
    pub fn histogram(name: &'static str, meaning: &'static str) -> Metric {
        Metric::new(MetricType::Histogram, name, meaning)
    }

    /// What does not change while the process runs; its name ends in `_info`.
    #[must_use]
    pub fn info(name: &'static str, meaning: &'static str) -> Metric {
        Metric::new(MetricType::Info, name, meaning)
    }

    fn new(kind: MetricType, name: &'static str, meaning: &'static str) -> Metric {
        Metric {
            name,
            meaning,
            samples: Vec::new(),
            kind,
        }
    }

    /// The same with a value without labels, if it is known.
    #[must_use]
    pub fn is(self, value: Option<impl Into<Value>>) -> Metric {
        match value {
            Some(value) => self.has([], value),
            None => self,
        }
    }

    /// The same with one more value. No label may have values that strangers choose.
    #[must_use]
    pub fn has<const N: usize>(
        mut self,
        labels: [(&'static str, Cow<'static, str>); N],
        value: impl Into<Value>,
    ) -> Metric {
        self.samples.push((labels.into(), value.into()));
        self
    }

    /// Its name without the endings that the format adds, and its unit.
    fn stem_and_unit(&self) -> (&'static str, Option<Unit>) {
        let name = self.name;
        let name = name.strip_suffix("_total").unwrap_or(name);
        let name = name.strip_suffix("_info").unwrap_or(name);
        for (ending, unit) in [("_seconds", Unit::Seconds), ("_bytes", Unit::Bytes)] {
            if let Some(stem) = name.strip_suffix(ending) {
                return (stem, Some(unit));
            }
        }
        (name, None)
    }
}

/// All of these as text.
#[must_use]
pub fn text(metrics: Vec<Metric>) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Metrics(metrics)));
    let mut text = String::new();
    // A string takes everything.
    prometheus_client::encoding::text::encode(&mut text, &registry).ok();
    text
}

#[derive(Debug)]
struct Metrics(Vec<Metric>);

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for metric in &self.0 {
            let (stem, unit) = metric.stem_and_unit();
            let unit = unit.as_ref();
            let mut encoder = encoder.encode_descriptor(stem, metric.meaning, unit, metric.kind)?;
            for (labels, value) in &metric.samples {
                encode(&mut encoder, metric.kind, labels, value)?;
            }
        }
        Ok(())
    }
}

fn encode(
    encoder: &mut MetricEncoder<'_>,
    kind: MetricType,
    labels: &Labels,
    value: &Value,
) -> fmt::Result {
    if let MetricType::Info = kind {
        return encoder.encode_info(labels);
    }
    let mut encoder = encoder.encode_family(labels)?;
    match (kind, value) {
        (MetricType::Counter, Value::Whole(value)) => {
            encoder.encode_counter::<Labels, u64, u64>(value, None)
        }
        (MetricType::Counter, Value::Number(value)) => {
            encoder.encode_counter::<Labels, f64, u64>(value, None)
        }
        (_, Value::Whole(value)) => encoder.encode_gauge(value),
        (_, Value::Number(value)) => encoder.encode_gauge(value),
        (_, Value::Times(times)) => {
            encoder.encode_histogram::<Labels>(times.sum, times.count(), &times.buckets, None)
        }
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Value {
        Value::Whole(value)
    }
}

/// Nothing that is counted is below zero, also if a store says so.
impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Whole(value.try_into().unwrap_or(0))
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Value {
        Value::Number(value)
    }
}

impl From<Times> for Value {
    fn from(value: Times) -> Value {
        Value::Times(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_out_as_they_are_written_and_values_of_labels_are_escaped() {
        let lines = text(vec![
            Metric::counter("a_seconds_total", "A.").is(Some(1.5)),
            Metric::gauge("b_bytes", "B.").is(Some(-7i64)),
            Metric::info("c_info", "C.").has([("version", "1".into())], 1u64),
            Metric::counter("d_total", "D.").has([("rule", "a\"b\\\n".into())], 2u64),
            Metric::gauge("e", "E.").is(None::<u64>),
        ]);
        let expected = [
            "# HELP a_seconds A.",
            "# TYPE a_seconds counter",
            "# UNIT a_seconds seconds",
            "a_seconds_total 1.5",
            "# HELP b_bytes B.",
            "# TYPE b_bytes gauge",
            "# UNIT b_bytes bytes",
            "b_bytes 0",
            "# HELP c C.",
            "# TYPE c info",
            "c_info{version=\"1\"} 1",
            "# HELP d D.",
            "# TYPE d counter",
            "d_total{rule=\"a\\\"b\\\\\\n\"} 2",
            "# HELP e E.",
            "# TYPE e gauge",
            "# EOF",
        ];
        assert_eq!(lines.lines().collect::<Vec<_>>(), expected);
    }
}
