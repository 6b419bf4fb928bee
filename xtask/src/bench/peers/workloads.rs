//! Whole workloads under each watcher, and the sensor's loss as a part of auditd's.

use crate::bench::outcome::{Outcome, Table};
use crate::bench::spread::Spread;
use crate::bench::watchers::{Auditd, Bpftrace, Nobody, Sensor, Watcher};
use crate::bench::workloads::place::{Clients, Place};
use crate::bench::workloads::rounds::{self, Measured, Plan};
use crate::bench::workloads::workload::Workload;
use anyhow::Result;
use std::time::Duration;

const PLAN: Plan = Plan { rounds: 4, seconds: 1.5, rest: Duration::from_millis(500) };
const WORKLOADS: [Workload; 3] = [Workload::Web, Workload::Redis, Workload::Pgbench];

/// Measures the three that a bar asks for.
pub fn measure(outcome: &mut Outcome) -> Result<()> {
    let place = Place::new(Clients::Several)?;
    let watchers: [&dyn Watcher; 4] = [&Nobody, &Sensor { hooks: None, statistics: false }, &Bpftrace, &Auditd];
    let mut seen = |one: &Measured| {
        let (round, rate, share) = (one.round + 1, one.sample.per_second, one.share());
        let (workload, watcher) = (one.workload.name(), one.watcher);
        println!("round {round} {workload:<8} {watcher:<8} {rate:>10.0}/s  itself {share:.1} %");
    };
    let all = rounds::measure(&place, &watchers, &WORKLOADS, PLAN, &mut seen)?;
    let about = format!(
        "{} rounds of {} s; throughput lost, in percent, and behind it the watcher's own processor time, in \
         percent of one processor. Watcher and servers are started anew for each load.",
        PLAN.rounds, PLAN.seconds
    );
    let columns = ["workload", "nobody (1/s)", "sensor", "bpftrace", "auditd", "sensor/auditd"];
    let mut table = Table::new("Throughput under others that watch", about, &columns);
    for workload in WORKLOADS {
        let compare = |name: &str, value: fn(&Measured, &Measured) -> Option<f64>| {
            rounds::compare(&all, workload, "nobody", name, value)
        };
        let cell = |name: &str| {
            let share = compare(name, |_, with| Some(with.share())).median;
            format!("{:.1}; {share:.1}", compare(name, rounds::loss))
        };
        let part = of_auditd(&all, workload);
        table.row([
            workload.title().to_owned(),
            format!("{:.0}", compare("sensor", |without, _| Some(without.sample.per_second)).median),
            cell("sensor"),
            cell("bpftrace"),
            cell("auditd"),
            format!("{part:.2}"),
        ]);
        outcome.figure(format!("peers.{}.of-auditd", workload.name()), part);
    }
    outcome.tables.push(table);
    Ok(())
}

/// The middle one of the sensor's losses as a part of the middle one of auditd's. A single round's quotient means nothing
/// where a loss is within the noise; the spread is that of the sensor's losses.
fn of_auditd(all: &[Measured], workload: Workload) -> Spread {
    let auditd = rounds::compare(all, workload, "nobody", "auditd", rounds::loss).median;
    rounds::compare(all, workload, "nobody", "sensor", rounds::loss).map(|loss| loss / auditd)
}
