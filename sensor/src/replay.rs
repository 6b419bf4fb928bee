//! A capture through the core: the same alerts as when it was taken.

use crate::alert::Alert;
use crate::capture::{CaptureError, Reader};
use crate::decode::decode;
use crate::pipeline::Core;
use std::io::Read;

/// What a replay went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records that became events.
    pub events: u64,
    /// Records that could not be decoded.
    pub malformed: u64,
    /// Alerts.
    pub alerts: u64,
}

/// Applies every record; hands every alert to `sink`.
pub fn replay<R: Read>(
    reader: &mut Reader<R>,
    core: &mut Core,
    sink: &mut dyn FnMut(&Alert),
) -> Result<Summary, CaptureError> {
    let mut summary = Summary::default();
    while let Some(record) = reader.frame()? {
        match decode(&record) {
            Ok(event) => {
                summary.events += 1;
                for alert in core.apply(&event).alerts {
                    summary.alerts += 1;
                    sink(&alert);
                }
            }
            Err(_) => summary.malformed += 1,
        }
    }
    Ok(summary)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{Header, Writer};
    use crate::catalogue::Catalogue;
    use crate::encode::encode;
    use crate::event::Event;
    use crate::host::Host;
    use crate::pipeline::Settings;
    use crate::testing::*;
    use sensor_common::key::ProcessKey;
    use std::sync::Arc;

    fn core() -> Core {
        let (catalogue, _) = Catalogue::embedded();
        let (exceptions, host) = (Vec::new(), Host::default());
        Core::new(Settings {
            catalogue: Arc::new(catalogue),
            exceptions,
            host,
            max_processes: 1000,
            learning_hours: 24,
        })
    }

    #[test]
    fn a_replay_gives_the_same_bytes() {
        let (master, worker, child) = (key(100, 100), key(101, 200), key(102, 3000));
        let attack: [Event; 5] = [
            found(1000, master, ProcessKey::NONE, program("/usr/sbin/php-fpm8.2", "php-fpm8.2")),
            fork(1001, master, worker),
            fork(3000, worker, child),
            exec(3001, child, shell("id \u{fffd}")),
            tick(3100),
        ];
        let header = Header { sensor_version: "test".into(), host: Host::default() };
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, &header).unwrap();
        for event in &attack {
            writer.frame(&encode(event)).unwrap();
        }
        let mut live_core = core();
        let alerts = attack.iter().flat_map(|event| live_core.apply(event).alerts);
        let live: Vec<String> = alerts.map(|alert| alert.to_json()).collect();
        let (mut reader, read) = Reader::new(bytes.as_slice()).unwrap();
        assert_eq!(read, header);
        let mut replayed = Vec::new();
        let summary = replay(&mut reader, &mut core(), &mut |alert| replayed.push(alert.to_json()));
        assert_eq!(summary.unwrap(), Summary { events: 5, malformed: 0, alerts: 1 });
        assert_eq!(replayed, live);
    }
}
