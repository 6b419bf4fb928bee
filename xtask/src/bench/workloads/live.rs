//! With and without the sensor on this machine's own kernel.

use super::place::{Clients, Place};
use super::rounds::{self, Measured, Plan};
use super::watcher::{Nobody, Sensor, Watcher};
use super::workload::Workload;
use crate::bench::outcome::{Outcome, Table};
use anyhow::Result;
use std::time::Duration;

const PLAN: Plan = Plan { rounds: 5, seconds: 3.0, rest: Duration::from_millis(500) };

/// Measures with the hook set that loads here.
pub fn measure(outcome: &mut Outcome) -> Result<()> {
    let place = Place::new(Clients::Several)?;
    let watchers: [&dyn Watcher; 2] = [&Nobody, &Sensor { hooks: None, statistics: false }];
    let mut seen = |one: &Measured| {
        let (round, rate, share) = (one.round + 1, one.sample.per_second, one.share());
        let (workload, watcher) = (one.workload.name(), one.watcher);
        println!("round {round} {workload:<8} {watcher:<8} {rate:>10.0}/s  agent {share:.1} %");
    };
    let all = rounds::measure(&place, &watchers, &Workload::ALL, PLAN, &mut seen)?;
    let Plan { rounds, seconds, .. } = PLAN;
    let about = format!(
        "{rounds} rounds of {seconds} s; sensor and servers are started anew for each load. Load generators run on the \
         same processors; those of redis and the static file have one, and the server the other. Redis keeps nothing on disk, PostgreSQL does not wait for it. Added latency is the 99th \
         percentile with the sensor, divided by that without. The agent's part is its processor time, in percent of one \
         processor."
    );
    let columns = ["workload", "without (1/s)", "lost in %", "p99 with/without", "agent"];
    let mut table = Table::new("Throughput on this machine's kernel", about, &columns);
    for workload in Workload::ALL {
        let compare =
            |value: fn(&Measured, &Measured) -> Option<f64>| rounds::compare(&all, workload, "nobody", "sensor", value);
        let loss = compare(rounds::loss);
        let latency = compare(rounds::latency);
        table.row([
            workload.title().to_owned(),
            format!("{:.0}", compare(|without, _| Some(without.sample.per_second))),
            format!("{loss:.1}"),
            if latency.median > 0.0 { format!("{latency:.2}") } else { "-".to_owned() },
            format!("{:.1}", compare(|_, with| Some(with.share()))),
        ]);
        outcome.figure(format!("workloads.live.{}.loss", workload.name()), loss);
    }
    outcome.tables.push(table);
    Ok(())
}
