//! The text of the metrics, in the format that the client asked for.
//!
//! OpenMetrics 1.0 where it is asked for by name, as Prometheus does; the classic text format 0.0.4 for everybody else
//! (curl, promtool, older agents).

use super::Metrics;
use super::classic::classic;
use prometheus_client::encoding::text::encode;

/// A text format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus' text format 0.0.4.
    Classic,
}

impl Format {
    /// What an `Accept` header asks for; several of them are joined by commas. Without one, or where nothing fits: classic.
    pub fn of_accept(accept: &str) -> Self {
        let (mut open, mut classic) = (0.0_f32, 0.0_f32);
        for range in accept.split(',').map(Range::of) {
            match range.kind.as_str() {
                "application/openmetrics-text" if matches!(range.version.as_deref(), None | Some("1.0.0")) => {
                    open = open.max(range.quality);
                }
                "text/plain" => classic = classic.max(range.quality),
                _ => {}
            }
        }
        if open > 0.0 && open >= classic { Self::OpenMetrics } else { Self::Classic }
    }

    /// Its media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// A media range of an `Accept` header (RFC 9110, 12.5.1).
struct Range {
    kind: String,
    version: Option<String>,
    quality: f32,
}

impl Range {
    fn of(text: &str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let mut range = Self { kind, version: None, quality: 1.0 };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "version" => range.version = Some(value.to_owned()),
                "q" => range.quality = value.parse().unwrap_or(0.0),
                _ => {}
            }
        }
        range
    }
}

impl Metrics {
    /// Everything, as text.
    pub fn encode(&self, format: Format) -> String {
        self.before_encoding();
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            // Writing to a String does not fail; a metric that cannot say its value might.
            tracing::warn!("the metrics could not be written");
        }
        match format {
            Format::OpenMetrics => text,
            Format::Classic => classic(&text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openmetrics_is_for_those_who_ask_for_it() {
        let prometheus_2_42 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;\
                               q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/\
                            openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
                            text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for accept in [
            prometheus_2_42,
            prometheus_3,
            "application/openmetrics-text",
            "Application/OpenMetrics-Text; Version=\"1.0.0\"; charset=utf-8",
            "text/plain;q=0.5, application/openmetrics-text ; q=0.5",
        ] {
            assert_eq!(Format::of_accept(accept), Format::OpenMetrics, "{accept}");
        }
    }

    #[test]
    fn the_classic_format_is_for_everybody_else() {
        let prometheus_2_5 = "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for accept in [
            "",
            "*/*",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            prometheus_2_5,
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=nonsense",
            "application/openmetrics-text;q=0.3,text/plain",
            ";;;,,=",
        ] {
            assert_eq!(Format::of_accept(accept), Format::Classic, "{accept}");
        }
    }
}
