//! OpenMetrics text into Prometheus' text format 0.0.4, which prometheus-client cannot write.
//!
//! Comes in: what prometheus-client writes, which has no time stamps. Goes out: the same samples; counters are declared by
//! the names of their samples, infos as gauges; units, exemplars and the end mark are left out. Any text gives a text.

use std::fmt::Write as _;

/// What is known of a family before its first sample.
#[derive(Default)]
struct Declared<'a> {
    name: &'a str,
    help: Option<&'a str>,
    kind: Option<&'a str>,
}

impl<'a> Declared<'a> {
    /// That of `name`: the one that has begun, or a new one.
    fn of(&mut self, name: &'a str, out: &mut String) -> &mut Self {
        if self.name != name {
            std::mem::take(self).write(out);
            self.name = name;
        }
        self
    }

    fn write(self, out: &mut String) {
        let (suffix, kind) = match self.kind.unwrap_or("unknown") {
            "counter" => ("_total", "counter"),
            "info" => ("_info", "gauge"),
            "stateset" => ("", "gauge"),
            kind @ ("gauge" | "histogram" | "summary") => ("", kind),
            _ => ("", "untyped"),
        };
        let name = self.name;
        if let Some(help) = self.help {
            // Writing to a String does not fail.
            let _ = writeln!(out, "# HELP {name}{suffix} {}", help.replace("\\\"", "\""));
        }
        if self.kind.is_some() {
            let _ = writeln!(out, "# TYPE {name}{suffix} {kind}");
        }
    }
}

/// The same metrics in the text format 0.0.4.
pub fn classic(open_metrics: &str) -> String {
    let mut out = String::with_capacity(open_metrics.len());
    let mut declared = Declared::default();
    for line in open_metrics.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").map(halves) {
            declared.of(name, &mut out).help = Some(help);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").map(halves) {
            declared.of(name, &mut out).kind = Some(kind);
        } else if !line.starts_with('#') && !line.is_empty() {
            std::mem::take(&mut declared).write(&mut out);
            out.push_str(without_exemplar(line));
            out.push('\n');
        }
    }
    declared.write(&mut out);
    out
}

fn halves(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}

/// A sample up to its exemplar, which begins with the first `#` that is in no label's value.
fn without_exemplar(sample: &str) -> &str {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in sample.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'#' if !quoted => return sample[..at].trim_end(),
            _ => {}
        }
    }
    sample
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_infos_units_and_the_end_are_as_the_format_wants_them() {
        let open = "# HELP a_events Events\\\\taken \\\"in\\\".\n# TYPE a_events counter\na_events_total{kind=\"x\"} 3\n\
                    # HELP a_run_seconds Time.\n# TYPE a_run_seconds counter\n# UNIT a_run_seconds seconds\n\
                    a_run_seconds_total 0.5\n\
                    # HELP a_build Which.\n# TYPE a_build info\na_build_info{version=\"1\"} 1\n\
                    # HELP a_size_bytes Size.\n# TYPE a_size_bytes gauge\n# UNIT a_size_bytes bytes\na_size_bytes 7\n\
                    # EOF\n";
        let expected = "# HELP a_events_total Events\\\\taken \"in\".\n# TYPE a_events_total counter\n\
                        a_events_total{kind=\"x\"} 3\n\
                        # HELP a_run_seconds_total Time.\n# TYPE a_run_seconds_total counter\na_run_seconds_total 0.5\n\
                        # HELP a_build_info Which.\n# TYPE a_build_info gauge\na_build_info{version=\"1\"} 1\n\
                        # HELP a_size_bytes Size.\n# TYPE a_size_bytes gauge\na_size_bytes 7\n";
        assert_eq!(classic(open), expected);
    }

    #[test]
    fn histograms_keep_their_samples_and_lose_exemplars() {
        let open = "# TYPE h histogram\n# HELP h Time.\nh_sum 1.5\nh_count 2\n\
                    h_bucket{le=\"1\",x=\"a # b \\\" # c\"} 1 # {trace=\"#1\"} 0.5\nh_bucket{le=\"+Inf\"} 2\n# EOF\n";
        let expected = "# HELP h Time.\n# TYPE h histogram\nh_sum 1.5\nh_count 2\n\
                        h_bucket{le=\"1\",x=\"a # b \\\" # c\"} 1\nh_bucket{le=\"+Inf\"} 2\n";
        assert_eq!(classic(open), expected);
    }

    #[test]
    fn families_without_samples_and_odd_texts_go_through() {
        assert_eq!(classic("# TYPE a counter\n# TYPE b thing\n"), "# TYPE a_total counter\n# TYPE b untyped\n");
        assert_eq!(classic("# HELP a\nx\n# TYPE \n\n# note\n"), "# HELP a \nx\n# TYPE  untyped\n");
        assert_eq!(classic(""), "");
    }

    proptest::proptest! {
        #[test]
        fn any_text_gives_a_text(text in "([#{}\" \\\\a-z]|# HELP |# TYPE |counter|\n|\\PC)*") {
            let written = classic(&text);
            proptest::prop_assert!(!written.contains("# UNIT") || text.contains("# UNIT"));
            proptest::prop_assert!(written.is_empty() || written.ends_with('\n'));
        }
    }
}
