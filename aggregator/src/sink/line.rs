//! Influx line protocol: `measurement,gateway=…,point=… value=1.5,quality=0i 1790000000000000`.
//! [Reference](https://docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference/).

use super::Point;
use minewatch_domain::Quality;
use std::fmt::Write as _;

/// Lines of one request.
#[derive(Debug)]
pub(super) struct Lines {
    measurement: String,
    text: String,
    count: u64,
}

impl Lines {
    pub(super) fn new(measurement: &str) -> Lines {
        Lines { measurement: measurement.to_owned(), text: String::new(), count: 0 }
    }

    /// One line per point; a value that is no number is left out, its quality never.
    pub(super) fn add(&mut self, points: &[Point]) {
        for point in points {
            // Ids are slugs: nothing in them needs escaping.
            let _ = write!(self.text, "{},gateway={},point={} ", self.measurement, point.gateway, point.point);
            if let Some(value) = point.value.filter(|value| value.is_finite()) {
                let _ = write!(self.text, "value={value},");
            }
            let quality = match point.quality {
                Quality::Good => 0,
                Quality::Uncertain => 1,
                Quality::Bad => 2,
            };
            let _ = writeln!(self.text, "quality={quality}i {}", point.at.micros());
            self.count += 1;
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use minewatch_domain::{At, GatewayId, PointId};

    #[test]
    fn a_bad_reading_has_a_quality_and_no_value() {
        let point = |value, quality| Point {
            gateway: GatewayId::parse("gw-1").expect("id"),
            point: PointId::parse("pond.level").expect("id"),
            at: At(1_790_000_000_000_001),
            value,
            quality,
        };
        let mut lines = Lines::new("minewatch");
        lines.add(&[point(Some(1.5), Quality::Good), point(None, Quality::Bad), point(Some(f64::NAN), Quality::Bad)]);
        assert_eq!(
            lines.text(),
            "minewatch,gateway=gw-1,point=pond.level value=1.5,quality=0i 1790000000000001\n\
             minewatch,gateway=gw-1,point=pond.level quality=2i 1790000000000001\n\
             minewatch,gateway=gw-1,point=pond.level quality=2i 1790000000000001\n"
        );
        assert_eq!(lines.count(), 3);
    }
}
